"""Symbols on cards: digits, letters and pictograms, drawn by this file so that every machine draws the same.

A symbol is a few strokes and filled areas in a unit square whose x points right and y points down. They are
thick and fill the square: on a 10 cm card a symbol has to be told from 12 x 9 pixels.
"""

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from sim.errors import unknown_name

Point = tuple[float, float]

SYMBOLS = (
    *"123456789",
    *"ABCDEHKT",
    *("star", "heart", "moon", "sun", "house", "tree", "arrow"),
)
EMERGENT_SYMBOLS = ("3", "7", "B", "E", "star", "moon")  # in question pictures, never in demonstrations

STROKE_WIDTH = 0.16  # of the square's side
_SUBSAMPLES = 4  # along each axis of a pixel


def _arc(x: float, y: float, rx: float, ry: float, start: float, end: float) -> list[Point]:
    """Points on an ellipse about (x, y), from angle `start` to `end` in degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 25))
    return [(float(x + rx * np.cos(angle)), float(y + ry * np.sin(angle))) for angle in angles]


def _star(x: float, y: float, outer: float, inner: float, tips: int) -> list[Point]:
    """A star about (x, y) with one tip upwards."""
    angles = np.radians(-90 + np.arange(2 * tips) * 180 / tips)
    radii = np.where(np.arange(2 * tips) % 2 == 0, outer, inner)
    return [(float(x + r * np.cos(a)), float(y + r * np.sin(a))) for a, r in zip(angles, radii, strict=True)]


# The upper half of a B, from its spine and back.
_BELLY = [
    (0.14, 0.12),
    (0.50, 0.12),
    *_arc(0.50, 0.31, 0.30, 0.19, -90, 90),
    (0.14, 0.50),
]  # upper half of a B
_STROKES: dict[str, list[list[Point]]] = {
    "1": [[(0.27, 0.30), (0.54, 0.12), (0.54, 0.88)], [(0.27, 0.88), (0.81, 0.88)]],
    "2": [[*_arc(0.50, 0.36, 0.30, 0.24, -170, 30), (0.18, 0.88), (0.86, 0.88)]],
    "3": [[(0.16, 0.12), (0.80, 0.12), (0.50, 0.42), *_arc(0.47, 0.65, 0.36, 0.23, -75, 155)]],
    "4": [[(0.66, 0.90), (0.66, 0.12), (0.13, 0.64), (0.90, 0.64)]],
    "5": [[(0.80, 0.12), (0.25, 0.12), (0.22, 0.47), *_arc(0.48, 0.65, 0.34, 0.23, -120, 150)]],
    "6": [[(0.70, 0.11), *_arc(0.48, 0.63, 0.32, 0.25, -150, 210), (0.22, 0.45), (0.70, 0.11)]],
    "7": [[(0.14, 0.12), (0.84, 0.12), (0.42, 0.90)]],
    "8": [_arc(0.50, 0.29, 0.20, 0.18, 0, 360), _arc(0.50, 0.69, 0.28, 0.21, 0, 360)],
    "9": [[(0.30, 0.89), *_arc(0.52, 0.37, 0.32, 0.25, 30, 390), (0.30, 0.89)]],
    "A": [[(0.11, 0.90), (0.50, 0.11), (0.89, 0.90)], [(0.26, 0.65), (0.74, 0.65)]],
    "B": [
        [(0.14, 0.12), (0.14, 0.88)],
        _BELLY,
        [(0.14, 0.50), (0.53, 0.50), *_arc(0.53, 0.69, 0.35, 0.19, -90, 90), (0.14, 0.88)],
    ],
    "C": [_arc(0.54, 0.50, 0.40, 0.38, -40, -320)],
    "D": [[(0.18, 0.12), (0.44, 0.12), *_arc(0.44, 0.50, 0.40, 0.38, -90, 90), (0.18, 0.88), (0.18, 0.12)]],
    "E": [[(0.84, 0.12), (0.18, 0.12), (0.18, 0.88), (0.84, 0.88)], [(0.18, 0.50), (0.60, 0.50)]],
    "H": [[(0.16, 0.10), (0.16, 0.90)], [(0.84, 0.10), (0.84, 0.90)], [(0.16, 0.50), (0.84, 0.50)]],
    "K": [[(0.18, 0.10), (0.18, 0.90)], [(0.84, 0.10), (0.30, 0.50), (0.86, 0.90)]],
    "T": [[(0.10, 0.13), (0.90, 0.13)], [(0.50, 0.13), (0.50, 0.90)]],
    "sun": [
        [(0.5 + 0.33 * x, 0.5 + 0.33 * y), (0.5 + 0.45 * x, 0.5 + 0.45 * y)]
        for x, y in _arc(0, 0, 1, 1, 0, 360)[:-1:3]
    ],
    "arrow": [[(0.08, 0.50), (0.60, 0.50)]],
}
# fmt: off
_AREAS: dict[str, list[list[Point]]] = {
    "star": [_star(0.5, 0.54, 0.52, 0.22, 5)],
    "heart": [
        [(0.50, 0.95), *_arc(0.27, 0.33, 0.23, 0.27, 150, 360), *_arc(0.73, 0.33, 0.23, 0.27, 180, 390)]
    ],
    # The inner edge of the moon is an arc through the same two horns.
    "moon": [[*_arc(0.52, 0.50, 0.45, 0.46, -50, -310), *_arc(0.74, 0.50, 0.32, 0.37, 110, 250)]],
    "sun": [_arc(0.5, 0.5, 0.24, 0.24, 0, 360)],
    "house": [
        [(0.50, 0.04), (0.98, 0.48), (0.84, 0.48), (0.84, 0.95), (0.62, 0.95), (0.62, 0.64), (0.38, 0.64),
         (0.38, 0.95), (0.16, 0.95), (0.16, 0.48), (0.02, 0.48)],
    ],
    "tree": [
        [(0.50, 0.02), (0.80, 0.36), (0.66, 0.36), (0.94, 0.74), (0.59, 0.74), (0.59, 0.98), (0.41, 0.98),
         (0.41, 0.74), (0.06, 0.74), (0.34, 0.36), (0.20, 0.36)],
    ],
    "arrow": [[(0.50, 0.08), (0.97, 0.50), (0.50, 0.92)]],
}
# fmt: on
_WIDTHS = {"sun": 0.10, "arrow": 0.22}  # where a stroke is not STROKE_WIDTH wide


@cache
def symbol_image(name: str, size: int = 64) -> NDArray[np.uint8]:
    """Draw a symbol.

    Args:
        name: one of SYMBOLS.
        size: width and height in pixels.
    Returns:
        uint8[size, size], the inked share of each pixel: 255 is all ink, 0 bare card. Not writable.
    Raises:
        SimError: no symbol has that name.
    """
    if name not in SYMBOLS:
        raise unknown_name("symbol", name, SYMBOLS)
    places = (np.arange(size * _SUBSAMPLES) + 0.5) / (size * _SUBSAMPLES)
    x, y = np.meshgrid(places, places)
    ink = np.zeros(x.shape, dtype=np.bool_)
    for stroke in _STROKES.get(name, ()):
        for start, end in pairwise(stroke):
            ink |= _near_segment(x, y, start, end, _WIDTHS.get(name, STROKE_WIDTH) / 2)
    for area in _AREAS.get(name, ()):
        ink |= _inside_polygon(x, y, area)
    shares = ink.reshape(size, _SUBSAMPLES, size, _SUBSAMPLES).mean(axis=(1, 3))
    image = np.round(255 * shares).astype(np.uint8)
    image.setflags(write=False)
    return image


def _near_segment(
    x: NDArray[np.float64], y: NDArray[np.float64], start: Point, end: Point, distance: float
) -> NDArray[np.bool_]:
    """Whether points lie within `distance` of the segment from `start` to `end`."""
    dx, dy = end[0] - start[0], end[1] - start[1]
    length = dx * dx + dy * dy
    along = np.clip(((x - start[0]) * dx + (y - start[1]) * dy) / length, 0, 1) if length > 0 else 0.0
    near: NDArray[np.bool_] = (x - start[0] - along * dx) ** 2 + (
        y - start[1] - along * dy
    ) ** 2 <= distance**2
    return near


def _inside_polygon(
    x: NDArray[np.float64], y: NDArray[np.float64], corners: list[Point]
) -> NDArray[np.bool_]:
    """Whether points lie inside a polygon: a ray to the right crosses its outline an odd number of times."""
    inside = np.zeros(x.shape, dtype=np.bool_)
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        if y1 != y2:
            inside ^= ((y1 <= y) != (y2 <= y)) & (x < x1 + (y - y1) * (x2 - x1) / (y2 - y1))
    return inside
