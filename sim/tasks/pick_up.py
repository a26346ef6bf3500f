"""Pick up: lift a block off the table."""

from typing import ClassVar

from sim.objects import BLOCK_SIZE
from sim.scene import Scene, find
from sim.tasks.base import Task

LIFT_HEIGHT = 0.08  # m, of the block above where it stood


class PickUp(Task):
    """Done when the gripper holds the block above the table: "pick up the red block"."""

    name: ClassVar[str] = "pick_up"

    def is_success(self, scene: Scene) -> bool:
        """Whether the target is held high enough."""
        lifted = find(scene, scene["target"])["position"][2] - BLOCK_SIZE / 2
        return lifted >= LIFT_HEIGHT and scene["gripper"]["holding"] == scene["target"]
