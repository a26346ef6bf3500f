"""The table and all that is flat on it, painted into pictures and not drawn as triangles.

Every pixel without a body shows a point of the table: its colour is looked up there. That costs a fraction of
drawing the table, and nothing at all while a camera stands still, for then the painting stays the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from sim.camera import Camera
from sim.symbols import symbol_image
from sim.view import Background, Light, Rgb

_TEXELS = 128  # of one period of a pattern, along each axis
_CARD_SAMPLES = 3  # along each axis of a pixel
_CARD_TEXELS = 64
_PAPER, _INK = (0.94, 0.94, 0.93), (0.04, 0.04, 0.05)
_EDGE = 0.6  # share of paper in the grey of a card's rim
_EDGE_WIDTH, _MARGIN = 0.025, 0.06  # of a card's side: the rim, and the rim together with bare paper


@dataclass(frozen=True)
class Flat:
    """Something flat on the table.

    Args:
        id: number of its pixels, 0 or more.
        kind: zone (a square of one colour) or card (white, with a symbol in black).
        centre: x, y in m.
        yaw: rotation about the vertical in radians; a card's symbol stands upright for the front camera at 0.
        size: length of a side in m.
        color: of a zone: red, green and blue in [0, 1].
        symbol: of a card: a name from `sim.symbols.SYMBOLS`.
    """

    id: int
    kind: Literal["zone", "card"]
    centre: tuple[float, float]
    yaw: float
    size: float
    color: tuple[float, float, float] = (1.0, 1.0, 1.0)
    symbol: str | None = None


@dataclass(frozen=True)
class Painting:
    """What a camera sees of a table without bodies.

    Args:
        words: uint32[H, W], a pixel's red, green, blue and 255 as the four bytes of a number.
        ids: int32[H, W], `Flat.id` in each pixel, -1 where the table is bare.
    """

    words: NDArray[np.uint32]
    ids: NDArray[np.int32]

    @property
    def rgb(self) -> NDArray[np.uint8]:
        """uint8[H, W, 3], the picture."""
        return np.ascontiguousarray(_bytes(self.words)[..., :3])


def paint_table(
    camera: Camera, height: int, width: int, background: Background, light: Light, flats: Sequence[Flat] = ()
) -> Painting:
    """Paint the table as a camera sees it, later flats over earlier ones.

    Args:
        camera: that looks at it.
        height: of the picture, in pixels.
        width: of the picture, in pixels.
        background: the cloth.
        light: that falls on it.
        flats: what lies on it.
    """
    tile = _tile(background, light)
    if tile.size == 1:
        words = np.full((height, width), tile[0, 0])
    else:
        words = _lay(camera.rays(height, width), background, tile)
    ids = np.full((height, width), -1, dtype=np.int32)
    for flat in flats:
        region = _region(camera, height, width, flat)
        if region is not None:
            paint = _paint_zone if flat.kind == "zone" else _paint_card
            paint(camera, words, ids, flat, light, region)
    return Painting(words, ids)


def shade(color: tuple[float, float, float], light: Light) -> Rgb:
    """How the software renderer draws a surface that faces upwards: red, green, blue in [0, 1] to 0..255."""
    red, green, blue = (
        min(255, int(int(255 * value) * factor)) for value, factor in zip(color, light.on_table, strict=True)
    )
    return red, green, blue


def _bytes(words: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """The bytes of uint32[...] as uint8[..., 4], in place."""
    return words.view(np.uint8).reshape(*words.shape, 4)


def _words(rgb: NDArray[np.uint8]) -> NDArray[np.uint32]:
    """uint8[..., 3] as uint32[...]."""
    opaque = np.full((*rgb.shape[:-1], 4), 255, dtype=np.uint8)
    opaque[..., :3] = rgb
    return opaque.view(np.uint32)[..., 0]


# Cloth


def _lay(points: NDArray[np.float64], background: Background, tile: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Colours uint32[...] of a patterned cloth at table points float64[..., 2]; NaN counts as 0."""
    scale = _TEXELS / background.period
    cosine, sine = np.cos(background.angle) * scale, np.sin(background.angle) * scale
    x, y = np.nan_to_num(points[..., 0]), np.nan_to_num(points[..., 1])
    across, along = cosine * x + sine * y, cosine * y - sine * x
    # Numbers of 32 bits hold 10^9 texels, kilometres of table.
    columns, rows = (
        np.floor(np.clip(value, -1e9, 1e9)).astype(np.int32) & (_TEXELS - 1) for value in (across, along)
    )
    laid: NDArray[np.uint32] = tile[rows, columns]
    return laid


