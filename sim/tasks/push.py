"""Push: move an object along the table to a zone beside it."""

import math
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sim.layout import Kind, Spot
from sim.objects import SHAPES, width_of
from sim.scene import WORKSPACE, Scene, find
from sim.tasks.base import FLAT_TOPPED, Task
from sim.tasks.conditions import across, is_on_table

ZONE_DISTANCE = 0.045  # m, from the object's middle to the zone's: at most a quarter of a block sticks out
PUSH_LENGTH = (0.10, 0.20)  # m, along y
PUSH_OFFSET = 0.02  # m, across
FINGER_ROOM = (
    0.055  # m, that the open fingers need beside the object's way, and the width of what stands there
)


class Push(Task):
    """Done when the object stands on the zone: "push the red block to the green zone"."""

    name: ClassVar[str] = "push"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (FLAT_TOPPED, ("zone",))
    any_target: ClassVar[bool] = False  # the zone lies beside one of them

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the object, and the goal to its left or right."""
        return draw_way(rng, kinds, PUSH_LENGTH, PUSH_OFFSET)

    def allowed(self, spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
        """Whether (x, y) is clear of the way between."""
        return clears_way(spots, kind, x, y)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands on the goal."""
        target, zone = find(scene, scene["target"]), find(scene, scene["goal"])
        return across(target, zone) < ZONE_DISTANCE and is_on_table(target)


def draw_way(
    rng: np.random.Generator, kinds: Sequence[Kind], length: tuple[float, float], offset: float
) -> list[Spot]:
    """Draw two spots that lie `length` m apart along y, either way, and up to `offset` m along x."""
    (x_low, x_high), (y_low, y_high) = WORKSPACE
    margin = width_of(*kinds[0])
    while True:
        x, y = float(rng.uniform(x_low + 0.02, x_high - 0.02)), float(rng.uniform(y_low, y_high))
        goal_x = x + float(rng.uniform(-offset, offset))
        goal_y = y + float(rng.uniform(*length)) * (1 if rng.random() < 0.5 else -1)
        if y_low + margin <= goal_y <= y_high - margin:
            return [Spot(kinds[0], x, y), Spot(kinds[1], goal_x, goal_y)]


def clears_way(spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
    """Whether (x, y) is clear of the straight way from the first object to the second."""
    start, goal = spots[:2]
    along = np.clip((y - start.y) / (goal.y - start.y), 0, 1)
    sideways = math.hypot(x - start.x - along * (goal.x - start.x), y - start.y - along * (goal.y - start.y))
    if SHAPES[kind.shape].part == "flat":
        return True
    return sideways >= FINGER_ROOM + kind.clearance
