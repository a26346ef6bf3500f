"""Teach a checkpoint a new task without unlearning the old ones, and measure both (`vla finetune`)."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from vla.config import (
    CollectRecipe,
    EnvRecipe,
    EvalConfig,
    FinetuneConfig,
    LoopConfig,
    ReplayPart,
    VLATrainConfig,
)
from vla.config_files import load_config
from vla.data.collect import collect
from vla.data.reader import DemonstrationDataset
from vla.data.schema import ROBOT_TYPE
from vla.errors import DataError
from vla.evaluation.drivers import PolicyDriver
from vla.evaluation.foreign import rollout_env
from vla.evaluation.metrics import Rate
from vla.evaluation.rollout import Start, check_task
from vla.evaluation.suite import evaluate, measure_task
from vla.files import atomic_directory, atomic_write, claim
from vla.inference.engine import Engine
from vla.training.checkpoint import load_model, weights_digest
from vla.training.supervised import train_vla

REPLAY_RECIPE = Path(__file__).parents[1] / "assets" / "replay.yaml"
SPLIT = "seen"
REPORT_SEED, CHECK_SEED = 10_000, 20_000
"""Of the first episode of a measurement, and of a check on the way: nothing is chosen by what is reported."""
EXECUTE = 2
"""Actions executed of each chunk, where it has as many."""
STEPS_PER_ROOT = 45
"""Steps are this often the root of the number of demonstrations: 10, 30 and 100 take 143, 247 and 450."""


class Subject(Protocol):
    """What is taught."""

    @property
    def name(self) -> str:
        """As reports call it."""

    @property
    def robot(self) -> str:
        """Embodiment that does it."""

    def play(self, engine: Engine, seed: int, episodes: int) -> int:
        """Roll a policy out; returns how many episodes succeed."""


@dataclass(frozen=True)
class SimTask:
    """A task of our simulator."""

    name: str
    robot: str = ROBOT_TYPE

    def play(self, engine: Engine, seed: int, episodes: int) -> int:
        """Roll a policy out in the split `seen`."""
        settings = EvalConfig(seed=seed, episodes=episodes)
        sees = {"image_size": engine.config.image_size, "cameras": engine.config.cameras}
        result = measure_task(self.name, PolicyDriver(engine), settings, SPLIT, sees, films=None)
        return int(result["successes"])


@dataclass(frozen=True)
class ForeignTask:
    """A gymnasium env that is not ours: its recipe, and the folder that files in it are relative to."""

    recipe: EnvRecipe
    folder: Path

    @property
    def name(self) -> str:
        """As the recipe says."""
        return self.recipe.name

    @property
    def robot(self) -> str:
        """As the recipe says."""
        return self.recipe.robot

    def play(self, engine: Engine, seed: int, episodes: int) -> int:
        """Roll a policy out in that env."""
        starts = [Start(seed + index) for index in range(episodes)]
        return sum(episode.success for episode in rollout_env(self.recipe, self.folder, engine, starts))


def finetune(
    checkpoint: Path,
    data: Path,
    out: Path,
    config: FinetuneConfig,
    *,
    replay: Path | None = None,
    env: ForeignTask | None = None,
    device: str = "cpu",
    workers: int = 2,
) -> dict[str, Any]:
    """Train on demonstrations of a new task with old data among them, keep the last good weights, and report.

    In `out`: `checkpoint`, the last weights not worse than others on the way; `report.json` and `report.md`;
    `before` and `after`, measurements; `train`, the run; `replay`, old data unless some are given.
    Interrupted, the same call goes on where it stopped.

    Args:
        checkpoint: folder to start from; it is not changed.
        data: dataset folder of the new task.
        out: folder for all this.
        config: how.
        replay: dataset folder with old data; recorded when omitted.
        env: where the task is rolled out, if not in our simulator. Without it a task of others is learned
            without rollouts, to the last step.
        device: where the policy is rolled out.
        workers: processes that record old data.
    Returns:
        What report.json holds.
    Raises:
        DataError: there are no demonstrations, or those of several of our tasks, or another run in `out`.
        VLAError, SimError: as recording, training and evaluation do.
    """
    dataset = DemonstrationDataset(data)
    recorded = dataset.demonstrations
    if not recorded:
        raise DataError(f"{data} holds no demonstrations")
    subject: Subject | None = env or (SimTask(_task_of(dataset, recorded)) if dataset.has_scenes else None)
    count = min(len(recorded), config.mixture.demonstrations or len(recorded))
    facts = {
        "from": str(checkpoint),
        "config": config.model_dump(mode="json"),
        "weights": weights_digest(load_model(checkpoint)[0]),
        "data": [str(data), dataset.fingerprint],
        "replay": None if replay is None else str(replay),
        "env": None if env is None else env.recipe.model_dump(mode="json"),
    }
    for name in config.old_tasks:
        check_task(name)
    if out.resolve() == data.resolve():
        raise DataError(f"{out} is the dataset; choose another --out")
    claim(out, facts, "a fine-tuning with other data or settings; delete it or choose another --out")
    before = _measure(subject, checkpoint, config, out / "before", device)
    if config.replay and replay is None:
        replay = out / "replay"
        model = _engine(checkpoint, ROBOT_TYPE, "cpu").config
        sees = {"image_size": model.image_size, "cameras": list(model.cameras)}
        collect(load_config(REPLAY_RECIPE, CollectRecipe).model_copy(update=sees), replay, workers)
    steps = config.steps or math.ceil(STEPS_PER_ROOT * math.sqrt(count))
    training = _training(config, steps, checkpoint, data, replay, device)
    checks = _train_and_check(training, config, subject, out, device)
    report = {
        "task": subject.name if subject else dataset.robot_type,
        "demonstrations": count,
        **facts,
        "steps": steps,
        "checks": checks,
        "before": before,
        "after": _measure(subject, out / "checkpoint", config, out / "after", device),
    }
    atomic_write(out / "report.json", (json.dumps(report, indent=1, ensure_ascii=False) + "\n").encode())
    atomic_write(out / "report.md", finetune_markdown(report).encode())
    return report


def finetune_markdown(report: Mapping[str, Any]) -> str:
    """The table of a report: the new task, the old ones and questions, before and after."""
    checks = ", ".join(f"{check['successes']} after {check['steps']} steps" for check in report["checks"])
    played = f"Checks on the way, of {report['config']['check_episodes']} episodes: {checks}."
    played = played if checks else "No rollouts on the way."
    before, after = report["before"], report["after"]
    rows = [
        f"| {name} | {Rate(*before[name]) if name in before else 'robot unknown'} | {Rate(*after[name])} |"
        for name in after
    ]
    return "\n".join(
        [
            f"# {report['task']}, learned from {report['demonstrations']} demonstrations",
            "",
            f"From {report['from']}, {report['steps']} steps. {played}",
            "",
            "| | before | after |",
            "|---|---|---|",
            *rows,
            "",
        ]
    )


def _task_of(dataset: DemonstrationDataset, recorded: Sequence[int]) -> str:
    """The one task of a dataset's demonstrations."""
    starts = [int(np.argmax(dataset.episode_index == number)) for number in recorded]
    tasks = sorted({dataset.scene(start)["task"] for start in starts})
    if len(tasks) > 1:
        raise DataError(
            f"{dataset.root} holds demonstrations of {', '.join(tasks)}; give those of the one new task, "
            "and the others as --replay"
        )
    return str(tasks[0])


