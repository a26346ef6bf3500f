"""Swap: let two blocks change places."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sim.errors import SimError
from sim.layout import TRIES, Kind, Spot, is_free
from sim.objects import ObjectSpec
from sim.scene import WORKSPACE, Scene, find
from sim.tasks.base import Task
from sim.tasks.conditions import is_on_table, is_released

PLACE_MARGIN = 0.03  # m, between a block and the place where it should be
FREE = "free"
"""Mark of a free place, where one block can wait while the other one moves."""


class Swap(Task):
    """Done when each block stands where the other one stood: "swap the red block and the blue block"."""

    name: ClassVar[str] = "swap"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("block",), ("block",))

    def marks(
        self, rng: np.random.Generator, parts: Sequence[ObjectSpec], specs: Sequence[ObjectSpec]
    ) -> dict[str, tuple[float, float]]:
        """Where the two blocks stand, and a free place."""
        spots = [Spot(Kind(spec.shape, spec.size), *spec.position[:2]) for spec in specs]
        for _ in range(TRIES):
            x, y = (float(rng.uniform(low, high)) for low, high in WORKSPACE)
            if is_free(spots, Kind("block", "large"), x, y):
                return {spec.name: spec.position[:2] for spec in parts} | {FREE: (x, y)}
        raise SimError("no free place on the table to put a block aside")

    def is_success(self, scene: Scene) -> bool:
        """Whether target and goal have changed places."""
        pair = (scene["target"], scene["goal"])
        for name, other in (pair, pair[::-1]):
            item = find(scene, name)
            assert other is not None
            if math.dist(item["position"][:2], scene["marks"][other]) > PLACE_MARGIN:
                return False
            if not (is_released(scene, item) and is_on_table(item)):
                return False
        return True
