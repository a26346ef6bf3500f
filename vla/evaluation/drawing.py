"""The picture of what a model looked at when it answered (`vla ask --show`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from sim.camera import front_camera
from vla.errors import ConfigError
from vla.files import atomic_write

SIDE = 384  # pixels, of a picture as it is drawn
RING = 13  # pixels: radius
INK, EDGE = (255, 255, 255), (20, 20, 20)
HEAT = (255, 60, 30)
STRONGEST = 0.8  # of the heat's colour, where most was looked at
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


@dataclass(frozen=True)
class Drawn:
    """One question's picture.

    Attributes:
        pixels: uint8[H, H, 3], what the model saw.
        places: (x, y) on the table, m, that the answer names.
        attention: float[g, g], how much each patch was looked at.
    """

    pixels: NDArray[np.uint8]
    places: Sequence[tuple[float, float]]
    attention: NDArray[np.float32]


def check_picture_path(path: Path) -> None:
    """Refuse, before anything is asked, a name that no picture can be written to.

    Raises:
        ConfigError: its ending is not that of a picture.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--show {path}: the name must end in {', '.join(SUFFIXES)}")


def write_answers(path: Path, drawn: Sequence[Drawn]) -> None:
    """Draw a row for each question: the picture with the places of the answer, and what was looked at.

    Args:
        path: file to write, whole or not at all.
        drawn: in the order of the answers.
    Raises:
        StorageError: it could not be written.
    """
    canvas = Image.new("RGB", (2 * SIDE, len(drawn) * SIDE))
    for row, item in enumerate(drawn):
        picture = Image.fromarray(item.pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS)
        canvas.paste(_heated(picture, item.attention), (SIDE, row * SIDE))
        _mark(picture, item.places)
        canvas.paste(picture, (0, row * SIDE))
    buffer = BytesIO()
    canvas.save(buffer, Image.registered_extensions()[path.suffix.lower()])
    atomic_write(path, buffer.getvalue())


def _mark(picture: Image.Image, places: Sequence[tuple[float, float]]) -> None:
    """Draw a ring around each place where the simulator's front camera sees it."""
    draw = ImageDraw.Draw(picture)
    for place in places:
        column, row = front_camera().pixel_from_world(np.array([*place, 0.0])) * SIDE
        for radius, color in ((RING, EDGE), (RING - 2, INK)):
            draw.ellipse(
                (column - radius, row - radius, column + radius, row + radius), outline=color, width=2
            )


def _heated(picture: Image.Image, attention: NDArray[np.float32]) -> Image.Image:
    """The picture in grey, redder where more was looked at."""
    heat = Image.fromarray(np.asarray(attention / max(attention.max(), 1e-9), np.float32))
    mask = np.asarray(heat.resize(picture.size, Image.Resampling.BICUBIC)).clip(0, 1) * STRONGEST
    grey = np.asarray(picture.convert("L").convert("RGB"), np.float32)
    mixed = grey + (np.array(HEAT, np.float32) - grey) * mask[..., None]
    return Image.fromarray(mixed.astype(np.uint8))
