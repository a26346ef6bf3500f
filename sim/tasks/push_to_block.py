"""Push to block: move an object along the table until it is beside a block."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sim.layout import Kind, Spot
from sim.scene import Scene, find
from sim.tasks.base import FLAT_TOPPED, Task
from sim.tasks.conditions import is_beside
from sim.tasks.push import PUSH_OFFSET, clears_way, draw_way

GAP = 0.04  # m, between the two sides: what a finger between them needs, and some room
LENGTH = (0.16, 0.24)  # m, between the middles at the start


class PushToBlock(Task):
    """Done when the object stands beside the block: "push the red block to the blue block"."""

    name: ClassVar[str] = "push_to_block"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (FLAT_TOPPED, ("block",))
    any_target: ClassVar[bool] = False  # they stand in line

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the object, and the block to its left or right."""
        return draw_way(rng, kinds, LENGTH, PUSH_OFFSET)

    def allowed(self, spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
        """Whether (x, y) is clear of the way between."""
        return clears_way(spots, kind, x, y)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands beside the goal."""
        return is_beside(find(scene, scene["target"]), find(scene, scene["goal"]), GAP)
