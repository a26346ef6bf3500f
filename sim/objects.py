"""Blocks, bowls and zones: looks and sizes, and the fixed set of bodies that plays them in every episode."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.bullet import Bullet, quaternion_from_rpy

Shape = Literal["block", "bowl", "zone"]
SHAPES: tuple[Shape, ...] = ("block", "bowl", "zone")

# Red, green, blue, alpha. Chosen apart under the renderer's light: orange sits midway between red and yellow.
COLORS: dict[str, tuple[float, float, float, float]] = {
    "red": (0.85, 0.06, 0.08, 1.0),
    "green": (0.10, 0.62, 0.15, 1.0),
    "blue": (0.08, 0.25, 0.90, 1.0),
    "yellow": (0.98, 0.88, 0.08, 1.0),
    "purple": (0.52, 0.12, 0.68, 1.0),
    "orange": (1.00, 0.48, 0.02, 1.0),
}

# Sizes in metres.
BLOCK_SIZE = 0.04
BLOCK_MASS = 0.05  # kg
BOWL_RADIUS = 0.065  # outer, at the rim
BOWL_FOOT_RADIUS = 0.045
BOWL_HEIGHT = 0.035
BOWL_WALL = 0.006
BOWL_SIDES = 14
ZONE_SIZE = 0.12
ZONE_THICKNESS = 0.002

SLOTS: dict[Shape, int] = {"block": 4, "bowl": 2, "zone": 1}
_AWAY = (
    -5.0
)  # m; unused bodies wait below the table, where no camera looks. Blocks there fall, which costs nothing.


@dataclass(frozen=True)
class ObjectSpec:
    """One object of a scene, before the robot touches it.

    Args:
        shape: block, bowl or zone.
        color: a key of COLORS.
        position: x, y, z in m in the robot base frame; the centre of a block or zone, the foot of a bowl.
        yaw: rotation about the vertical, in radians.
    """

    shape: Shape
    color: str
    position: tuple[float, float, float]
    yaw: float = 0.0

    @property
    def name(self) -> str:
        """Colour and shape, e.g. "red block"; unique in a scene."""
        return f"{self.color} {self.shape}"


class ObjectPool:
    """Bodies created once and teleported at each reset: exact, and a thousand times faster than loading.

    Args:
        bullet: the engine that holds the bodies.
    """

    def __init__(self, bullet: Bullet) -> None:
        self._bullet = bullet
        self._slots: dict[Shape, list[int]] = {
            "block": [self._add_block() for _ in range(SLOTS["block"])],
            "bowl": [self._add_bowl() for _ in range(SLOTS["bowl"])],
            "zone": [self._add_zone() for _ in range(SLOTS["zone"])],
        }
        self.bodies: list[int] = []

    def place(self, specs: Sequence[ObjectSpec]) -> None:
        """Put the objects of a scene in place, in `bodies` in this order, and all others out of sight."""
        free = {shape: list(bodies) for shape, bodies in self._slots.items()}
        # First apart from everything: a contact remembered from an earlier episode would change this one.
        for bodies in free.values():
            for body in bodies:
                self._bullet.set_pose(body, (0.0, float(body), _AWAY))
        self._bullet.find_contacts()
        self.bodies = []
        for spec in specs:
            body = free[spec.shape].pop(0)
            self._bullet.set_pose(body, spec.position, quaternion_from_rpy((0.0, 0.0, spec.yaw)))
            self._bullet.set_color(body, COLORS[spec.color])
            self.bodies.append(body)

    def _add_block(self) -> int:
        half = BLOCK_SIZE / 2
        body = self._bullet.add_box((half, half, half), COLORS["red"], (0, 0, _AWAY), BLOCK_MASS)
        self._bullet.set_friction(body, -1, lateral=1.0, spinning=0.002)
        return body

    def _add_zone(self) -> int:
        half_extents = (ZONE_SIZE / 2, ZONE_SIZE / 2, ZONE_THICKNESS / 2)
        return self._bullet.add_box(half_extents, COLORS["red"], (0, 0, _AWAY), 0.0, solid=False)

    def _add_bowl(self) -> int:
        vertices, triangles = bowl_mesh()
        return self._bullet.add_mesh(vertices, triangles, COLORS["red"], (0, 0, _AWAY), bowl_walls())


def bowl_mesh() -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices float64[V, 3] (m) and triangles int64[T, 3] of an open bowl that stands on z = 0."""
    angles = np.arange(BOWL_SIDES) * 2 * np.pi / BOWL_SIDES
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)

    def ring(radius: float, height: float) -> NDArray[np.float64]:
        return np.column_stack([radius * circle, np.full(BOWL_SIDES, height)])

    rings = [
        ring(BOWL_FOOT_RADIUS, 0.0),
        ring(BOWL_RADIUS, BOWL_HEIGHT),
        ring(BOWL_RADIUS - BOWL_WALL, BOWL_HEIGHT),
        ring(BOWL_FOOT_RADIUS - BOWL_WALL, BOWL_WALL),
    ]
    vertices = np.concatenate([*rings, [[0.0, 0.0, BOWL_WALL]]])
    triangles = []
    for side in range(BOWL_SIDES):
        following = (side + 1) % BOWL_SIDES
        for level in range(len(rings) - 1):
            lower, upper = level * BOWL_SIDES, (level + 1) * BOWL_SIDES
            triangles.append((lower + side, lower + following, upper + following))
            triangles.append((lower + side, upper + following, upper + side))
        floor = (len(rings) - 1) * BOWL_SIDES
        triangles.append((floor + side, floor + following, len(vertices) - 1))
    return vertices, np.array(triangles)


def bowl_walls() -> list[tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]]:
    """Half extents, centre and orientation (xyzw) of the boxes that make a bowl solid: floor and sides."""
    middle = (BOWL_RADIUS + BOWL_FOOT_RADIUS - BOWL_WALL) / 2
    slant = float(np.arctan2(BOWL_RADIUS - BOWL_FOOT_RADIUS, BOWL_HEIGHT))
    length = float(np.hypot(BOWL_RADIUS - BOWL_FOOT_RADIUS, BOWL_HEIGHT))
    half_width = BOWL_RADIUS * float(np.tan(np.pi / BOWL_SIDES))
    floor_half = (BOWL_FOOT_RADIUS * 0.7, BOWL_FOOT_RADIUS * 0.7, BOWL_WALL / 2)
    walls: list[tuple[tuple[float, ...], tuple[float, ...], tuple[float, ...]]] = [
        (floor_half, (0.0, 0.0, BOWL_WALL / 2), (0.0, 0.0, 0.0, 1.0))
    ]
    for side in range(BOWL_SIDES):
        angle = (side + 0.5) * 2 * np.pi / BOWL_SIDES
        centre = (middle * float(np.cos(angle)), middle * float(np.sin(angle)), BOWL_HEIGHT / 2)
        walls.append(
            ((BOWL_WALL / 2, half_width, length / 2), centre, quaternion_from_rpy((0.0, slant, angle)))
        )
    return walls
