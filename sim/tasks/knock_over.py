"""Knock over: make a standing bottle fall."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.base import Task
from sim.tasks.conditions import FALLEN_RAD, is_released, tilt


class KnockOver(Task):
    """Done when the bottle lies on its side and is not held: "knock over the red bottle"."""

    name: ClassVar[str] = "knock_over"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("bottle",),)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target has fallen."""
        target = find(scene, scene["target"])
        return tilt(target) > FALLEN_RAD and is_released(scene, target)
