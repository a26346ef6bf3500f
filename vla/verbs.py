"""What each verb of the command line does: import late and call one function.

Signatures and docstrings are the options and the help that users see.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import tyro
from tyro.conf import Positional

from vla.errors import ConfigError

if TYPE_CHECKING:
    from vla.inference.engine import Engine

DEFAULT_POLICY = Path(__file__).parent / "assets" / "default"

# A positional argument is shown under its own name in the help, rather than as PATH.
RecipePath = Annotated[Path, tyro.conf.arg(metavar="RECIPE")]
ConfigPath = Annotated[Path, tyro.conf.arg(metavar="CONFIG")]
CheckpointPath = Annotated[Path, tyro.conf.arg(metavar="CHECKPOINT")]
TaskName = Annotated[str, tyro.conf.arg(metavar="NAME")]
ImagePath = Annotated[str, tyro.conf.arg(metavar="IMAGE")]
Questions = Annotated[tuple[str, ...], tyro.conf.arg(metavar="QUESTION")]
# May be given several times, each time with several changes.
Overrides = tyro.conf.UseAppendAction[
    Annotated[tuple[tuple[str, ...], ...], tyro.conf.arg(name="set", metavar="KEY=VALUE...")]
]
OutFolder = Annotated[Path, tyro.conf.arg(metavar="FOLDER")]
Text = Annotated[str | None, tyro.conf.arg(metavar="TEXT")]
Number = Annotated[int | None, tyro.conf.arg(metavar="N")]
File = Annotated[Path | None, tyro.conf.arg(metavar="FILE")]
Folder = Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")]
Json = Annotated[bool, tyro.conf.arg(name="json")]
Device = Literal["auto", "cpu", "cuda"]
Language = Literal["en", "ja"] | None


def collect(
    recipe: Positional[RecipePath], /, out: OutFolder, workers: int = 2, sets: Overrides = ()
) -> None:
    """Record demonstrations of the scripted experts.

    Killed halfway, the same command goes on where it stopped.

    Example: vla collect datasets/blocks/recipe.yaml --out runs/demos

    Args:
        recipe: YAML file that says what to record.
        out: folder for the dataset.
        workers: processes that simulate at the same time.
        sets: changes to the recipe, such as share=0.1 for a tenth of everything.
    """
    from vla.config import CollectRecipe, load_config
    from vla.data import collect as collection

    changes = list(itertools.chain.from_iterable(sets))
    report = collection.collect(load_config(recipe, CollectRecipe, changes), out, workers)
    for task, counts in report["tasks"].items():
        print(f"{task}: " + ", ".join(f"{name} {value}" for name, value in counts.items()))
    new, rate = report["new_frames"], report["frames_per_second"]
    print(f"dataset written to {out}, {new} new frames, {rate:.0f} a second")


def train_tokenizer(out: OutFolder, vocab_size: int = 2048, lines: int = 30_000, seed: int = 0) -> None:
    """Train the tokenizer on the simulator's English and Japanese.

    Example: vla train-tokenizer --out runs/tokenizer

    Args:
        out: folder for the tokenizer.
        vocab_size: tokens in all, action tokens included.
        lines: lines of text to learn from.
        seed: of the text.
    """
    from vla.data.vqa import tokenizer_lines
    from vla.files import atomic_directory
    from vla.text import tokenizer as text

    trained = text.train_tokenizer(tokenizer_lines(lines, seed), vocab_size)
    with atomic_directory(out) as folder:
        trained.save_pretrained(folder)
    print(f"tokenizer of {len(trained)} tokens written to {out}")


def train(
    stage: Positional[Literal["clip", "vla"]],
    config: Positional[ConfigPath],
    /,
    out: OutFolder,
    sets: Overrides = (),
) -> None:
    """Train a model: first its image encoder (clip), then all of it (vla).

    Interrupted, the same command goes on where it stopped.

    Example: vla train vla configs/train/vla_tiny.yaml --out runs/vla --set loop.steps=2000

    Args:
        stage: clip trains the image encoder on captions, vla the whole model on demonstrations and questions.
        config: YAML file that says what to train.
        out: run folder; the model is written to its folder checkpoint.
        sets: changes to the configuration.
    """
    from vla.config import ClipTrainConfig, VLATrainConfig, load_config

    changes = list(itertools.chain.from_iterable(sets))
    if stage == "clip":
        clip_config = load_config(config, ClipTrainConfig, changes)
        from vla.training.contrastive import train_clip

        train_clip(clip_config, out)
    else:
        vla_config = load_config(config, VLATrainConfig, changes)
        from vla.training.supervised import train_vla

        train_vla(vla_config, out)
    from accelerate import PartialState

    PartialState().print(f"model written to {out / 'checkpoint'}")  # once, whatever the number of processes


def new_task(name: Positional[TaskName], /, out: Folder = None) -> None:
    """Write a package with a task of your own, to be changed: it can be recorded and learned at once.

    Example: vla new-task pull_back

    Args:
        name: of the task: lower-case letters, digits and _.
        out: folder for it; without it one of that name.
    """
    from vla.new_task import write_new_task

    folder = write_new_task(name, out or Path(name))
    print(f"task {name!r} written to {folder}; {folder / 'README.md'} says how to go on")


def export(
    checkpoint: Positional[CheckpointPath],
    /,
    out: OutFolder,
    precision: Literal["fp16", "bf16", "fp32"] = "fp16",
) -> None:
    """Copy a trained checkpoint with its weights rounded, to be shared.

    Example: vla export runs/vla/checkpoint --out runs/policy

    Args:
        checkpoint: folder of a trained model.
        out: folder for the copy; one that exists is replaced.
        precision: of the weights; fp16 keeps three digits more than bf16 does at the same size.
    """
    import torch

    from vla.training.checkpoint import load_model, save_model

    types = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    model, processor = load_model(checkpoint, dtype=types[precision])
    record = checkpoint / "run.json"
    run = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    save_model(out, model, processor, run | {"weights": precision})
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    print(f"{precision} checkpoint of {size:.1f} MB written to {out}")


def rollout(
    task: str = "pick_up",
    split: str = "seen",
    instruction: Text = None,
    language: Text = None,
    episodes: int = 20,
    seed: int = 0,
    video: File = None,
    policy: Folder = None,
    expert: bool = False,
    random: bool = False,
    plan: bool = False,
    device: Device = "auto",
    renderer: Literal["tiny", "egl", "auto"] = "tiny",
    envs: int = 8,
    execute: int = 2,
    as_json: Json = False,
) -> None:
    """Let a policy carry out an instruction in simulation and count how often it succeeds.

    Example: vla rollout --task pick_up --instruction "pick up the red block" --episodes 20 --video out.mp4

    Args:
        task: one of the 18 of docs/tasks.md.
        split: what scenes are drawn from, see docs/evaluation.md; the default policy learned seen.
        instruction: English or Japanese; what it names stands on the table. Without it each episode draws
            its own.
        language: of drawn instructions, en or ja; without it that of the split.
        episodes: how many.
        seed: of the first episode; each next one has the next seed.
        video: film of the first episodes, .mp4 or .gif.
        policy: checkpoint folder; without it the default one.
        expert: let the scripted expert act, who sees the truth: a ceiling.
        random: act at random: a floor.
        plan: let the policy say what it does next before it does it; written whenever that changes.
        device: where the policy runs.
        renderer: tiny draws in software, egl on a graphics card, auto takes the faster one.
        envs: simulators at a time.
        execute: actions executed of each chunk that is decided.
        as_json: print one JSON object and nothing else.
    """
    from vla.data.collect import ROBOT_TYPE
    from vla.evaluation import rollout as rolling
    from vla.evaluation import video as film
    from vla.evaluation.drivers import CAMERA, Driver, ExpertDriver, PolicyDriver, RandomDriver
    from vla.evaluation.planning import PlanningDriver
    from vla.inference.chunking import check_execute
    from vla.text.prompt import clean_instruction

    if instruction is not None:
        clean_instruction(instruction)
    if video is not None:
        film.check_video_path(video)
    if expert + random + (policy is not None) > 1:
        raise ConfigError("--expert, --random and --policy exclude each other; give one of them")
    if plan and (expert or random):
        raise ConfigError("only a policy plans in words; leave --plan out, or --expert and --random")
    driver: Driver = ExpertDriver(task) if expert else RandomDriver()
    image_size = rolling.IMAGE_SIZE
    cameras: tuple[str, ...] = (CAMERA,)
    if not (expert or random):
        rolling.check_task(task)
        engine = _load_engine(policy, device, robot=ROBOT_TYPE)
        check_execute(execute, engine.config.action_horizon)
        driver = PlanningDriver(engine, sys.stderr) if plan else PolicyDriver(engine)
        image_size, cameras = engine.config.image_size, engine.config.cameras
        _warn_of_renderer(engine, rolling.renderer_in_use(renderer))
    options = {"instruction": instruction} if instruction else {"language": language} if language else {}
    played = rolling.rollout(
        task,
        driver,
        rolling.make_starts(episodes, seed, options),
        split=split,
        renderer=renderer,
        envs=envs,
        execute=execute,
        image_size=image_size,
        cameras=cameras,
        record=film.EPISODES if video else 0,
    )
    if video is not None:
        film.write_video(video, played[: film.EPISODES])
    summary = rolling.summarise(played)
    if as_json:
        who = "expert" if expert else "random" if random else str(policy or DEFAULT_POLICY)
        asked = {"instruction": instruction, "language": None, **options}
        print(json.dumps({"task": task, "split": split, **summary, **asked, "seed": seed, "policy": who}))
        return
    low, high = summary["interval"]
    print(
        f"{task}: {summary['successes']} of {episodes} episodes succeeded, {summary['success_rate']:.0%} "
        f"(95 % interval {low:.0%} to {high:.0%}), {summary['mean_steps']:.1f} steps on average"
    )


def play(
    task: str = "pick_up",
    split: str = "seen",
    instruction: Text = None,
    seed: int = 0,
    camera: str = "front",
    expert: bool = False,
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
        video: film of the first episodes, .mp4 or .gif.
    """
    from vla.evaluation import rollout as rolling
    from vla.evaluation import video as film
    from vla.evaluation.play import Session

    rolling.check_task(task)
    if video is not None:
        film.check_video_path(video)
    options = {"instruction": instruction} if instruction else {}
    (start,) = rolling.make_starts(1, seed, options)
    session = Session(task, split, camera, start)
    played = [session.by_expert(sys.stderr.isatty())] if expert else session.by_keyboard()
    if video is not None:
        film.write_video(video, played[: film.EPISODES])
    for episode in played:
        how = "succeeded" if episode.success else "did not succeed"
        print(f"{episode.instruction}: {how} in {episode.steps} steps")


