"""A fixed pool of envs whose places are reset one by one, each when its episode is over."""

from __future__ import annotations

import json
import multiprocessing
import signal
import warnings
from collections.abc import Mapping
from functools import partial
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AsyncVectorEnv, AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

import sim


class Sight(NamedTuple):
    """What one env shows after a reset or a step.

    Attributes:
        pixels: camera name -> uint8[H, W, 3].
        agent_pos: float32[S].
        scene: the truth, `info["scene"]`.
    """

    pixels: dict[str, NDArray[np.uint8]]
    agent_pos: NDArray[np.float32]
    scene: dict[str, Any]


class EnvPool:
    """Envs of one task, in this process if there is one and in processes of their own if there are more.

    Args:
        task: a name in `sim.TASKS`.
        split: a name in `sim.variations.SPLITS`.
        size: how many.
        image_size: of their pictures, pixels.
        cameras: that take them.
        renderer: of their pictures.
    """

    def __init__(
        self,
        task: str,
        split: str,
        size: int,
        image_size: int,
        cameras: tuple[str, ...] = ("front",),
        renderer: str = "tiny",
    ) -> None:
        self.size = size
        make = partial(_make_env, task, split, image_size, cameras, renderer)
        mode = AutoresetMode.DISABLED  # the others begin an episode with a seed of their own
        if size == 1:
            self._envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([make], autoreset_mode=mode)
        else:
            # Fork may deadlock a process that runs torch, and spawn imports everything once an env.
            multiprocessing.get_context("forkserver").set_forkserver_preload(["sim.env"])
            self._envs = AsyncVectorEnv([make] * size, autoreset_mode=mode, context="forkserver")

    def __enter__(self) -> EnvPool:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self._envs.close()
        else:  # perhaps in the middle of a step, to whose end nobody waits
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self._envs.close(terminate=True)

    def reset(self, place: int, seed: int, options: Mapping[str, Any]) -> Sight:
        """Begin an episode at one place and leave the others as they are."""
        mask = np.zeros(self.size, np.bool_)
        mask[place] = True
        seeds: Any = [seed] * self.size  # a list is allowed, though the base class does not say so
        observations, infos = self._envs.reset(seed=seeds, options={**options, "reset_mask": mask})
        return _sight(observations, infos, place)

    def step(self, actions: NDArray[np.float32]) -> list[tuple[Sight, bool]]:
        """Carry out float32[size, 7]; returns of each place what it shows, and whether its time is up."""
        observations, _, _, truncated, infos = self._envs.step(actions)
        return [(_sight(observations, infos, place), bool(truncated[place])) for place in range(self.size)]


def check_start(task: str, split: str, seed: int, options: Mapping[str, Any]) -> None:
    """Begin an episode once in this process, where an error of the caller's is raised as itself.

    Raises:
        SimError: the options are wrong, or the task does not have that split.
    """
    env = gymnasium.make(sim.TASKS[task], disable_env_checker=True, split=split, cameras=())
    try:
        env.reset(seed=seed, options=dict(options))
    finally:
        env.close()


class _SceneAsText(gymnasium.Wrapper[Any, Any, Any, Any]):
    """Carries the true scene as one string, since a vector env would take nested data in infos apart."""

    def reset(self, **kwargs: Any) -> tuple[Any, dict[str, Any]]:
        observation, info = self.env.reset(**kwargs)
        return observation, {"scene": json.dumps(info["scene"])}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, {"scene": json.dumps(info["scene"])}


def _make_env(
    task: str, split: str, image_size: int, cameras: tuple[str, ...], renderer: str
) -> gymnasium.Env[Any, Any]:
    if multiprocessing.parent_process() is not None:
        signal.signal(
            signal.SIGINT, signal.SIG_IGN
        )  # an interruption is for the process that waits for this one
    # Found by its module, so that a process that has not imported sim can make it.
    return _SceneAsText(
        gymnasium.make(
            f"sim:{sim.TASKS[task]}",
            disable_env_checker=True,
            split=split,
            image_size=image_size,
            cameras=cameras,
            renderer=renderer,
        )
    )


def _sight(observations: Any, infos: Any, place: int) -> Sight:
    pixels = {camera: images[place] for camera, images in observations["pixels"].items()}
    return Sight(pixels, observations["agent_pos"][place], json.loads(infos["scene"][place]))
