"""Pick up: lift an object off the table."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import GRASPABLE, Task
from sim.tasks.conditions import half_height, is_released

LIFT_HEIGHT = 0.08  # m, of the object above where it stood


class PickUp(Task):
    """Done when the gripper holds the object above the table: "pick up the red block"."""

    name: ClassVar[str] = "pick_up"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (GRASPABLE,)
    lifts: ClassVar[bool] = True

    def is_success(self, scene: Scene) -> bool:
        """Whether the target is held high enough."""
        target = find(scene, scene["target"])
        return target["position"][2] - half_height(target) >= LIFT_HEIGHT and not is_released(scene, target)
