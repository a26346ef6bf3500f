"""Move near: bring an object close to another one."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from sim.layout import Kind, Spot, draw_apart
from sim.scene import Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import NEAR_DISTANCE, across, is_on_table, is_released

START_DISTANCE = 0.18  # m


class MoveNear(Task):
    """Done when it lies within 12 cm of the other, released: "move the red block near the blue bowl"."""

    name: ClassVar[str] = "move_near"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("block", "cylinder", "ring", "bowl", "plate"))
    any_target: ClassVar[bool] = False  # the two stand apart
    lifts: ClassVar[bool] = True

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the two apart."""
        return draw_apart(rng, kinds[:2], START_DISTANCE)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies near the goal, released."""
        target, goal = find(scene, scene["target"]), find(scene, scene["goal"])
        near = across(target, goal) < NEAR_DISTANCE
        return near and is_released(scene, target) and is_on_table(target) and is_on_table(goal)