def _training(
    config: FinetuneConfig, steps: int, checkpoint: Path, data: Path, replay: Path | None, device: str
) -> VLATrainConfig:
    return VLATrainConfig(
        init=str(checkpoint),
        lora=config.lora,
        data=str(data),
        replay=ReplayPart(data=str(replay), share=config.replay) if config.replay else None,
        mixture=config.mixture,
        augment=config.augment,
        place_weight=2.0,
        loop=LoopConfig(
            steps=steps,
            batch_size=config.batch_size,
            learning_rate=config.learning_rate,
            rates={"vision": 0.5},
            warmup_steps=max(1, steps // 20),
            device="cpu" if device == "cpu" else "auto",
            log_every=max(1, steps // 50),
            seed=config.seed,
        ),
    )


def _train_and_check(
    training: VLATrainConfig, config: FinetuneConfig, subject: Subject | None, out: Path, device: str
) -> list[dict[str, Any]]:
    """Train in parts with rollouts between them; the last that are not worse become `out/checkpoint`."""
    record = out / "checks.json"
    checks: list[dict[str, Any]] = json.loads(record.read_text()) if record.is_file() else []
    if subject is None:
        train_vla(training, out / "train")
        _keep(out)
        return []
    for number in range(len(checks) + 1, config.checks + 1):
        kept = [check["kept"] for check in checks]
        if len(kept) >= config.patience and not any(kept[-config.patience :]):
            break
        done = math.ceil(training.loop.steps * number / config.checks)
        train_vla(training, out / "train", stop_after=done)
        engine = _engine(out / "train/checkpoint", subject.robot, device)
        successes = subject.play(engine, CHECK_SEED, config.check_episodes)
        best = max((check["successes"] for check in checks), default=0)
        worse = best - successes > config.tolerance * config.check_episodes
        if not worse:
            _keep(out)
        checks.append({"steps": done, "successes": successes, "kept": not worse})
        atomic_write(record, json.dumps(checks).encode())
    return checks


def _keep(out: Path) -> None:
    """Take the weights of the run as the result so far."""
    with atomic_directory(out / "checkpoint") as folder:
        shutil.copytree(out / "train/checkpoint", folder, dirs_exist_ok=True)


def _measure(
    subject: Subject | None, checkpoint: Path, config: FinetuneConfig, out: Path, device: str
) -> dict[str, list[int]]:
    """Successes and episodes of the new task and the old ones, right answers and questions; kept in `out`."""
    path = out / "figures.json"
    if path.is_file():
        stored: dict[str, list[int]] = json.loads(path.read_text(encoding="utf-8"))
        return stored
    figures: dict[str, list[int]] = {}
    model, processor = load_model(checkpoint, device)
    if subject is not None and subject.robot in model.config.embodiments:
        engine = Engine(model, processor, embodiment=subject.robot)
        figures[subject.name] = [subject.play(engine, REPORT_SEED, config.episodes), config.episodes]
    old = [name for name in config.old_tasks if subject is None or name != subject.name]
    if old and ROBOT_TYPE in model.config.embodiments:
        measured = EvalConfig(
            tasks=old,
            splits=[SPLIT],
            episodes=config.episodes,
            scenes=config.scenes,
            seed=REPORT_SEED,
            execute=min(EXECUTE, model.config.action_horizon),
        )
        engine = Engine(model, processor, embodiment=ROBOT_TYPE)
        figures |= _figures(evaluate(engine, measured, out / "old", policy=str(checkpoint)))
    atomic_write(path, json.dumps(figures).encode())
    return figures


def _engine(checkpoint: Path, robot: str, device: str) -> Engine:
    return Engine(*load_model(checkpoint, device), embodiment=robot)


def _figures(report: Mapping[str, Any]) -> dict[str, list[int]]:
    """What is compared of old tasks -> how often it was right, of how many."""
    split = report["splits"][SPLIT]
    counts = {name: part["policy"] for name, part in split["tasks"].items()}
    figures = {name: [part["successes"], part["episodes"]] for name, part in counts.items()}
    figures["old tasks together"] = [sum(column) for column in zip(*figures.values(), strict=True)]
    if "questions" in split:
        families = split["questions"].values()
        figures["questions"] = [sum(part[key] for part in families) for key in ("correct", "questions")]
    return figures