def evaluate(
    what: Positional[Literal["suite", "ask"]] = "suite",
    /,
    *,
    out: OutFolder,
    config: File = None,
    sets: Overrides = (),
    episodes: Number = None,
    policy: Folder = None,
    baselines: bool = False,
    save_failures: bool = False,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Measure a policy: every task, whether it heeds which object it is told, and questions about scenes.

    Interrupted, the same command goes on where it stopped. `vla eval ask` measures answers alone, and more
    of them: whether they are honest, calibrated and the same however one asks. It begins anew.

    Example: vla eval --episodes 100 --out runs/eval

    Args:
        what: suite, or ask.
        out: folder for report.json, report.md and plots; an earlier report there is replaced.
        config: YAML file that says what to measure; without it all tasks and questions of the split seen,
            100 episodes a task and 500 scenes. configs/eval/suite.yaml is every split.
        sets: changes to the configuration.
        episodes: short for --set episodes=N.
        policy: checkpoint folder; without it the default one.
        baselines: measure the scripted expert and random actions beside it.
        save_failures: film every episode that the policy fails in, named after the cause.
        device: where the policy runs.
        as_json: print the report as JSON and nothing else.
    """
    from vla.config import AskEvalConfig, EvalConfig, load_config

    changes = list(itertools.chain.from_iterable(sets))
    if what == "ask":
        if episodes is not None or baselines or save_failures:
            raise ConfigError(
                "vla eval ask plays no episodes; leave --episodes, --baselines, --save-failures out"
            )
        asking_config = load_config(config, AskEvalConfig, changes)
        from vla.evaluation.asking import check_config, evaluate_asking
        from vla.evaluation.report import asking_markdown

        check_config(asking_config)
        report = evaluate_asking(
            _load_engine(policy, device), asking_config, out, str(policy or DEFAULT_POLICY)
        )
        print(json.dumps(report, ensure_ascii=False) if as_json else asking_markdown(report))
        return
    if episodes is not None:
        changes.append(f"episodes={episodes}")
    settings = load_config(config, EvalConfig, changes)
    from vla.data.collect import ROBOT_TYPE
    from vla.evaluation import suite
    from vla.evaluation.report import markdown

    suite.check_config(settings)
    engine = _load_engine(policy, device, robot=ROBOT_TYPE)
    _warn_of_renderer(engine, "tiny")
    report = suite.evaluate(
        engine,
        settings,
        out,
        policy=str(policy or DEFAULT_POLICY),
        baselines=baselines,
        save_failures=save_failures,
    )
    print(json.dumps(report, ensure_ascii=False) if as_json else markdown(report))


def ask(
    image: Positional[ImagePath],
    questions: Positional[Questions],
    /,
    lang: Language = None,
    guess: bool = False,
    show: File = None,
    policy: Folder = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Answer questions about images, in English or Japanese.

    What a picture does not tell, or the model is not sure enough of, is answered by "I don't know".

    Example: vla ask image.png "what colour is the block in the bowl?" "where is the red block?"

    Args:
        image: any image file, - for the standard input, a pattern such as "shots/*.png", a frame of a dataset
            as runs/demos:3:12 (episode 3, frame 12), or a scene of the simulator as
            "env:vla/PickUp-v0?seed=3".
        questions: one or more, each asked of every image; further images may stand before them.
        lang: language of the answers, en or ja; without it that of each question.
        guess: give the most probable answer, however unsure.
        show: picture to write: for each question the places of the answer, and what the model looked at.
        policy: checkpoint folder; without it the default one.
        device: where the model runs.
        as_json: print a JSON object per question and nothing else.
    """
    import numpy as np

    from vla.evaluation.answers import in_language, print_answer
    from vla.evaluation.pictures import open_pictures, split_pictures
    from vla.text.prompt import clean_question

    sources, asked = split_pictures([image, *questions])
    if not asked:
        raise ConfigError('no question is given; ask one, such as: vla ask image.png "is there a red block?"')
    for question in asked:
        clean_question(question)
    if show is not None:
        from vla.evaluation.drawing import Drawn, check_picture_path, write_answers

        check_picture_path(show)
    pictures = [picture for source in sources for picture in open_pictures(source)]
    engine = _load_engine(policy, device)
    drawn = []
    for picture in pictures:
        pixels = engine.processor.image(picture.look(engine.config.image_size))
        answers = engine.ask(np.stack([pixels] * len(asked)), asked)
        for question, answer in zip(asked, answers, strict=True):
            given = answer if guess else engine.calibration.hold_back(answer, question)
            if lang is not None:
                given = in_language(given, lang)
            if as_json:
                found: dict[str, object] = {"image": picture.name, "question": question, "answer": given.text}
                found |= {"confidence": round(given.confidence, 4), "guess": given.guess}
                found |= {"point": given.point, "places": given.places}
                print(json.dumps(found, ensure_ascii=False))
            else:
                asked_of = [picture.name] * (len(pictures) > 1) + [question] * (len(asked) > 1)
                print_answer(given, asked_of)
            if show is not None:
                drawn.append(Drawn(pixels, given.places, engine.attention(pixels, question)))
    if show is not None:
        write_answers(show, drawn)


def chat(
    task: str = "pick_up",
    split: str = "seen",
    seed: int = 0,
    policy: Folder = None,
    device: Device = "auto",
    execute: int = 2,
) -> None:
    """Talk with a robot in simulation: ask what it sees, tell it what to do, ask whether it worked.

    A line each, in English or Japanese; Ctrl-D ends. What cannot be done is refused, with the reason.

    Example: vla chat --seed 3

    Args:
        task: one of the 18 of docs/tasks.md, that the scene is drawn for.
        split: what the scene is drawn from, see docs/evaluation.md.
        seed: of the scene.
        policy: checkpoint folder; without it the default one.
        device: where the policy runs.
        execute: actions executed of each chunk that is decided.
    """
    from rich.console import Console

    from vla.data.collect import ROBOT_TYPE
    from vla.errors import InstructionError
    from vla.evaluation.chat import Chat
    from vla.evaluation.play import print_picture
    from vla.evaluation.rollout import check_task
    from vla.inference.chunking import check_execute

    check_task(task)
    engine = _load_engine(policy, device, robot=ROBOT_TYPE)
    check_execute(execute, engine.config.action_horizon)
    session = Chat(engine, task, split, seed, execute)
    console = Console(stderr=True)
    is_typed = sys.stdin.isatty()
    try:
        while True:
            if is_typed:
                print_picture(console, session.picture)
            text = input("> " if is_typed else "")
            try:
                print(session.reply(text), flush=True)
            except InstructionError as error:
                print(error, flush=True)
    except EOFError:
        pass
    finally:
        session.close()


def calibrate(
    checkpoint: Positional[CheckpointPath],
    /,
    scenes: int = 400,
    seed: int = 50_000,
    split: str = "seen",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find out how probably a checkpoint's answers are right, and from when on it should not guess.

    The result is written into the checkpoint's config.json; `vla ask` goes by it.

    Example: vla calibrate runs/vla/checkpoint

    Args:
        checkpoint: folder of a trained model.
        scenes: that questions are asked about; about thirteen questions a scene.
        seed: of the scenes; an evaluation must use others.
        split: that the scenes are drawn from, see docs/evaluation.md.
        device: where the model runs.
        as_json: print one JSON object and nothing else.
    """
    from vla.evaluation import calibrating
    from vla.evaluation.report import calibration_markdown

    report = calibrating.calibrate(_load_engine(checkpoint, device), checkpoint, scenes, seed, split)
    print(json.dumps(report) if as_json else calibration_markdown(report))


def bench(policy: Folder = None, device: Device = "cpu", as_json: Json = False) -> None:
    """Measure speeds beside their baselines: the simulator, one decision of a policy, training, one question.

    Example: vla bench

    Args:
        policy: checkpoint folder; without it the default one.
        device: where the policy runs.
        as_json: print a JSON list and nothing else.
    """
    from vla.evaluation.bench import Measurement, measure_decision, measure_simulator
    from vla.evaluation.bench_asking import measure_cold_start
    from vla.evaluation.bench_training import measure_training

    figures = []
    for figure in measure_simulator():
        if isinstance(figure, Measurement):
            figures.append(figure)
        else:
            print(figure, file=sys.stderr)
    engine = _load_engine(policy, device)
    figures.append(measure_decision(engine))
    figures += measure_training(engine.model, engine.processor, engine.device.type)
    figures.append(measure_cold_start(policy or DEFAULT_POLICY))
    if as_json:
        print(json.dumps([figure.as_dict() for figure in figures]))
    else:
        print("\n".join(map(str, figures)))


def _load_engine(policy: Path | None, device: Device, robot: str | None = None) -> Engine:
    """Load a checkpoint, by default the one that comes with the package."""
    import torch
    from transformers.utils import logging

    from vla.inference.engine import Engine
    from vla.training.checkpoint import load_model

    logging.disable_progress_bar()
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("--device cuda is asked for and no GPU can be used here; take --device auto or cpu")
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return Engine(*load_model(policy or DEFAULT_POLICY, device), embodiment=robot)


def _warn_of_renderer(engine: Engine, renderer: str) -> None:
    if renderer != engine.renderer:
        print(
            f"warning: pictures are drawn by {renderer!r}; the policy learned from {engine.renderer!r}, "
            "and policies degrade under another renderer",
            file=sys.stderr,
        )


VERBS: dict[str, Callable[..., None]] = {
    "collect": collect,
    "train-tokenizer": train_tokenizer,
    "train": train,
    "export": export,
    "new-task": new_task,
    "rollout": rollout,
    "play": play,
    "eval": evaluate,
    "ask": ask,
    "chat": chat,
    "calibrate": calibrate,
    "bench": bench,
}
RESUMABLE = ("collect", "train", "eval")
