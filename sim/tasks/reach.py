"""Reach: bring the fingertips to a block."""

import math
from typing import ClassVar

from sim.objects import BLOCK_SIZE
from sim.scene import Scene, find
from sim.tasks.base import Task

REACH_DISTANCE = 0.035  # m, from between the fingertips to the centre of the block's top


class Reach(Task):
    """Done when the fingertips are at the top of the block: "reach the red block"."""

    name: ClassVar[str] = "reach"

    def is_success(self, scene: Scene) -> bool:
        """Whether the fingertips are at the top of the target."""
        x, y, z = find(scene, scene["target"])["position"]
        return math.dist(scene["gripper"]["position"], (x, y, z + BLOCK_SIZE / 2)) < REACH_DISTANCE
