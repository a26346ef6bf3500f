"""Keep what is played by hand: an episode that succeeds goes into a dataset at once (`vla play --record`)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vla.config import CollectRecipe
from vla.data.collect import describe_world, frame_of, in_columns, rounded
from vla.data.editing import add_episode, check_fits
from vla.data.schema import ACTION, DONE, EXECUTED_ACTION, SUCCESS

CAMERAS = ("front", "wrist")
IMAGE_SIZE = 128
"""Pixels, as the default checkpoint sees."""


class Recorder:
    """The episode under way, and the dataset that it goes into.

    Args:
        root: dataset folder; one that exists is added to.
        task: that is played.
        split: that scenes are drawn from.
    Raises:
        DataError: in `root` lies a recording of another kind.
    """

    def __init__(self, root: Path, task: str, split: str) -> None:
        self.root = root = Path(os.path.abspath(root))  # what is written under this name is what is added to
        recipe = CollectRecipe(
            name=root.name, seed=0, image_size=IMAGE_SIZE, cameras=list(CAMERAS), tasks={task: 1}, split=split
        )
        self._world = describe_world(recipe)
        self._frames: list[dict[str, Any]] = []
        if root.exists():
            world = self._world
            check_fits(root, world.features, fps=world.fps, robot_type=world.robot_type)

    def begin(self) -> None:
        """Forget the episode before."""
        self._frames = []

    def add(
        self, observation: Mapping[str, Any], info: Mapping[str, Any], action: np.ndarray, success: bool
    ) -> None:
        """Keep a step: what was seen, the truth about it, what was done, and whether that brought success."""
        pixels = {camera: observation["pixels"][camera] for camera in CAMERAS}
        frame = frame_of(pixels, observation["agent_pos"], rounded(info["scene"]))
        done = {ACTION: action, EXECUTED_ACTION: action, SUCCESS: success, DONE: success}
        self._frames.append(frame | done)

    def save(self, instruction: str) -> int | None:
        """Add the episode to the dataset if it succeeded; returns its number there."""
        if not self._frames or not self._frames[-1][SUCCESS]:
            return None
        world = self._world
        return add_episode(
            self.root,
            world.features,
            in_columns(self._frames),
            instruction,
            fps=world.fps,
            robot_type=world.robot_type,
        )
