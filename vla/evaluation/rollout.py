"""Rollouts: exactly the seeded episodes asked for, in a fixed pool of envs, decided in batches."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import sim
from sim.bullet import fastest_renderer
from sim.errors import unknown_name
from sim.view import View as Look
from vla.actions.bins import ACTION_DIM
from vla.config import check_seed
from vla.errors import ConfigError
from vla.evaluation.drivers import CAMERA, Driver, View
from vla.evaluation.failures import FAILURES, Failure, Trace, at_fingertips, classify
from vla.evaluation.metrics import Rate
from vla.evaluation.pool import EnvPool, Sight, check_start
from vla.inference.chunking import ChunkPlayer
from vla.text.typos import mistype
from vla.types import Observation

IMAGE_SIZE = 96  # pixels, where no policy says what it wants to see
Place = tuple[float, float]
Ending = Literal["success", "reached", "policy", "time"]
DEFAULT_SPLIT = "seen"
"""What the default checkpoint learned; every task has it."""


@dataclass(frozen=True)
class Start:
    """How an episode begins.

    Attributes:
        seed: of the env's reset; it decides the scene.
        options: of the env's reset: "instruction" or "language".
        instruction: told to the policy instead of the env's own; success stays the env's.
        typo: whether a word of what the policy is told is mistyped.
    """

    seed: int
    options: Mapping[str, Any] = field(default_factory=dict)
    instruction: str | None = None
    typo: bool = False

    def told(self, instruction: str) -> str:
        """What the policy is told where the env's own instruction is this."""
        text = self.instruction or instruction
        return mistype(text, np.random.default_rng([self.seed, 3])) if self.typo else text


@dataclass(frozen=True)
class Episode:
    """What happened.

    Attributes:
        start: how it began.
        instruction: what the policy was told.
        target: name of the object that the env's own instruction is about.
        success: whether the env's task was done.
        ending: why it ended: success, an object was reached, the policy's own word, or time.
        steps: actions executed.
        first_reached: name of the first movable object that the fingertips came to, if any.
        failure: the cause, of an episode that did not succeed and ended by the policy's word or time.
        frames: uint8[steps + 1, H, W, 3], front camera; empty if it was not recorded.
        plans: for each frame the place (x, y), m, that the policy was moving to, if it makes plans.
        view: where the camera stood, among other things.
    """

    start: Start
    instruction: str
    target: str
    success: bool
    ending: Ending
    steps: int
    first_reached: str | None
    failure: Failure | None
    frames: NDArray[np.uint8]
    plans: tuple[Place | None, ...] = ()
    view: Look = field(default_factory=Look)


def check_task(task: str) -> None:
    """Raise SimError unless there is such a task."""
    if task not in sim.TASKS:
        raise unknown_name("task", task, sim.TASKS, "A task of your own is made known by --plugin FILE.")


def check_playable(starts: Sequence[Start], envs: int) -> None:
    """Raise ConfigError unless there is something to play, and somewhere to play it."""
    if not starts or envs < 1:
        raise ConfigError(f"{len(starts)} episodes in {envs} envs cannot be played; both must be at least 1")


def renderer_in_use(renderer: str) -> str:
    """What draws pictures when this renderer is asked for: "auto" is the faster one here."""
    return fastest_renderer() if renderer == "auto" else renderer


def make_starts(episodes: int, seed: int, options: Mapping[str, Any]) -> list[Start]:
    """Starts with the same options and seeds in a row.

    Raises:
        ConfigError: the seed is negative.
    """
    check_seed(seed)
    return [Start(seed + index, options) for index in range(episodes)]


def rollout(
    task: str,
    driver: Driver,
    starts: Sequence[Start],
    *,
    split: str = DEFAULT_SPLIT,
    renderer: str = "tiny",
    envs: int = 8,
    execute: int = 2,
    image_size: int = 96,
    cameras: tuple[str, ...] = (CAMERA,),
    record: int = 0,
    until_reached: bool = False,
    label: str = "",
) -> list[Episode]:
    """Play episodes; the same starts give the same episodes.

    Args:
        task: a name in `sim.TASKS`.
        driver: who decides.
        starts: one for each episode.
        split: a name in `sim.variations.SPLITS`.
        renderer: "tiny", "egl" or "auto", see `sim.env.TabletopEnv`.
        envs: simulators at a time, each a process. They change the speed, not the episodes, save that the
            arithmetic of a policy may differ in the last bit with the size of its batch.
        execute: actions k of each chunk that are played.
        image_size: of the pictures that the driver sees, pixels.
        cameras: that take them.
        record: how many of the first episodes keep their pictures.
        until_reached: whether an episode ends as soon as the fingertips come to any movable object.
        label: shown beside the progress bar.

    Returns:
        The episodes, in the order of the starts.

    Raises:
        SimError: an unknown task or split, or an option that the env does not take.
        ConfigError: there is nothing to play, or nowhere to play it.
    """
    check_task(task)
    check_playable(starts, envs)
    check_start(task, split, starts[0].seed, starts[0].options)
    episodes: list[Episode | None] = [None] * len(starts)
    size = min(envs, len(starts))
    with (
        progress_of_episodes(label or task, len(starts)) as advance,
        EnvPool(task, split, size, image_size, cameras, renderer) as pool,
    ):
        for index, episode in _play(pool, driver, starts, execute, record, until_reached):
            episodes[index] = episode
            advance(episode.success)
    return [episode for episode in episodes if episode is not None]


