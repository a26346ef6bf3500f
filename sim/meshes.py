"""Meshes of few triangles, and normals whose shading does not change from one picture to the next.

A mesh is vertices float64[V, 3] in metres and triangles int64[T, 3], anticlockwise seen from outside.

pybullet's software renderer rescales the normals of a mesh in place at every picture. A float32 normal of
length 1 give or take one rounding flips between two values, and with it, now and then, the last bit of a
pixel: the picture would depend on how many were drawn before it. Normals whose computed length is exactly 1
stay as they are.
"""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]

_ULP = 2.0**-24  # spacing of float32 numbers just below 1


def lathe(profile: Sequence[tuple[float, float]], sides: int) -> Mesh:
    """Turn a profile about the z axis.

    Args:
        profile: (radius, height) in m, the outside at the right of the way from each point to the next: first
            outwards below, then up, then back to the axis above. Open where it does not begin or end on the
            axis; a ring's ends where it began.
        sides: of the polygon that stands for a circle.
    """
    angles = np.arange(sides) * 2 * np.pi / sides
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    vertices = np.concatenate(
        [np.column_stack([radius * circle, np.full(sides, height)]) for radius, height in profile]
    )
    side = np.arange(sides)
    following = (side + 1) % sides
    triangles = []
    for level, ((radius, _), (next_radius, _)) in enumerate(pairwise(profile)):
        lower, upper = level * sides, (level + 1) * sides
        if radius > 0:
            triangles.append(np.stack([lower + side, lower + following, upper + following], axis=1))
        if next_radius > 0:
            triangles.append(np.stack([lower + side, upper + following, upper + side], axis=1))
    return vertices, np.concatenate(triangles)


def extrude(polygon: NDArray[np.float64], height: float) -> Mesh:
    """A prism from z = -height / 2 to height / 2 (m).

    Args:
        polygon: float64[N, 2] corners in m, anticlockwise; its sides do not cross.
        height: along z, in m.
    """
    count = len(polygon)
    face = _cut_ears(polygon)
    side = np.arange(count)
    following = (side + 1) % count
    walls = [[side, following, count + following], [side, count + following, count + side]]
    vertices = np.concatenate(
        [np.column_stack([polygon, np.full(count, z)]) for z in (-height / 2, height / 2)]
    )
    faces = [face[:, ::-1], face + count, *(np.stack(wall, axis=1) for wall in walls)]
    return vertices, np.concatenate(faces)


def _cut_ears(polygon: NDArray[np.float64]) -> NDArray[np.int64]:
    """Split a polygon into triangles, int64[N - 2, 3], by cutting off corners that hold no other corner."""
    left, triangles = list(range(len(polygon))), []
    while len(left) > 2:
        for place in range(len(left)):
            ear = left[place - 1], left[place], left[(place + 1) % len(left)]
            corners = polygon[list(ear)]
            others = polygon[[i for i in left if i not in ear]]
            turns = [_turn(corners[i - 1], corners[i], others) for i in range(3)]
            if _turn(*corners) > 0 and not (np.min(turns, axis=0) >= 0).any():
                triangles.append(ear)
                del left[place]
                break
        else:
            raise ValueError(f"polygon {polygon.tolist()} is not anticlockwise, or its sides cross")
    return np.array(triangles)


def _turn(
    start: NDArray[np.float64], end: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Positive where points float64[..., 2] lie at the left of the way from `start` to `end`."""
    (x, y), away = end - start, point - start
    turn: NDArray[np.float64] = x * away[..., 1] - y * away[..., 0]
    return turn


def sphere(radius: float) -> Mesh:
    """A ball about the origin: an icosahedron with every face split in four, 80 triangles."""
    golden = (1 + 5**0.5) / 2
    rectangle = [(0.0, a, b * golden) for a in (-1, 1) for b in (-1, 1)]
    points = [np.roll(corner, i) / np.hypot(1, golden) for corner in rectangle for i in range(3)]
    longest_edge = 1.06  # of radius 1; the next longer chord is 1.7
    triangles = []
    for i in range(12):
        for j in range(i + 1, 12):
            for k in range(j + 1, 12):
                if (
                    max(np.linalg.norm(points[a] - points[b]) for a, b in ((i, j), (j, k), (k, i)))
                    < longest_edge
                ):
                    outwards = np.linalg.det([points[i], points[j], points[k]]) > 0
                    triangles.append((i, j, k) if outwards else (i, k, j))
    split = []
    for i, j, k in triangles:
        middles = [points[a] + points[b] for a, b in ((i, j), (j, k), (k, i))]
        ij, jk, ki = range(len(points), len(points) + 3)
        points += [middle / np.linalg.norm(middle) for middle in middles]
        split += [(i, ij, ki), (ij, j, jk), (ki, jk, k), (ij, jk, ki)]
    return radius * np.array(points), np.array(split)


def steady_normals(normals: NDArray[np.float64]) -> NDArray[np.float32]:
    """Unit normals that float32 arithmetic finds to be of length 1.

    Args:
        normals: float64[N, 3], of any length but 0.
    Returns:
        float32[N, 3], within a few roundings of the same directions.
    """
    exact = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    steady = exact.astype(np.float32)
    rng = np.random.default_rng(0)
    for attempt in range(1000):
        loose = ~_is_steady(steady)
        if not loose.any():
            return steady
        nudge = (
            rng.uniform(-1, 1, (int(loose.sum()), 3))
            * _ULP
            * (2 + attempt / 50)
            * (np.abs(exact[loose]) > _ULP)
        )
        steady[loose] = (exact[loose] + nudge).astype(np.float32)
    raise AssertionError("no steady normal near one of the given ones")


def _is_steady(normals: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Whether the length comes out as 1 in whatever order, and however fused, the squares are added."""
    squares = normals * normals
    x, y, z = squares.T
    wide = normals.astype(np.float64) ** 2
    sums = [(x + y) + z, x + (y + z), (x + z) + y, wide.sum(axis=1).astype(np.float32)]
    sums += [
        (wide[:, i] + (squares[:, j] + squares[:, k])).astype(np.float32)
        for i, j, k in ((2, 0, 1), (0, 1, 2))
    ]
    return np.all([np.sqrt(total) == 1 for total in sums], axis=0)


@cache
def steady_obj(path: Path) -> str:
    """Text of a Wavefront mesh, triangles with a normal at each corner, with its normals made steady."""
    lines = path.read_text(encoding="utf-8").splitlines()
    normals = np.array([line.split()[1:4] for line in lines if line.startswith("vn ")], dtype=np.float64)
    steady = iter(steady_normals(normals))
    kept = []
    for line in lines:
        if line.startswith("vn "):
            kept.append("vn " + " ".join(f"{value:.9g}" for value in next(steady)))
        elif line.startswith(("v ", "f ")):
            kept.append(line)
    return "\n".join(kept) + "\n"
