"""What is recorded, looked at and corrected: data for learning."""

from __future__ import annotations

import itertools
import json
import sys

from tyro.conf import Positional

from vla.errors import ConfigError, DataError
from vla.verbs.options import DatasetPath, File, Folder, Json, OutFolder, Overrides, RecipePath, Text


def collect(
    recipe: Positional[RecipePath], /, out: OutFolder, workers: int = 2, sets: Overrides = ()
) -> None:
    """Record demonstrations of the scripted experts.

    Killed halfway, the same command goes on where it stopped.

    Example: vla collect datasets/blocks/recipe.yaml --out runs/demos

    Args:
        recipe: YAML file that says what to record: in our simulator, or in another gymnasium env.
        out: folder for the dataset.
        workers: processes that simulate at the same time.
        sets: changes to the recipe, such as share=0.1 for a tenth of everything.
    """
    from vla.config import CollectRecipe, EnvRecipe
    from vla.config_files import describes_env, load_config
    from vla.data import collect as collection
    from vla.data.collect_env import collect_env

    changes = list(itertools.chain.from_iterable(sets))
    if describes_env(recipe):
        report = collect_env(load_config(recipe, EnvRecipe, changes), recipe.parent, out, workers)
    else:
        report = collection.collect(load_config(recipe, CollectRecipe, changes), out, workers)
    for task, counts in report["tasks"].items():
        print(f"{task}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
    new, rate = report["new_frames"], report["frames_per_second"]
    if new:
        print(f"dataset written to {out}, {new} frames recorded, {rate:.0f} a second")
    else:
        print(f"dataset {out} was complete; nothing was recorded")


def play(
    task: str = "pick_up",
    split: str = "seen",
    instruction: Text = None,
    seed: int = 0,
    camera: str = "front",
    expert: bool = False,
    record: Folder = None,
    video: File = None,
) -> None:
    """Move the robot by keyboard, or watch the scripted expert, in the terminal.

    Needs no display: the picture is drawn with coloured characters. Keys: w s a d along the table as you see
    it, r f up and down, q e turn, space opens and closes the gripper, n begins a new episode, x ends.

    Example: vla play --task stack --expert --video stack.gif

    Args:
        task: one of the 18 of docs/tasks.md.
        split: what scenes are drawn from, see docs/evaluation.md.
        instruction: English or Japanese; what it names stands on the table.
        seed: of the first episode.
        camera: front, wrist or side.
        expert: let the scripted expert play one episode; needs no terminal.
        record: dataset folder that every episode that succeeds is added to at once; vla edit corrects it.
        video: film of the first episodes, .mp4 or .gif.
    """
    from vla.data.recording import Recorder
    from vla.evaluation import rollout as rolling
    from vla.evaluation import video as film
    from vla.evaluation.play import Session

    rolling.check_task(task)
    if video is not None:
        film.check_video_path(video)
    options = {"instruction": instruction} if instruction else {}
    (start,) = rolling.make_starts(1, seed, options)
    session = Session(task, split, camera, start)
    if record is not None:
        session.recorder = Recorder(record, task, split)
    played = [session.by_expert(sys.stderr.isatty())] if expert else session.by_keyboard()
    if video is not None:
        film.write_video(video, played[: film.EPISODES])
    for episode in played:
        how = "succeeded" if episode.success else "did not succeed"
        print(f"{episode.instruction}: {how} in {episode.steps} steps")


def edit(
    data: Positional[DatasetPath],
    /,
    delete: tuple[int, ...] = (),
    relabel: tuple[int, ...] = (),
    instruction: Text = None,
) -> None:
    """Correct a recording: leave episodes out, or give them another instruction.

    Example: vla edit demos --delete 3 7

    Args:
        data: dataset folder; it is replaced whole or not at all.
        delete: numbers of episodes to leave out; those behind them move up.
        relabel: numbers of episodes that get another instruction.
        instruction: that instruction.
    """
    from vla.data.editing import delete_episodes, relabel_episodes

    if bool(delete) == bool(relabel) or bool(relabel) != (instruction is not None):
        raise ConfigError("give --delete with numbers, or --relabel with numbers and --instruction")
    if instruction is not None:
        relabel_episodes(data, relabel, instruction)
    else:
        delete_episodes(data, delete)
    print(f"{len(delete or relabel)} episodes of {data} {'deleted' if delete else 'relabelled'}")


def replay(
    data: Positional[DatasetPath],
    /,
    episode: tuple[int, ...] = (),
    video: File = None,
    as_json: Json = False,
) -> None:
    """Play recorded actions back in the simulator, and say whether they still do what they did.

    Example: vla replay demos --episode 3 7 --video again.mp4

    Args:
        data: dataset folder that vla collect wrote.
        episode: numbers of the episodes; all demonstrations when left out.
        video: film of the first episodes, .mp4 or .gif.
        as_json: print a line of JSON an episode and nothing else.
    """
    from vla.data.reader import DemonstrationDataset
    from vla.evaluation import replaying
    from vla.evaluation import video as film

    if video is not None:
        film.check_video_path(video)
    dataset = DemonstrationDataset(data)
    numbers = list(episode) or dataset.demonstrations
    if not numbers:
        raise DataError(f"{data} holds no demonstrations")
    played = replaying.replay(dataset, numbers, record=film.EPISODES if video else 0)
    if video is not None:
        film.write_video(video, [one for one in played.values() if len(one.frames)][: film.EPISODES])
    for number, one in played.items():
        if as_json:
            facts = {"episode": number, "instruction": one.instruction, "success": one.success}
            print(json.dumps(facts | {"steps": one.steps}, ensure_ascii=False))
        elif not one.success:
            print(f"episode {number}, {one.instruction}: not done after {one.steps} actions")
    if not as_json:
        print(f"{sum(one.success for one in played.values())} of {len(played)} episodes succeed again")


def doctor(dataset: Positional[DatasetPath], /, as_json: Json = False) -> None:
    """Find in a dataset what would ruin a fine-tune, and what to do about it, before any training.

    Reads any LeRobotDataset v3.0 and changes nothing; docs/doctor.md lists what it finds.

    Example: vla doctor runs/demos

    Args:
        dataset: folder that `vla collect` or LeRobot wrote.
        as_json: print one JSON object and nothing else.
    """
    from vla.data.doctor import diagnose

    diagnosis = diagnose(dataset)
    print(json.dumps(diagnosis.as_dict(), ensure_ascii=False) if as_json else diagnosis)
