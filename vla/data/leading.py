"""A policy that leads the hand in demonstrations that the expert labels (DAgger, arXiv:1011.0686)."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from vla.config import CollectRecipe
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


def draw_lead(recipe: CollectRecipe, rng: np.random.Generator) -> range:
    """Draw the steps of an episode at which the policy leads; none in the share that it does not."""
    if rng.random() >= recipe.led:
        return range(0)
    start = int(rng.integers(LATEST_LEAD + 1)) if rng.random() < 0.5 else 0
    return range(start, start + int(rng.integers(*LEAD_STEPS, endpoint=True)))


def load_policy(recipe: CollectRecipe) -> Engine:
    """The policy that a recipe names.

    Raises:
        ConfigError: the recipe names none, or records other pictures than the policy looks at.
        CheckpointError: it cannot be loaded.
    """
    if recipe.policy is None:
        raise ConfigError(f"recipe {recipe.name!r}: `led` needs a checkpoint as `policy`")
    engine = _load_engine(recipe.policy)
    missing = [camera for camera in engine.config.cameras if camera not in recipe.cameras]
    if missing or engine.config.image_size != recipe.image_size:
        raise ConfigError(
            f"recipe {recipe.name!r} records cameras {', '.join(recipe.cameras)} at {recipe.image_size} "
            f"pixels; the policy looks at {', '.join(engine.config.cameras)} at {engine.config.image_size}; "
            "correct `cameras` and `image_size`"
        )
    return engine


@cache
def _load_engine(folder: str) -> Engine:
    from vla.inference.engine import Engine
    from vla.training.checkpoint import load_model

    return Engine(*load_model(Path(folder)), embodiment=ROBOT_TYPE)
