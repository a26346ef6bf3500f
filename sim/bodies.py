"""How each shape is built for the engine: a mesh of few triangles, what makes it solid, mass and friction."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.bullet import Box, Bullet, Cylinder, Sphere, quaternion_from_rpy
from sim.meshes import Mesh, extrude, lathe, sphere
from sim.objects import (
    BOTTLE_STOPPER,
    BOWL_FOOT_RADIUS,
    BOWL_HEIGHT,
    BOWL_RADIUS,
    BOWL_WALL,
    COLORS,
    PLATE_HEIGHT,
    PLATE_RADIUS,
    PLATE_THICKNESS,
    height_of,
    width_of,
)

Solid = Sequence[Box | Cylinder | Sphere] | NDArray[np.float64]

MASS = 0.05  # kg, of every movable
LATERAL_FRICTION = 1.0
SPINNING_FRICTION = 0.002  # m
BOTTLE_SPINNING_FRICTION = 3e-5  # m; held by its round stopper a bottle swings down, and soon hangs still
ROLLING_FRICTION = 0.0005  # m; stops a ball within a few centimetres
SIDES = 14  # of round things
_WAITING = (-50.0, 0.0, -5.0)  # m; idle bodies fall there, out of the way, and are not drawn
_ASSETS = Path(__file__).parent / "assets"


def build_body(bullet: Bullet, shape: str, size: str) -> int:
    """Make a body of a shape and size, red, and return its id.

    Raises:
        KeyError: the shape is flat: it is painted and has no body.
    """
    if shape in ("drawer", "button"):
        return bullet.load_urdf(_ASSETS / f"{shape}.urdf")
    width, height = width_of(shape, size), height_of(shape, size)
    if shape == "block":
        half = (width / 2, width / 2, height / 2)
        body = bullet.add_box(half, COLORS["red"], _WAITING, MASS)
    else:
        mesh, solid = _BUILD[shape](width, height)
        mass = 0.0 if shape in ("bowl", "plate") else MASS
        body = bullet.add_mesh(*mesh, COLORS["red"], _WAITING, solid, mass)
    if shape not in ("bowl", "plate"):
        spinning = BOTTLE_SPINNING_FRICTION if shape == "bottle" else SPINNING_FRICTION
        bullet.set_friction(body, -1, LATERAL_FRICTION, spinning)
    if shape in ("ball", "bottle"):
        bullet.set_rolling_friction(body, ROLLING_FRICTION)
    return body


def _cylinder(width: float, height: float) -> tuple[Mesh, Solid]:
    radius, half = width / 2, height / 2
    return lathe([(0, -half), (radius, -half), (radius, half), (0, half)], SIDES), [Cylinder(radius, height)]


def _ball(width: float, height: float) -> tuple[Mesh, Solid]:
    return sphere(width / 2), [Sphere(width / 2)]


def _bottle(width: float, height: float) -> tuple[Mesh, Solid]:
    """A body, a neck and a round stopper; see docs/decisions/0004 for why it is round."""
    radius, half, knob, body = width / 2, height / 2, BOTTLE_STOPPER, 0.07
    shoulder, centre = -half + body, half - knob
    bend = knob * 0.7
    profile = [
        (0, -half),
        (radius, -half),
        (radius, shoulder),
        (0.007, shoulder + 0.005),
        (bend, centre - bend),
        (knob, centre),
        (bend, centre + bend),
        (0, half),
    ]
    parts: list[Box | Cylinder | Sphere] = [
        Cylinder(radius, body, (0, 0, -half + body / 2)),
        Sphere(knob, (0, 0, centre)),
    ]
    return lathe(profile, 12), parts


def _ring(width: float, height: float) -> tuple[Mesh, Solid]:
    """Solid like a disc: a hole of many parts would make contacts whose order the engine does not repeat."""
    outer, inner, half = width / 2, width / 2 - 0.012, height / 2
    profile = [(inner, -half), (outer, -half), (outer, half), (inner, half), (inner, -half)]
    return lathe(profile, SIDES), [Cylinder(outer, height)]


def _bowl(width: float, height: float) -> tuple[Mesh, Solid]:
    profile = [
        (0, 0),
        (BOWL_FOOT_RADIUS, 0),
        (BOWL_RADIUS, BOWL_HEIGHT),
        (BOWL_RADIUS - BOWL_WALL, BOWL_HEIGHT),
        (BOWL_FOOT_RADIUS - BOWL_WALL, BOWL_WALL),
        (0, BOWL_WALL),
    ]
    floor = Box((BOWL_FOOT_RADIUS * 0.7, BOWL_FOOT_RADIUS * 0.7, BOWL_WALL / 2), (0, 0, BOWL_WALL / 2))
    middle = (BOWL_RADIUS + BOWL_FOOT_RADIUS - BOWL_WALL) / 2
    slant = float(np.arctan2(BOWL_RADIUS - BOWL_FOOT_RADIUS, BOWL_HEIGHT))
    length = float(np.hypot(BOWL_RADIUS - BOWL_FOOT_RADIUS, BOWL_HEIGHT))
    half = (BOWL_WALL / 2, BOWL_RADIUS * float(np.tan(np.pi / SIDES)), length / 2)
    return lathe(profile, SIDES), [floor, *_around(middle, BOWL_HEIGHT / 2, half, slant)]


def _plate(width: float, height: float) -> tuple[Mesh, Solid]:
    inside = PLATE_RADIUS - 0.018
    profile = [
        (0, 0),
        (inside, 0),
        (PLATE_RADIUS, PLATE_HEIGHT),
        (PLATE_RADIUS - 0.004, PLATE_HEIGHT),
        (inside, PLATE_THICKNESS),
        (0, PLATE_THICKNESS),
    ]
    floor = Cylinder(inside, PLATE_THICKNESS, (0, 0, PLATE_THICKNESS / 2))
    rim = _wall(PLATE_RADIUS, 0.008, 0.0, PLATE_HEIGHT)
    return lathe(profile, SIDES), [floor, *rim]


def _wall(outer: float, thickness: float, bottom: float, top: float) -> Solid:
    """Boxes that make an upright round wall solid."""
    half = (thickness / 2, outer * float(np.tan(np.pi / SIDES)), (top - bottom) / 2)
    return _around(outer - thickness / 2, (bottom + top) / 2, half, 0.0)


def _around(radius: float, height: float, half_extents: Sequence[float], slant: float) -> Solid:
    """Boxes in a circle about the z axis, each leaning outwards by `slant` radians."""
    angles = (np.arange(SIDES) + 0.5) * 2 * np.pi / SIDES
    return [
        Box(
            half_extents,
            (radius * float(np.cos(angle)), radius * float(np.sin(angle)), height),
            quaternion_from_rpy((0.0, slant, float(angle))),
        )
        for angle in angles
    ]


def _polygon(corners: int, radius: float, first: float = 0.0) -> NDArray[np.float64]:
    angles = first + np.arange(corners) * 2 * np.pi / corners
    return radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def _hexagon(width: float, height: float) -> tuple[Mesh, Solid]:
    """Two of its sides face the fingers."""
    mesh = extrude(_polygon(6, width / np.sqrt(3)), height)
    return mesh, mesh[0]


def _wedge(width: float, height: float) -> tuple[Mesh, Solid]:
    """A triangle as seen from above, with a side along x and the corner opposite cut off to be held."""
    half = width / 2
    corners = np.array([(-half, -half), (half, -half), (half * 0.3, half), (-half * 0.3, half)])
    mesh = extrude(corners, height)
    return mesh, mesh[0]


def _cross(width: float, height: float) -> tuple[Mesh, Solid]:
    arm, end = width / 6, width / 2
    corners = [(end, -arm), (end, arm), (arm, arm), (arm, end), (-arm, end), (-arm, arm)]
    corners += [(-end, arm), (-end, -arm), (-arm, -arm), (-arm, -end), (arm, -end), (arm, -arm)]
    return extrude(np.array(corners), height), [Box((end, arm, height / 2)), Box((arm, end, height / 2))]


def _tee(width: float, height: float) -> tuple[Mesh, Solid]:
    arm, end = width / 6, width / 2
    corners = [(end - 2 * arm, -end), (end, -end), (end, end), (end - 2 * arm, end)]
    corners += [(end - 2 * arm, arm), (-end, arm), (-end, -arm), (end - 2 * arm, -arm)]
    bar = Box((arm, end, height / 2), (end - arm, 0, 0))
    stem = Box(((width - 2 * arm) / 2, arm, height / 2), (-arm, 0, 0))
    return extrude(np.array(corners), height), [bar, stem]


_BUILD: dict[str, Callable[[float, float], tuple[Mesh, Solid]]] = {
    "cylinder": _cylinder,
    "ball": _ball,
    "bottle": _bottle,
    "ring": _ring,
    "hexagon": _hexagon,
    "wedge": _wedge,
    "cross": _cross,
    "tee": _tee,
    "bowl": _bowl,
    "plate": _plate,
}
