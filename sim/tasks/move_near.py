"""Move near: bring an object close to another one."""

from collections.abc import Sequence
from typing import ClassVar

from sim.layout import Kind, Spot
from sim.scene import Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import NEAR_DISTANCE, across, is_on_table, is_released

START_DISTANCE = 0.18  # m


class MoveNear(Task):
    """Done when it lies within 12 cm of the other, released: "move the red block near the blue bowl"."""

    name: ClassVar[str] = "move_near"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("block", "cylinder", "ring", "bowl", "plate"))
    any_target: ClassVar[bool] = False  # the two stand apart

    def allowed(self, spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
        """Whether the first two objects stand apart."""
        return len(spots) != 1 or (x - spots[0].x) ** 2 + (y - spots[0].y) ** 2 > START_DISTANCE**2

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies near the goal, released."""
        target, goal = find(scene, scene["target"]), find(scene, scene["goal"])
        near = across(target, goal) < NEAR_DISTANCE
        return near and is_released(scene, target) and is_on_table(target) and is_on_table(goal)