def summarise(episodes: Sequence[Episode]) -> dict[str, Any]:
    """Success with its 95 % interval, mean steps, how many episodes the policy ended, causes of failure."""
    rate = Rate.of([episode.success for episode in episodes])
    causes = [episode.failure for episode in episodes]
    return {
        "episodes": rate.trials,
        "successes": rate.successes,
        "success_rate": rate.value,
        "interval": list(rate.interval),
        "mean_steps": sum(episode.steps for episode in episodes) / rate.trials,
        "ended_by_policy": sum(episode.ending == "policy" for episode in episodes),
        "failures": {cause: causes.count(cause) for cause in FAILURES if cause in causes},
    }


def _play(
    pool: EnvPool,
    driver: Driver,
    starts: Sequence[Start],
    execute: int,
    record: int,
    until_reached: bool,
) -> Iterator[tuple[int, Episode]]:
    """Give each slot of the pool the next start as soon as it is free; yield episodes as they end."""
    waiting = iter(enumerate(starts))
    slots: dict[int, _Slot] = {}  # place in the pool -> the episode played there

    def refill() -> None:
        for place in range(pool.size):
            if place not in slots or slots[place].ending is not None:
                slots.pop(place, None)
                for index, start in itertools.islice(waiting, 1):
                    slots[place] = _Slot(index, start, ChunkPlayer(execute), index < record)
                    slots[place].see(pool.reset(place, start.seed, start.options))

    refill()
    while slots:
        deciding = [slot for slot in slots.values() if slot.player.needs_chunk]
        chunks = driver.decide([slot.view() for slot in deciding]) if deciding else []
        for slot, chunk in zip(deciding, chunks, strict=True):
            slot.player.add(chunk)
            slot.plan = chunk.plan
            if slot.player.ended:
                slot.ending = "policy"
        if not any(slot.ending for slot in deciding):
            actions = np.zeros((pool.size, ACTION_DIM), np.float32)  # zero where all episodes are over
            for place, slot in slots.items():
                actions[place] = slot.player.next()
                slot.closing = bool(actions[place, -1] < 0)
            sights = pool.step(actions)
            for place, slot in slots.items():
                sight, out_of_time = sights[place]
                slot.steps += 1
                slot.see(sight)
                if slot.ending is None and until_reached and slot.first_reached is not None:
                    slot.ending = "reached"
                elif slot.ending is None and out_of_time:
                    slot.ending = "time"
        yield from [(slot.index, slot.episode()) for slot in slots.values() if slot.ending is not None]
        refill()


@dataclass
class _Slot:
    """An episode under way."""

    index: int
    start: Start
    player: ChunkPlayer
    recorded: bool
    steps: int = 0
    ending: Ending | None = None
    first_reached: str | None = None
    plan: Place | None = None
    closing: bool = False  # whether the last action told the fingers to close
    trace: Trace = field(default_factory=Trace)
    frames: list[NDArray[np.uint8]] = field(default_factory=list)
    plans: list[Place | None] = field(default_factory=list)
    observation: Observation = field(init=False)
    scene: dict[str, Any] = field(init=False)

    def see(self, sight: Sight) -> None:
        """Take in what the env shows."""
        instruction = self.start.told(sight.scene["instruction"])
        self.observation = Observation(sight.pixels, sight.agent_pos, instruction)
        self.scene = sight.scene
        self.first_reached = self.first_reached or at_fingertips(sight.scene, ["movable"])
        self.trace.see(sight.scene, self.closing)
        if self.recorded:
            self.frames.append(sight.pixels[CAMERA])
            self.plans.append(self.plan)
        if sight.scene["is_success"]:
            self.ending = "success"

    def view(self) -> View:
        return View(self.observation, self.scene, self.start.seed, self.steps)

    def episode(self) -> Episode:
        assert self.ending is not None
        failed = self.ending in ("policy", "time")
        return Episode(
            start=self.start,
            instruction=self.observation.instruction,
            target=self.scene["target"],
            success=self.ending == "success",
            ending=self.ending,
            steps=self.steps,
            first_reached=self.first_reached,
            failure=classify(self.scene, self.trace, self.ending == "policy") if failed else None,
            frames=np.array(self.frames, np.uint8),
            plans=tuple(self.plans),
            view=Look.from_dict(self.scene["view"]),
        )


@contextmanager
def progress_of_episodes(label: str, total: int) -> Iterator[Callable[[bool], None]]:
    """A bar on stderr that counts episodes and successes."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[won]} succeeded"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    won = 0
    with bar:
        task = bar.add_task(label, total=total, won=won)

        def advance(success: bool) -> None:
            nonlocal won
            won += success
            bar.update(task, advance=1, won=won)

        yield advance
