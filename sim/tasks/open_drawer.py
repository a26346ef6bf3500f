"""Open drawer: pull a drawer out by its handle."""

from typing import ClassVar

from sim.scene import Scene, find
from sim.tasks.drawers import DrawerTask, is_open


class OpenDrawer(DrawerTask):
    """Done when the drawer is pulled out: "open the red drawer"."""

    name: ClassVar[str] = "open_drawer"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("drawer",),)

    def is_success(self, scene: Scene) -> bool:
        """Whether the target is open."""
        return is_open(find(scene, scene["target"]))
