"""What tasks with drawers share: how many stand there, and when one is open."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from sim.layout import Kind
from sim.objects import DRAWER_FLOOR, DRAWER_HANDLE, DRAWER_INSIDE, DRAWER_TRAVEL, ObjectSpec
from sim.scene import SceneObject
from sim.tasks.base import Task
from sim.tasks.conditions import REST_MARGIN, half_height

OPEN, CLOSED = 0.8, 0.1  # share of a drawer's travel from which it counts as open, and up to which as closed
SECOND_PROBABILITY = 0.5


class DrawerTask(Task):
    """A task about a drawer; often a second one stands at the other edge of the table."""

    def others(self, rng: np.random.Generator, slots: Mapping[tuple[str, str], int]) -> Sequence[Kind]:
        """Sometimes a second drawer, so that the colour must be heeded."""
        return [Kind("drawer")] * int(rng.random() < SECOND_PROBABILITY)


def set_drawers(specs: Sequence[ObjectSpec], joint: float) -> list[ObjectSpec]:
    """Open or close every drawer of a scene, `joint` in [0, 1]."""
    return [replace(spec, joint=joint) if spec.shape == "drawer" else spec for spec in specs]


def inside_of(drawer: SceneObject) -> tuple[float, float]:
    """x, y in m of the middle of the space inside a drawer, as far as it is open."""
    x, y, _ = drawer["position"]
    return x, y + ahead(drawer) * DRAWER_TRAVEL * (drawer["joint"] or 0.0)


def handle_of(drawer: SceneObject) -> tuple[float, float]:
    """x, y in m of the middle of a drawer's handle."""
    x, y = inside_of(drawer)
    return x, y + ahead(drawer) * DRAWER_HANDLE[0]


def ahead(drawer: SceneObject) -> float:
    """Which way a drawer opens: 1 towards +y, -1 towards -y."""
    _, _, qz, qw = drawer["orientation"]
    return 1.0 if abs(qw) > abs(qz) else -1.0  # a cabinet is turned by 0 or by pi


def is_inside_drawer(item: SceneObject, drawer: SceneObject) -> bool:
    """Whether an object lies in a drawer."""
    x, y = inside_of(drawer)
    half_x, half_y = DRAWER_INSIDE
    inside = abs(item["position"][0] - x) < half_x and abs(item["position"][1] - y) < half_y
    return inside and item["position"][2] < DRAWER_FLOOR + half_height(item) + REST_MARGIN


def is_open(drawer: SceneObject) -> bool:
    """Whether a drawer is open."""
    return drawer["joint"] is not None and drawer["joint"] > OPEN


def is_closed(drawer: SceneObject) -> bool:
    """Whether a drawer is closed."""
    return drawer["joint"] is not None and drawer["joint"] < CLOSED
