"""Put in drawer: drop an object into an open drawer."""

from typing import ClassVar

import numpy as np

from sim.objects import ObjectSpec
from sim.scene import Scene, find
from sim.tasks.base import LOW
from sim.tasks.conditions import is_released
from sim.tasks.drawers import DrawerTask, is_inside_drawer, set_drawers
from sim.variations import Split


class PutInDrawer(DrawerTask):
    """Done when the object lies in the drawer, released: "put the red block in the blue drawer"."""

    name: ClassVar[str] = "put_in_drawer"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("drawer",))
    lifts: ClassVar[bool] = True

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Start with open drawers."""
        return set_drawers(specs, 1.0)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies in the goal, released."""
        target = find(scene, scene["target"])
        return is_released(scene, target) and is_inside_drawer(target, find(scene, scene["goal"]))
