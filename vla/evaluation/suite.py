"""The whole measurement of a policy: every task, the test that it listens, and questions (`vla eval`)."""

from __future__ import annotations

import json
from collections.abc import Callable
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
from vla.data.vqa import draw_language
from vla.errors import ConfigError, unknown_name
from vla.evaluation.drivers import Driver, ExpertDriver, PolicyDriver, RandomDriver
from vla.evaluation.metrics import Rate
from vla.evaluation.questions import ask_about_scenes
from vla.evaluation.questions import summarise as summarise_questions
from vla.evaluation.report import markdown
from vla.evaluation.rollout import Episode, Start, check_task, rollout, summarise
from vla.files import atomic_directory
from vla.inference.chunking import check_execute

if TYPE_CHECKING:
    from vla.inference.engine import Engine

LISTENING_TASK = "reach"  # any movable object may be its target


def evaluate(
    engine: Engine, config: EvalConfig, out: Path, *, policy: str, baselines: bool = False
) -> dict[str, Any]:
    """Measure a policy and write report.json and report.md.

    Args:
        engine: the policy.
        config: what to measure.
        out: folder for the report; one that exists is replaced.
        policy: what the report calls the policy.
        baselines: measure the scripted expert and random actions beside it.

    Returns:
        What report.json holds.

    Raises:
        SimError, UnknownNameError: an unknown task or language.
        ConfigError: more actions of a chunk are to be executed than it has.
        StorageError: the report could not be written.
    """
    check_config(config)
    check_execute(config.execute, engine.config.action_horizon)
    if (own := SPLITS[config.split].language) != "en":  # the split is about this language
        config = config.model_copy(update={"languages": {own: 1.0}})
    with atomic_directory(out) as folder:  # before the measuring, so that no hours are lost to a wrong path
        report = _measure(engine, config, policy, baselines)
        text = json.dumps(report, indent=1, ensure_ascii=False)
        (folder / "report.json").write_text(text + "\n", encoding="utf-8")
        (folder / "report.md").write_text(markdown(report), encoding="utf-8")
    return report


def _measure(engine: Engine, config: EvalConfig, policy: str, baselines: bool) -> dict[str, Any]:
    image_size = engine.config.image_size
    drivers: dict[str, Callable[[str], Driver]] = {"policy": lambda task: PolicyDriver(engine)}
    if baselines:
        drivers |= {"random": lambda task: RandomDriver(), "expert": ExpertDriver}
    report: dict[str, Any] = {"policy": policy, "config": config.model_dump(mode="json"), "tasks": {}}
    for task in config.tasks:
        report["tasks"][task] = {
            name: measure_task(task, make(task), config, image_size, f"{task} ({name})")
            for name, make in drivers.items()
        }
    rates = [results["policy"]["success_rate"] for results in report["tasks"].values()]
    report["average_success_rate"] = sum(rates) / len(rates)
    if TASK_CLASSES[LISTENING_TASK].shapes(SPLITS[config.split]):
        report["listening"] = measure_listening(PolicyDriver(engine), config, image_size)
    if config.scenes:
        asked = ask_about_scenes(
            engine, config.scenes, config.seed, config.languages, config.split, config.question_families
        )
        report["questions"] = summarise_questions(asked)
    return report


def check_config(config: EvalConfig) -> None:
    """Raise an error of the user's unless every task, the split, every language and family is known."""
    if config.split not in SPLITS:
        raise unknown_name("split", config.split, SPLITS)
    for task in config.tasks:
        check_task(task)
        if not TASK_CLASSES[task].shapes(SPLITS[config.split]):
            raise ConfigError(f"task {task!r} has no split {config.split!r}; leave it out of tasks")
    for family in config.question_families or ():
        if family not in FAMILIES:
            raise unknown_name("question family", family, FAMILIES)
    for language in config.languages:
        if language not in LANGUAGES:
            raise unknown_name("language", language, LANGUAGES)


def measure_task(
    task: str, driver: Driver, config: EvalConfig, image_size: int, label: str
) -> dict[str, Any]:
    """Success over the held-out seeds, in all and by the language of the instruction."""
    languages = [
        draw_language(config.languages, np.random.default_rng(config.seed + index))
        for index in range(config.episodes)
    ]
    starts = [Start(config.seed + index, {"language": name}) for index, name in enumerate(languages)]
    episodes = rollout(
        task,
        driver,
        starts,
        split=config.split,
        envs=config.envs,
        execute=config.execute,
        image_size=image_size,
        label=label,
    )
    by_language: dict[str, list[Episode]] = {name: [] for name in sorted(set(languages))}
    for name, episode in zip(languages, episodes, strict=True):
        by_language[name].append(episode)
    return summarise(episodes) | {"languages": {name: summarise(part) for name, part in by_language.items()}}


def measure_listening(driver: Driver, config: EvalConfig, image_size: int) -> dict[str, Any]:
    """Whether the robot goes to the object that is named, where that is not the one the env had drawn.

    The scenes are those of the reach task; the instruction names another movable object of the scene, each
    equally often. An episode in which the fingertips come to none at all counts against the policy.

    Returns:
        Share of episodes whose first object reached is the named one, and how many reached another or none.
    """
    starts, named = other_object_starts(config)
    episodes = rollout(
        LISTENING_TASK,
        driver,
        starts,
        split=config.split,
        envs=config.envs,
        execute=config.execute,
        image_size=image_size,
        label="another object",
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


def other_object_starts(config: EvalConfig) -> tuple[list[Start], list[str]]:
    """Reach episodes whose instruction names another object than the env's target, and the names."""
    starts, named = [], []
    env = gymnasium.make(sim.TASKS[LISTENING_TASK], disable_env_checker=True, split=config.split, cameras=())
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
            text = instruction(told, language, rng, phrasing=SPLITS[config.split].phrasing)
            starts.append(Start(seed, {}, text))
            named.append(name)
    finally:
        env.close()
    return starts, named
