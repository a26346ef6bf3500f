"""The whole measurement of a policy: every task, the test that it listens, and questions (`vla eval`)."""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gymnasium
import numpy as np

import sim
from sim.language import FAMILIES, LANGUAGES, instruction
from sim.objects import SHAPES
from sim.scene import Scene
from sim.tasks import TASK_CLASSES
from sim.variations import SPLITS
from vla.config import EvalConfig
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import draw_language
from vla.errors import ConfigError, unknown_name
from vla.evaluation.drivers import Driver, ExpertDriver, PolicyDriver, RandomDriver
from vla.evaluation.metrics import Rate
from vla.evaluation.planning import PlanningDriver
from vla.evaluation.plots import plot_report
from vla.evaluation.questions import ask_about_scenes
from vla.evaluation.questions import summarise as summarise_questions
from vla.evaluation.report import REPORT_FILES, markdown
from vla.evaluation.rollout import Episode, Start, check_task, rollout, summarise
from vla.evaluation.video import write_video
from vla.files import atomic_directory, atomic_write, check_replaceable, claim
from vla.inference.chunking import check_execute
from vla.training.checkpoint import weights_digest

if TYPE_CHECKING:
    import torch

    from vla.inference.engine import Engine

FILMS = "failures"
"""Folder of a report with films of them."""
LISTENING_TASK = "reach"  # any movable object may be its target


