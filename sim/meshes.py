"""Meshes whose shading does not change from one picture to the next.

pybullet's software renderer rescales the normals of a mesh in place at every picture. A float32 normal of
length 1 give or take one rounding flips between two values, and with it, now and then, the last bit of a
pixel: the picture would depend on how many were drawn before it. Normals whose computed length is exactly 1
stay as they are.
"""

from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_ULP = 2.0**-24  # spacing of float32 numbers just below 1


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
