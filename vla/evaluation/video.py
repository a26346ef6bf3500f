"""A few episodes side by side as a film, with what was asked and how it ended written below.

A ring shows where a policy that plans says that it is moving to.
"""

import io
import math
import os
from collections.abc import Sequence
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from sim.camera import Camera
from sim.objects import BLOCK_SIZE
from sim.robots.panda import CONTROL_HZ
from vla.errors import ConfigError, StorageError
from vla.evaluation.rollout import Episode
from vla.files import atomic_write

SUFFIXES = (".mp4", ".gif")
EPISODES = 4  # that a film shows
SHOWN = 288  # pixels: policies see small pictures; people prefer larger ones
MAX_COLUMNS = 2
CAPTION_HEIGHT = 44  # pixels: two lines
FONT_SIZE = 14  # pixels
INDENT = 4  # pixels
RING = 14  # pixels: radius
LAST_FRAMES = 5  # the end is held this long, so that it can be seen
BACKGROUND, INK = (24, 24, 28), (235, 235, 235)
GREEN, RED = (90, 210, 110), (240, 100, 90)
# Fonts with Japanese; Pillow's own has Latin letters only.
JAPANESE_FONTS = (
    "NotoSansCJK-Regular.ttc",
    "NotoSansJP-Regular.otf",
    "ipagp.ttf",
    "ipag.ttf",
    "TakaoPGothic.ttf",
)


def check_video_path(path: Path) -> None:
    """Refuse, before any episode is played, a name that no film can be written to.

    Raises:
        ConfigError: it is neither .mp4 nor .gif.
        StorageError: its folder cannot be written.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--video {path}: the name must end in {' or '.join(SUFFIXES)}")
    existing = next(folder for folder in path.absolute().parents if folder.exists())
    if not (existing.is_dir() and os.access(existing, os.W_OK)):
        raise StorageError(
            f"cannot write {path}: {existing} is no folder that you may write to; choose another"
        )


def write_video(path: Path, episodes: Sequence[Episode]) -> None:
    """Write recorded episodes side by side, each held at its end until all are over.

    Args:
        path: .mp4 (h264) or .gif; written whole or not at all.
        episodes: recorded ones.

    Raises:
        StorageError: it could not be written.
    """
    frames = compose_frames(episodes)
    encode = _encode_gif if path.suffix.lower() == ".gif" else _encode_mp4
    atomic_write(path, encode(frames, CONTROL_HZ))


def compose_frames(episodes: Sequence[Episode]) -> list[NDArray[np.uint8]]:
    """Lay episodes out on a grid: uint8[H, W, 3] frames of even height and width."""
    seen = episodes[0].frames.shape[1]
    size = seen * max(SHOWN // seen, 1)
    columns = min(len(episodes), MAX_COLUMNS)
    rows = math.ceil(len(episodes) / columns)
    length = max(len(episode.frames) for episode in episodes) + LAST_FRAMES
    frames = []
    for time in range(length):
        canvas = Image.new("RGB", (columns * size, rows * (size + CAPTION_HEIGHT)), BACKGROUND)
        for place, episode in enumerate(episodes):
            left, top = place % columns * size, place // columns * (size + CAPTION_HEIGHT)
            picture = Image.fromarray(episode.frames[min(time, len(episode.frames) - 1)])
            canvas.paste(picture.resize((size, size), Image.Resampling.NEAREST), (left, top))
            if time < len(episode.plans) and (plan := episode.plans[time]) is not None:
                _ring(canvas, episode.view.front_camera(), plan, left, top, size)
            _write_caption(canvas, episode, time, left, top + size, size)
        height, width = canvas.height // 2 * 2, canvas.width // 2 * 2  # h264 wants even sides
        frames.append(np.asarray(canvas)[:height, :width])
    return frames


def _ring(
    canvas: Image.Image, camera: Camera, place: tuple[float, float], left: int, top: int, size: int
) -> None:
    """Draw a ring around a place (x, y), m, among the blocks on the table."""
    column, row = camera.pixel_from_world(np.array([*place, BLOCK_SIZE / 2])) * size
    draw = ImageDraw.Draw(canvas)
    for radius, color in ((RING, INK), (RING - 2, BACKGROUND)):
        center_x, center_y = left + column, top + row
        box = (center_x - radius, center_y - radius, center_x + radius, center_y + radius)
        draw.ellipse(box, outline=color, width=2)


def _write_caption(canvas: Image.Image, episode: Episode, time: int, left: int, top: int, width: int) -> None:
    draw = ImageDraw.Draw(canvas)
    font = _font(episode.instruction.isascii())
    if font is not None:
        text = episode.instruction
        kept = len(text)
        while draw.textlength(text, font) > width - 2 * INDENT:
            kept -= 1
            text = episode.instruction[:kept].rstrip() + "..."
        draw.text((left + INDENT, top + 4), text, INK, font)
    if time >= len(episode.frames) - 1:
        outcome, color = ("success", GREEN) if episode.success else ("failure", RED)
        draw.text((left + INDENT, top + 22), f"{outcome} after {episode.steps} steps", color, _font(True))


@lru_cache(maxsize=2)
def _font(latin: bool) -> ImageFont.FreeTypeFont | ImageFont.ImageFont | None:
    """A font for Latin text, or one that has Japanese too; None where the machine has none."""
    if latin:
        return ImageFont.load_default(FONT_SIZE)
    for name in JAPANESE_FONTS:
        try:
            return ImageFont.truetype(name, FONT_SIZE)
        except OSError:
            continue
    return None


def _encode_mp4(frames: Sequence[NDArray[np.uint8]], fps: int) -> bytes:
    import av

    buffer = io.BytesIO()
    with av.open(buffer, mode="w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=Fraction(fps))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "20"}
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return buffer.getvalue()


def _encode_gif(frames: Sequence[NDArray[np.uint8]], fps: int) -> bytes:
    buffer = io.BytesIO()
    pictures = [Image.fromarray(frame) for frame in frames]
    pictures[0].save(
        buffer, format="GIF", save_all=True, append_images=pictures[1:], duration=round(1000 / fps), loop=0
    )
    return buffer.getvalue()