@lru_cache(maxsize=64)
def _tile(background: Background, light: Light) -> NDArray[np.uint32]:
    """One period of a cloth in a light, uint32[_TEXELS, _TEXELS], or [1, 1] if it is plain."""
    first = np.array(background.colors[0], dtype=np.float64)
    second = np.array(background.colors[-1], dtype=np.float64)
    blend = (
        np.zeros((1, 1)) if background.pattern == "plain" else _pattern(background.pattern, background.seed)
    )
    cloth = first + blend[..., None] * (second - first)
    return _words(
        np.minimum(np.round(cloth * (np.array(light.on_table) / Light().on_table)), 255).astype(np.uint8)
    )


def _pattern(pattern: str, seed: int) -> NDArray[np.float64]:
    """Share of the second colour, float64[_TEXELS, _TEXELS]; the edges match."""
    x, y = np.meshgrid(*[(np.arange(_TEXELS) + 0.5) / _TEXELS] * 2)
    if pattern == "checker":
        return ((x < 0.5) ^ (y < 0.5)).astype(np.float64)
    if pattern == "stripes":
        return (x < 0.4).astype(np.float64)
    if pattern == "dots":
        return ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.3**2).astype(np.float64)
    rng = np.random.default_rng(seed)
    if pattern == "grain":  # rings of a tree, cut lengthwise
        return 0.5 + 0.5 * np.sin(2 * np.pi * (6 * y + 1.5 * _smooth_noise(rng, 2, 8))) * _smooth_noise(
            rng, 4, 64
        )
    return 0.6 * _smooth_noise(rng, 8, 8) + 0.4 * _smooth_noise(rng, 32, 32)


def _smooth_noise(rng: np.random.Generator, columns: int, rows: int) -> NDArray[np.float64]:
    """Random numbers in [0, 1] on a grid and smooth between, float64[_TEXELS, _TEXELS]; the edges match."""
    grid = rng.random((rows, columns))
    for axis, count in enumerate((rows, columns)):
        place = np.arange(_TEXELS) * count / _TEXELS
        before = place.astype(np.int64)
        rest = place - before
        rest = np.expand_dims(rest * rest * (3 - 2 * rest), 1 - axis)
        grid = np.take(grid, before, axis) * (1 - rest) + np.take(grid, (before + 1) % count, axis) * rest
    return grid


# Zones and cards

Region = tuple[slice, slice]  # rows and columns


def _region(camera: Camera, height: int, width: int, flat: Flat) -> Region | None:
    """Pixels that may show a flat; None if there is none."""
    half = flat.size / 2
    corners = np.array([(-half, -half), (-half, half), (half, half), (half, -half)])
    cosine, sine = np.cos(flat.yaw), np.sin(flat.yaw)
    points = np.zeros((4, 3))
    points[:, :2] = corners @ np.array([[cosine, sine], [-sine, cosine]]) + flat.centre
    depth = camera.depth(points)
    if (depth <= 0.01).all():
        return None
    if (depth <= 0.01).any():  # it reaches behind the camera
        return slice(0, height), slice(0, width)
    places = camera.pixel_from_world(points, width / height) * (width, height)
    low, high = np.floor(places.min(axis=0)).astype(int) - 2, np.ceil(places.max(axis=0)).astype(int) + 2
    left, top = np.maximum(low, 0)
    right, bottom = np.minimum(high, (width, height))
    return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


