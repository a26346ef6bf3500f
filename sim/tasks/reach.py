"""Reach: bring the fingertips to an object."""

import math
from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import GRASPABLE, Task
from sim.tasks.conditions import half_height

REACH_DISTANCE = 0.035  # m, from between the fingertips to the middle of the object's top


class Reach(Task):
    """Done when the fingertips are at the top of the object: "reach the red block"."""

    name: ClassVar[str] = "reach"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (GRASPABLE,)

    def is_success(self, scene: Scene) -> bool:
        """Whether the fingertips are at the top of the target."""
        target = find(scene, scene["target"])
        x, y, z = target["position"]
        return math.dist(scene["gripper"]["position"], (x, y, z + half_height(target))) < REACH_DISTANCE
