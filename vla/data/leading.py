"""A policy that leads the hand in demonstrations that the expert labels (DAgger, arXiv:1011.0686)."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vla.config import CollectRecipe, EnvRecipe
from vla.data.schema import ROBOT_TYPE
from vla.errors import ConfigError

if TYPE_CHECKING:
    from vla.inference.engine import Engine

LATEST_LEAD = 40
"""Last step at which a policy may begin to lead the hand; half of the time it does at once."""
LEAD_STEPS = (5, 40)
"""Fewest and most steps that it leads."""
EXECUTE = 2
"""Actions that it plays of each of its decisions, as in evaluation."""


def draw_lead(led: float, rng: np.random.Generator) -> range:
    """Draw the steps of an episode at which the policy leads; none in the share that it does not."""
    if rng.random() >= led:
        return range(0)
    start = int(rng.integers(LATEST_LEAD + 1)) if rng.random() < 0.5 else 0
    return range(start, start + int(rng.integers(*LEAD_STEPS, endpoint=True)))


def load_policy(recipe: CollectRecipe | EnvRecipe) -> Engine:
    """The policy that a recipe names.

    Raises:
        ConfigError: the recipe names none, or records other pictures than the policy looks at.
        CheckpointError: it cannot be loaded, or does not know the robot.
    """
    if recipe.policy is None:
        raise ConfigError(f"recipe {recipe.name!r}: `led` needs a checkpoint as `policy`")
    if isinstance(recipe, CollectRecipe):
        robot, field, recorded = ROBOT_TYPE, "cameras", recipe.cameras
    else:
        robot, field, recorded = recipe.robot, "images", list(recipe.images)
    engine = _load_engine(recipe.policy, robot)
    needed = [engine.embodiment.camera(camera) for camera in engine.config.cameras]
    if not set(needed) <= set(recorded) or engine.config.image_size != recipe.image_size:
        raise ConfigError(
            f"recipe {recipe.name!r} records cameras {', '.join(recorded)} at {recipe.image_size} "
            f"pixels; the policy looks at {', '.join(needed)} at {engine.config.image_size}; "
            f"correct `{field}` and `image_size`"
        )
    return engine


def policy_facts(recipe: CollectRecipe | EnvRecipe) -> dict[str, str]:
    """What a recording says of the policy that its recipe names.

    Raises:
        ConfigError: it is not there.
    """
    if recipe.policy is None:
        return {}
    weights = Path(recipe.policy) / "model.safetensors"
    if not weights.is_file():
        raise ConfigError(f"recipe {recipe.name!r}: `policy` is {recipe.policy}, where no checkpoint is")
    return {"policy": hashlib.sha256(weights.read_bytes()).hexdigest()}


@cache
def _load_engine(folder: str, robot: str) -> Engine:
    from vla.inference.engine import Engine
    from vla.training.checkpoint import load_model

    return Engine(*load_model(Path(folder)), embodiment=robot)