def _local(
    camera: Camera, shape: tuple[int, ...], flat: Flat, region: Region, samples: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Places on a flat that pixels show, along its x and y: float32[rows * samples, columns * samples] each.

    The flat reaches from -0.5 to 0.5. The samples of a pixel spread evenly over its width about the place
    that it shows.
    """
    height, width = shape
    cosine, sine = np.cos(flat.yaw), np.sin(flat.yaw)
    turn = np.array([[cosine, sine], [-sine, cosine]])
    flat_from_table = np.eye(3)
    flat_from_table[:2] = np.column_stack([turn, -turn @ flat.centre]) / flat.size
    by_column, by_row, constant = (flat_from_table @ camera.plane_from_pixel(aspect=width / height)).T
    offsets = (np.arange(samples) + 0.5) / samples - 0.5
    rows = (np.arange(region[0].start, region[0].stop)[:, None] + offsets + 1).reshape(-1, 1) / height
    columns = (np.arange(region[1].start, region[1].stop)[:, None] + offsets).ravel() / width
    x, y, w = (
        (by_column[i] * columns).astype(np.float32) + (by_row[i] * rows + constant[i]).astype(np.float32)
        for i in range(3)
    )
    depth = 1 / np.where(w > 0, w, np.float32(1e-9))  # above the horizon: far away from every flat
    return x * depth, y * depth


def _paint_zone(
    camera: Camera,
    words: NDArray[np.uint32],
    ids: NDArray[np.int32],
    flat: Flat,
    light: Light,
    region: Region,
) -> None:
    x, y = _local(camera, words.shape, flat, region, 1)
    inside = np.maximum(np.abs(x), np.abs(y)) <= 0.5
    words[region][inside] = _words(np.array(shade(flat.color, light), dtype=np.uint8))
    ids[region][inside] = flat.id


def _paint_card(
    camera: Camera,
    words: NDArray[np.uint32],
    ids: NDArray[np.int32],
    flat: Flat,
    light: Light,
    region: Region,
) -> None:
    assert flat.symbol is not None, "a card without a symbol"
    # The symbol's rows go towards the front camera (+x), its columns to that camera's right (+y).
    rows, columns = (
        (np.clip(value, -0.5 - 1 / _CARD_TEXELS, 0.5) * _CARD_TEXELS + (_CARD_TEXELS / 2 + 1)).astype(
            np.int32
        )
        for value in _local(camera, words.shape, flat, region, _CARD_SAMPLES)
    )
    texels = rows * (_CARD_TEXELS + 2) + columns
    tone, cover = (_pixel_means(layer.take(texels))[..., None] for layer in _card_face(flat.symbol))
    paper, ink = (np.array(shade(color, light), dtype=np.float32) for color in (_PAPER, _INK))
    channels = _bytes(words)[region][..., :3]
    channels[:] = np.round(tone * (paper - ink) + cover * ink + (1 - cover) * channels)
    ids[region][cover[..., 0] >= 0.5] = flat.id


def _pixel_means(samples: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means over the samples of each pixel, float32[rows, columns]."""
    total = sum(
        samples[i::_CARD_SAMPLES, j::_CARD_SAMPLES] for i, j in np.ndindex(_CARD_SAMPLES, _CARD_SAMPLES)
    )
    means: NDArray[np.float32] = total * np.float32(1 / _CARD_SAMPLES**2)
    return means


@lru_cache(maxsize=64)
def _card_face(symbol: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Shares of paper and of card, float32[_CARD_TEXELS + 2, _CARD_TEXELS + 2], each 0 around the card."""
    margin, rim = round(_MARGIN * _CARD_TEXELS), round(_EDGE_WIDTH * _CARD_TEXELS)
    symbol_share = symbol_image(symbol, _CARD_TEXELS - 2 * margin) / 255
    inner = np.pad(1 - symbol_share, margin - rim, constant_values=1.0)
    tone = np.pad(np.pad(inner, rim, constant_values=_EDGE), 1).astype(np.float32)
    cover = np.pad(np.ones((_CARD_TEXELS, _CARD_TEXELS), dtype=np.float32), 1)
    return tone, cover
