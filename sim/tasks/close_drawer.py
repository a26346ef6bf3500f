"""Close drawer: push an open drawer in."""

from typing import ClassVar

import numpy as np

from sim.objects import ObjectSpec
from sim.scene import Scene, find
from sim.tasks.drawers import DrawerTask, is_closed, set_drawers
from sim.variations import Split


class CloseDrawer(DrawerTask):
    """Done when the drawer is pushed in: "close the red drawer"."""

    name: ClassVar[str] = "close_drawer"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("drawer",),)

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Start with open drawers."""
        return set_drawers(specs, 1.0)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target is closed."""
        return is_closed(find(scene, scene["target"]))
