"""Swap: let two blocks change places."""

import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import ClassVar

import numpy as np

from sim.errors import CrowdedError
from sim.layout import Kind, Spot, draw_apart, is_free
from sim.objects import ObjectSpec, upright
from sim.scene import WORKSPACE, Scene, find
from sim.tasks.base import Task
from sim.tasks.conditions import is_on_table, is_released
from sim.variations import Split

START_DISTANCE = 0.15  # m, so that the zones under the two do not touch
PLACE_MARGIN = 0.03  # m, between a block and the place where it should be
FREE = "free"
"""Mark of a free place, where one block can wait while the other one moves."""
PLACES = np.array(list(product(*(np.linspace(low, high, 11) for low, high in WORKSPACE))))
"""Where on the table a block may be put aside, float64[121, 2], m."""


class Swap(Task):
    """Done when each block stands where the other one stood: "swap the red block and the blue block".

    Each stands on a zone of the other's colour, so that one picture tells what has been done already.
    """

    name: ClassVar[str] = "swap"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("block",), ("block",))
    any_target: ClassVar[bool] = False  # the two stand apart
    lifts: ClassVar[bool] = True

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the two apart."""
        return draw_apart(rng, kinds[:2], START_DISTANCE)

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Give the two different colours."""
        target, goal, *others = specs
        if goal.color == target.color:
            blocks = {spec.color for spec in specs if spec.shape == "block"}
            free = [color for color in split.colors_of("block") if color not in blocks]
            goal = replace(goal, color=free[int(rng.integers(len(free)))])
        return [target, goal, *others]

    def ground(self, parts: Sequence[ObjectSpec]) -> list[ObjectSpec]:
        """A zone under each of the two, of the other's colour."""
        pairs = (parts, parts[::-1])
        return [
            ObjectSpec("zone", other.color, (*spec.position[:2], 0.0), upright(0.0)) for spec, other in pairs
        ]

    def marks(
        self, parts: Sequence[ObjectSpec], specs: Sequence[ObjectSpec]
    ) -> dict[str, tuple[float, float]]:
        """Where the two blocks stand, and the free place nearest to the middle between them."""
        spots = [Spot(Kind(spec.shape, spec.size), *spec.position[:2]) for spec in specs]
        middle = np.mean([spec.position[:2] for spec in parts], axis=0)
        places = sorted(PLACES, key=lambda place: math.dist(place, middle))
        for x, y in places:
            if is_free(spots, Kind("block", "large"), x, y):
                return {spec.name: spec.position[:2] for spec in parts} | {FREE: (float(x), float(y))}
        raise CrowdedError("no free place on the table to put a block aside")

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
