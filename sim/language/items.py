"""An object as questions see it: what a scene says of it, and where the front camera shows it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from math import hypot, sqrt
from typing import NamedTuple

from sim.camera import IMAGE_LEFT_IS_POSITIVE_Y
from sim.objects import SHAPES, SIZES
from sim.scene import SceneObject

EYE, LOOKED_AT = (1.20, 0.0, 1.18), (0.45, 0.0, 0.03)  # m: the front camera where nothing has moved it


class Item(NamedTuple):
    """One object; `left` and `near` grow towards the image's left and the camera, m.

    `bottom` is the height of its underside (m), `column` its place in the image (tangent, growing to the
    right), `half` half its height and `width` its width (m), `up` the cosine of its tilt, `joint` -1 where it
    has none.
    """

    name: str
    shape: str
    color: str
    size: str
    symbol: str | None
    x: float
    y: float
    z: float
    left: float
    near: float
    column: float
    bottom: float
    half: float
    up: float
    width: float
    joint: float
    visible: bool


def image_left_key(position: Sequence[float]) -> float:
    """How far left a place (x, y, ...) lies in the front camera's image, m from the middle line."""
    return position[1] if IMAGE_LEFT_IS_POSITIVE_Y else -position[1]


class Eye(NamedTuple):
    """The front camera: where it is, and unit vectors to its right and ahead."""

    place: tuple[float, float, float]
    right: tuple[float, float]
    ahead: tuple[float, float, float]


@lru_cache(maxsize=256)
def find_eye(eye_shift: tuple[float, ...], target_shift: tuple[float, ...]) -> Eye:
    """The front camera of a view, by how far it and the point that it looks at have been moved (m)."""
    x, y, z = (a + b for a, b in zip(EYE, eye_shift, strict=True))
    forward = [a + b - c for a, b, c in zip(LOOKED_AT, target_shift, (x, y, z), strict=True)]
    length, level = sqrt(sum(v * v for v in forward)), hypot(forward[0], forward[1])
    ahead = (forward[0] / length, forward[1] / length, forward[2] / length)
    return Eye((x, y, z), (forward[1] / level, -forward[0] / level), ahead)


def read_item(thing: SceneObject, eye: Eye) -> Item:
    """Read an object of a scene."""
    shape, size = thing["shape"], thing.get("size", "medium")
    x, y, z = thing["position"]
    qx, qy, _, _ = thing.get("orientation") or (0.0, 0.0, 0.0, 1.0)
    up = 1.0 - 2.0 * (qx * qx + qy * qy)
    known, half, bottom = SHAPES[shape], 0.0, z
    if known.part == "movable":
        half = (known.height if abs(up) > 0.5 else known.width) * SIZES[size] / 2
        bottom = z - half
    place, (right_x, right_y), (ahead_x, ahead_y, ahead_z) = eye
    dx, dy = x - place[0], y - place[1]
    column = (dx * right_x + dy * right_y) / (dx * ahead_x + dy * ahead_y + (z - place[2]) * ahead_z)
    joint = thing.get("joint")
    return Item(
        thing["name"],
        shape,
        thing["color"],
        size,
        thing.get("symbol"),
        x,
        y,
        z,
        image_left_key((x, y)),
        x,
        column,
        bottom,
        half,
        up,
        known.width * SIZES[size],
        -1.0 if joint is None else joint,
        thing["visible"],
    )
