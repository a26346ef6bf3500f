"""Stack three: build a tower of three blocks in the order that is told."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import Task
from sim.tasks.conditions import is_on_table, is_on_top, is_released


class StackThree(Task):
    """Done when the three form a tower: "stack the red block on the blue block on the green block"."""

    name: ClassVar[str] = "stack_three"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("block",), ("block",), ("block",))
    lifts: ClassVar[bool] = True

    def is_success(self, scene: Scene) -> bool:
        """Whether the target stands on the goal, the goal on the third, and the third on the table."""
        target, goal, third = (find(scene, scene[part]) for part in ("target", "goal", "third"))
        stands = is_on_top(target, goal) and is_on_top(goal, third) and is_on_table(third)
        return stands and is_released(scene, target) and is_released(scene, goal)
