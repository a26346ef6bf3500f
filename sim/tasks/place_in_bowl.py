"""Place in bowl: put a block into a bowl and let go of it."""

import math
from typing import ClassVar

from sim.objects import BLOCK_SIZE, BOWL_FOOT_RADIUS, BOWL_HEIGHT, Shape
from sim.scene import Scene, SceneObject, find
from sim.tasks.base import Task


def is_inside(block: SceneObject, bowl: SceneObject) -> bool:
    """Whether a block lies in a bowl: its centre above the bowl's floor, and low."""
    across = math.dist(block["position"][:2], bowl["position"][:2])
    return across < BOWL_FOOT_RADIUS and block["position"][2] < BOWL_HEIGHT + BLOCK_SIZE / 4


class PlaceInBowl(Task):
    """Done when the block lies in the bowl and the hand has let go: "put the red block in the blue bowl"."""

    name: ClassVar[str] = "place_in_bowl"
    goal_shape: ClassVar[Shape | None] = "bowl"

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies in the goal, released."""
        assert scene["goal"] is not None
        released = scene["gripper"]["holding"] != scene["target"]
        return released and is_inside(find(scene, scene["target"]), find(scene, scene["goal"]))