def evaluate(
    engine: Engine,
    config: EvalConfig,
    out: Path,
    *,
    policy: str,
    baselines: bool = False,
    save_failures: bool = False,
) -> dict[str, Any]:
    """Measure a policy and write report.json, report.md and plots.

    What is finished waits in `<out>.partial/`: interrupted, the same call goes on where it stopped.

    Args:
        engine: the policy.
        config: what to measure.
        out: folder for the report; an earlier report there is replaced.
        policy: what the report calls the policy.
        baselines: measure the scripted expert and random actions beside it.
        save_failures: film every episode that the policy fails in, into the folder `failures` of the report.

    Returns:
        What report.json holds.

    Raises:
        SimError, UnknownNameError: an unknown task, split or language.
        ConfigError: more actions of a chunk are to be executed than it has, no task has a split, or the
            policy shall act on a plan in words and has not learned to.
        DataError: in `<out>.partial/` lies another evaluation, or in `out` what is no report.
        StorageError: the report could not be written.
    """
    check_config(config)
    check_execute(config.execute, engine.config.action_horizon)
    if config.plan and not engine.config.heeds_steps:
        raise ConfigError(
            f"{policy} has not learned to act on a plan in words: leave `plan` out, or train it with "
            "`mixture.step_share` above 0"
        )
    check_replaceable(out, (*REPORT_FILES, FILMS))
    out = Path(os.path.abspath(out))
    unfinished = out.with_name(out.name + ".partial")
    cells = _Cells(unfinished, engine, config, baselines, save_failures)
    report: dict[str, Any] = {"policy": policy, "config": config.model_dump(mode="json")}
    nearest = _nearest(config, engine.device)
    report["splits"] = {
        split: _measure_split(engine, config, split, cells, nearest) for split in config.splits
    }
    with atomic_directory(out) as folder:
        text = json.dumps(report, indent=1, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
        plot_report(report, folder)
        if (unfinished / FILMS).is_dir():
            shutil.copytree(unfinished / FILMS, folder / FILMS)
    shutil.rmtree(unfinished)
    return report


class _Cells:
    """The parts of a measurement, each stored when it is finished and never measured again."""

    def __init__(
        self, folder: Path, engine: Engine, config: EvalConfig, baselines: bool, save_failures: bool
    ) -> None:
        self.folder, self.baselines, self.save_failures = folder, baselines, save_failures
        facts = [weights_digest(engine.model), config.model_dump(mode="json"), baselines, save_failures]
        claim(folder, facts, "an unfinished evaluation of something else; delete it or take another --out")

    def get(self, name: str, measure: Callable[[], Any]) -> Any:
        """A part's result, measured if it is not stored."""
        path = self.folder / f"{name}.json"
        if not path.is_file():
            atomic_write(path, json.dumps(measure(), ensure_ascii=False).encode())
        return json.loads(path.read_text(encoding="utf-8"))

    def films(self, split: str) -> Path | None:
        """Folder for films of failures, if they are to be kept."""
        return self.folder / FILMS / split if self.save_failures else None


def _nearest(config: EvalConfig, device: torch.device) -> Driver | None:
    if config.nearest_data is None or config.nearest_encoder is None:
        return None
    from vla.evaluation.nearest import NearestDriver

    return NearestDriver(DemonstrationDataset(config.nearest_data), Path(config.nearest_encoder), str(device))


def _measure_split(
    engine: Engine, config: EvalConfig, split: str, cells: _Cells, nearest: Driver | None
) -> dict[str, Any]:
    own = SPLITS[split].language
    languages = config.languages if own == "en" else {own: 1.0}  # the split is about this language
    offered = offered_tasks(config, split)
    episodes = max(config.episodes, math.ceil(config.episodes_of_split / len(offered)))
    config = config.model_copy(update={"languages": languages, "episodes": episodes})
    sees = {"image_size": engine.config.image_size, "cameras": engine.config.cameras}
    policy = (PlanningDriver if config.plan else PolicyDriver)(engine)
    drivers: dict[str, Callable[[str], Driver]] = {"policy": lambda task: policy}
    if cells.baselines:
        drivers |= {"random": lambda task: RandomDriver(), "expert": ExpertDriver}
    if nearest is not None:
        drivers["nearest"] = lambda task: nearest
    tasks = {}
    for task in offered:
        tasks[task] = {
            name: cells.get(
                f"{split}-{task}-{name}",
                partial(
                    measure_task,
                    task,
                    make(task),
                    config,
                    split,
                    sees,
                    cells.films(split) if name == "policy" else None,
                ),
            )
            for name, make in drivers.items()
        }
    report: dict[str, Any] = {"languages": languages, "tasks": tasks} | average(tasks, split)
    if TASK_CLASSES[LISTENING_TASK].shapes(SPLITS[split]):
        listening = cells.get(f"{split}-listening", lambda: measure_listening(policy, config, split, sees))
        report |= {"listening": listening} if listening else {}
    if config.scenes:
        report["questions"] = cells.get(
            f"{split}-questions", lambda: _measure_questions(engine, config, split)
        )
    return report


def average(tasks: Mapping[str, Any], split: str) -> dict[str, Any]:
    """Mean over tasks of the policy's success, with the 95 % interval of all episodes together.

    What cannot be done succeeds where the policy says so and ends the episode.
    """
    counted = "successes" if SPLITS[split].feasible else "ended_by_policy"
    results = [result["policy"] for result in tasks.values()]
    rate = Rate(sum(part[counted] for part in results), sum(part["episodes"] for part in results))
    mean = sum(part[counted] / part["episodes"] for part in results) / len(results)
    return {"average_success_rate": mean, "interval": list(rate.interval), "episodes": rate.trials}


def _measure_questions(engine: Engine, config: EvalConfig, split: str) -> dict[str, Any]:
    families = config.question_families
    return summarise_questions(
        ask_about_scenes(engine, config.scenes, config.seed, config.languages, split, families)
    )


def offered_tasks(config: EvalConfig, split: str) -> list[str]:
    """Those of the tasks that have a split."""
    return [task for task in config.tasks or sim.TASKS if TASK_CLASSES[task].shapes(SPLITS[split])]


def check_config(config: EvalConfig) -> None:
    """Raise an error of the user's unless every task, split, language and family is known and can be had."""
    for task in config.tasks or ():
        check_task(task)
    if (config.nearest_data is None) != (config.nearest_encoder is None):
        raise ConfigError("the nearest-neighbour baseline needs both `nearest_data` and `nearest_encoder`")
    for split in config.splits:
        if split not in SPLITS:
            raise unknown_name("split", split, SPLITS)
        if not offered_tasks(config, split):
            raise ConfigError(f"no task of {', '.join(config.tasks or ())} has split {split!r}; name others")
    for family in config.question_families or ():
        if family not in FAMILIES:
            raise unknown_name("question family", family, FAMILIES)
    for language in config.languages:
        if language not in LANGUAGES:
            raise unknown_name("language", language, LANGUAGES)


def measure_task(
    task: str, driver: Driver, config: EvalConfig, split: str, sees: dict[str, Any], films: Path | None
) -> dict[str, Any]:
    """Success over the held-out seeds, in all and by the language of the instruction.

    Args:
        task: its name.
        driver: who decides.
        config: seeds, languages, envs.
        split: that scenes and instructions are drawn from.
        sees: `image_size` and `cameras` of `vla.evaluation.rollout.rollout`.
        films: folder for a film of every failure, if they are to be kept.
    """
    languages = [
        draw_language(config.languages, np.random.default_rng(config.seed + index))
        for index in range(config.episodes)
    ]
    starts = [
        Start(config.seed + index, {"language": name}, typo=config.typos)
        for index, name in enumerate(languages)
    ]
    episodes = rollout(
        task,
        driver,
        starts,
        split=split,
        envs=config.envs,
        execute=config.execute,
        **sees,
        record=len(starts) if films is not None else 0,
        label=f"{split} {task}",
    )
    if films is not None:
        for episode in episodes:
            if episode.failure is not None:
                cause = episode.failure.replace(" ", "_")
                write_video(films / f"{task}-{episode.start.seed}-{cause}.mp4", [episode])
    by_language: dict[str, list[Episode]] = {name: [] for name in sorted(set(languages))}
    for name, episode in zip(languages, episodes, strict=True):
        by_language[name].append(episode)
    return summarise(episodes) | {"languages": {name: summarise(part) for name, part in by_language.items()}}


def measure_listening(driver: Driver, config: EvalConfig, split: str, sees: dict[str, Any]) -> dict[str, Any]:
    """Whether the robot goes to the object that is named, where that is not the one the env had drawn.

    The scenes are those of the reach task; the instruction names another movable object of the scene, each
    equally often. An episode in which the fingertips come to none at all counts against the policy.

    Returns:
        Share of episodes whose first object reached is the named one, and how many reached another or none;
        nothing where no scene has another object.
    """
    starts, named = other_object_starts(config, split)
    if not starts:
        return {}
    episodes = rollout(
        LISTENING_TASK,
        driver,
        starts,
        split=split,
        envs=config.envs,
        execute=config.execute,
        **sees,
        label=f"{split} another object",
        until_reached=True,
    )
    first = [episode.first_reached for episode in episodes]
    rate = Rate.of([found == name for found, name in zip(first, named, strict=True)])
    return {
        "episodes": rate.trials,
        "reached_named": rate.successes,
        "reached_other": sum(found not in (None, name) for found, name in zip(first, named, strict=True)),
        "reached_none": sum(found is None for found in first),
        "rate": rate.value,
        "interval": list(rate.interval),
    }


def other_object_starts(config: EvalConfig, split: str) -> tuple[list[Start], list[str]]:
    """Reach episodes whose instruction names another object than the env's target, and the names."""
    starts, named = [], []
    env = gymnasium.make(sim.TASKS[LISTENING_TASK], disable_env_checker=True, split=split, cameras=())
    try:
        for seed in range(config.seed, config.seed + config.episodes):
            _, info = env.reset(seed=seed)
            rng = np.random.default_rng([seed, 2])
            others = [
                item["name"]
                for item in info["scene"]["objects"]
                if SHAPES[item["shape"]].part == "movable" and item["name"] != info["scene"]["target"]
            ]
            if not others:
                continue
            name = others[int(rng.integers(len(others)))]
            language = draw_language(config.languages, rng)
            told = cast(Scene, info["scene"] | {"target": name})
            text = instruction(told, language, rng, phrasing=SPLITS[split].phrasing)
            starts.append(Start(seed, {}, text))
            named.append(name)
    finally:
        env.close()
    return starts, named
