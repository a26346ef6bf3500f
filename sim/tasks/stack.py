"""Stack: put an object on top of a block and let go of it."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import FLAT_TOPPED, Task
from sim.tasks.conditions import is_on_table, is_on_top, is_released


class Stack(Task):
    """Done when the object stands on the block, released: "stack the red block on the blue block"."""

    name: ClassVar[str] = "stack"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (FLAT_TOPPED, ("block",))
    lifts: ClassVar[bool] = True

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands on the goal, and the goal on the table."""
        target, goal = find(scene, scene["target"]), find(scene, scene["goal"])
        return is_released(scene, target) and is_on_top(target, goal) and is_on_table(goal)
