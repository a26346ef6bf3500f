"""Place in bowl: put an object into a bowl and let go of it."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import is_inside_bowl, is_released


class PlaceInBowl(Task):
    """Done when the object lies in the bowl and the hand has let go: "put the red block in the blue bowl"."""

    name: ClassVar[str] = "place_in_bowl"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("bowl",))
    lifts: ClassVar[bool] = True

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies in the goal, released."""
        target = find(scene, scene["target"])
        return is_released(scene, target) and is_inside_bowl(target, find(scene, scene["goal"]))
