"""Rollouts in a gymnasium environment that is not ours: the policy sees it through its recipe."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from vla.config import EnvRecipe
from vla.data.adapted import AdaptedEnv
from vla.errors import ConfigError
from vla.evaluation.rollout import Episode, Start, check_playable, progress_of_episodes
from vla.inference.chunking import ChunkPlayer
from vla.inference.engine import Engine


@dataclass
class _Place:
    """An env and the episode under way in it."""

    env: AdaptedEnv
    start: Start
    player: ChunkPlayer
    frames: list[np.ndarray] = field(default_factory=list)
    steps: int = 0

    def film(self, camera: str) -> None:
        """Keep a picture of what is seen now."""
        self.frames.append(self.env.observe().pixels[camera])


def rollout_env(
    recipe: EnvRecipe,
    folder: Path,
    engine: Engine,
    starts: Sequence[Start],
    *,
    envs: int = 8,
    execute: int = 2,
    record: int = 0,
) -> list[Episode]:
    """Play episodes in an env of its own kind; the same starts give the same episodes.

    Args:
        recipe: of the env.
        folder: that files named in it are relative to.
        engine: the policy, of the robot that the recipe names.
        starts: one for each episode; only their seeds count.
        envs: simulators at a time, all in this process.
        execute: actions k of each chunk that are played.
        record: how many of the first episodes keep their pictures.
    Returns:
        The episodes, in the order of the starts; why one failed is not known.
    Raises:
        ConfigError: there is nothing to play, the env cannot be made, or it lacks a camera that the policy
            sees by.
    """
    check_playable(starts, envs)
    camera = engine.embodiment.camera("front")
    missing = {engine.embodiment.camera(name) for name in engine.config.cameras} - recipe.images.keys()
    if missing:
        raise ConfigError(
            f"the policy sees by {', '.join(sorted(missing))}; `images` of {recipe.name!r} has "
            f"{', '.join(recipe.images)}"
        )
    episodes: list[Episode | None] = [None] * len(starts)
    waiting = list(enumerate(starts))[::-1]
    with ExitStack() as stack, progress_of_episodes(recipe.name, len(starts)) as advance:
        free = [AdaptedEnv(recipe, folder) for _ in range(min(envs, len(starts)))]
        for env in free:
            stack.callback(env.close)
        playing: dict[int, _Place] = {}
        while waiting or playing:
            while free and waiting:
                index, start = waiting.pop()
                env = free.pop()
                env.reset(start.seed)
                playing[index] = place = _Place(env, start, ChunkPlayer(execute))
                if index < record:
                    place.film(camera)
            deciding = [place for place in playing.values() if place.player.needs_chunk]
            chunks = engine.decide([place.env.observe() for place in deciding]) if deciding else []
            for place, chunk in zip(deciding, chunks, strict=True):
                place.player.add(chunk)
            for index, place in list(playing.items()):
                over = place.player.ended
                if not over:
                    place.env.step(place.player.next())
                    place.steps += 1
                    if index < record:
                        place.film(camera)
                if over or place.env.ended:
                    episodes[index] = _episode(place, by_policy=over)
                    advance(place.env.success)
                    free.append(playing.pop(index).env)
    return [episode for episode in episodes if episode is not None]


def _episode(place: _Place, by_policy: bool) -> Episode:
    success = place.env.success
    return Episode(
        start=place.start,
        instruction=place.env.instruction,
        target="",
        success=success,
        ending="success" if success else "policy" if by_policy else "time",
        steps=place.steps,
        first_reached=None,
        failure=None,
        frames=np.array(place.frames, np.uint8),
        plans=(None,) * len(place.frames),
    )
