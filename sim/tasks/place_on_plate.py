"""Place on plate: put an object onto a plate and let go of it."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import is_on_plate, is_released


class PlaceOnPlate(Task):
    """Done when the object lies on the plate, released: "put the blue ball on the red plate"."""

    name: ClassVar[str] = "place_on_plate"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("plate",))
    lifts: ClassVar[bool] = True

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies on the goal, released."""
        target = find(scene, scene["target"])
        return is_released(scene, target) and is_on_plate(target, find(scene, scene["goal"]))
