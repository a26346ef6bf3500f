"""Push: move a block along the table to a zone beside it."""

import math
from typing import ClassVar

import numpy as np

from sim.objects import BLOCK_SIZE, Shape
from sim.scene import WORKSPACE, Scene, Spot, draw_spots, find
from sim.tasks.base import Task

ZONE_DISTANCE = 0.045  # m, from the block's centre to the zone's: at most a quarter of the block sticks out
PUSH_LENGTH = (0.10, 0.20)  # m, along y
PUSH_OFFSET = 0.02  # m, across
# Room that the open fingers need beside the block's way (m), by what stands there.
_ROOM: dict[Shape, float] = {"block": 0.10, "bowl": 0.14}


class Push(Task):
    """Done when the block stands on the zone: "push the red block to the green zone"."""

    name: ClassVar[str] = "push"
    goal_shape: ClassVar[Shape | None] = "zone"
    any_block: ClassVar[bool] = False  # the zone lies beside one of them

    def spots(self, rng: np.random.Generator, counts: dict[Shape, int]) -> list[Spot]:
        """Draw the block, the zone to its left or right, and the rest clear of the way between."""
        shapes: list[Shape] = ["block", "zone"]
        shapes.extend("block" for _ in range(counts["block"] - 1))
        shapes.extend("bowl" for _ in range(counts["bowl"]))
        return draw_spots(rng, shapes, self._start, _clears_way)

    @staticmethod
    def _start(rng: np.random.Generator) -> list[Spot]:
        (x_low, x_high), (y_low, y_high) = WORKSPACE
        while True:
            x, y = float(rng.uniform(x_low + 0.02, x_high - 0.02)), float(rng.uniform(y_low, y_high))
            zone_x = x + float(rng.uniform(-PUSH_OFFSET, PUSH_OFFSET))
            zone_y = y + float(rng.uniform(*PUSH_LENGTH)) * (1 if rng.random() < 0.5 else -1)
            if y_low + BLOCK_SIZE <= zone_y <= y_high - BLOCK_SIZE:
                return [("block", x, y), ("zone", zone_x, zone_y)]

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands on the goal."""
        assert scene["goal"] is not None
        block, zone = find(scene, scene["target"])["position"], find(scene, scene["goal"])["position"]
        return math.dist(block[:2], zone[:2]) < ZONE_DISTANCE and block[2] < BLOCK_SIZE


def _clears_way(spots: list[Spot], shape: Shape, x: float, y: float) -> bool:
    """Whether (x, y) is clear of the straight way from the first object to the second."""
    (_, start_x, start_y), (_, goal_x, goal_y) = spots[:2]
    along = np.clip((y - start_y) / (goal_y - start_y), 0, 1)
    return (
        math.hypot(x - start_x - along * (goal_x - start_x), y - start_y - along * (goal_y - start_y))
        >= _ROOM[shape]
    )
