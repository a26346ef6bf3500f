"""What `vla ask` looks at: picture files, frames of datasets, and scenes of the simulator.

Simulator and datasets are imported where they are needed, so that asking about a file does not wait for them.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vla.errors import ConfigError, DataError, ImageError, unknown_name
from vla.inference.images import STDIN, read_image

if TYPE_CHECKING:
    from vla.data.reader import DemonstrationDataset

SCENE = "env:"
"""What the name of a scene of the simulator begins with: env:vla/PickUp-v0?seed=3."""
OPTIONS = ("seed", "split", "instruction", "language")
"""Of such a scene."""
FRAME = re.compile(r"(?P<folder>.+):(?P<episode>\d+):(?P<frame>\d+)")
"""Of a dataset: runs/demos:3:12."""
WILDCARDS = set("*[")  # and not "?", which questions end in
SUFFIX = re.compile(r"\.[a-z0-9]{2,5}", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A picture to ask about.

    Attributes:
        name: what the user called it; of a pattern the file.
        look: gives the picture; one that is yet to be drawn is drawn so many pixels wide.
    """

    name: str
    look: Callable[[int], Image.Image | NDArray[np.uint8]]


def split_pictures(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Tell the names of pictures from questions.

    The first argument is a picture; others are if they stand for the standard input, a scene, a frame or a
    pattern, name a file, or look as if they did, so that a mistyped name is not taken for a question.
    """
    named = [index == 0 or _names_picture(text) for index, text in enumerate(arguments)]
    sources = [text for text, is_picture in zip(arguments, named, strict=True) if is_picture]
    questions = [text for text, is_picture in zip(arguments, named, strict=True) if not is_picture]
    return sources, questions


def open_pictures(source: str) -> list[Picture]:
    """Open what a name stands for: one picture, or all that a pattern fits, in order.

    Args:
        source: a file, a pattern such as "shots/*.png", "-" for the standard input, DATASET:EPISODE:FRAME, or
            env:ID?seed=N&split=NAME&instruction=TEXT&language=CODE for a scene of the simulator.
    Raises:
        ImageError: there is no such picture, or it cannot be decoded safely.
        DataError: the dataset has no such frame.
        ConfigError, UnknownNameError: the scene's name is malformed.
    """
    if source.startswith(SCENE):
        return [Picture(source, _scene(source))]
    if source == STDIN or _is_file(source):
        return [_read(source)]
    if frame := FRAME.fullmatch(source):
        pixels = _frame(Path(frame["folder"]), int(frame["episode"]), int(frame["frame"]))
        return [Picture(source, lambda _: pixels)]
    if not WILDCARDS & set(source):
        return [_read(source)]  # which says what is wrong with it
    paths = sorted(glob.glob(source, recursive=True))
    if not paths:
        raise ImageError(f"no file fits {source!r}; check the pattern")
    return [_read(path) for path in paths]


def _names_picture(text: str) -> bool:
    if text == STDIN or text.startswith(SCENE) or FRAME.fullmatch(text) or _is_file(text):
        return True
    if any(letter.isspace() for letter in text):
        return False
    return bool(WILDCARDS & set(text) or SUFFIX.fullmatch(Path(text).suffix))


def _is_file(text: str) -> bool:
    try:
        return Path(text).is_file()
    except (OSError, ValueError):  # too long for a name, or it holds a null byte
        return False


def _read(path: str) -> Picture:
    image = read_image(path)
    return Picture(path, lambda _: image)


@cache
def _dataset(folder: Path) -> DemonstrationDataset:
    from vla.data.reader import DemonstrationDataset

    return DemonstrationDataset(folder)


def _frame(folder: Path, episode: int, frame: int) -> NDArray[np.uint8]:
    dataset = _dataset(folder)
    frames = np.flatnonzero(dataset.episode_index == episode)
    if not len(frames):
        raise DataError(f"{folder} has no episode {episode}; it has 0 to {dataset.num_episodes - 1}")
    if frame >= len(frames):
        raise DataError(f"episode {episode} of {folder} has no frame {frame}; it has 0 to {len(frames) - 1}")
    return dataset.image(int(frames[frame]), dataset.cameras[0])


def _scene(source: str) -> Callable[[int], NDArray[np.uint8]]:
    import gymnasium

    import sim
    from vla.evaluation.drivers import CAMERA

    name, _, query = source.removeprefix(SCENE).partition("?")
    ids = sim.TASKS | {known: known for known in sim.TASKS.values()}
    if name not in ids:
        raise unknown_name("environment", name, ids.values())
    options = dict(parse_qsl(query, keep_blank_values=True))
    for option in options:
        if option not in OPTIONS:
            raise unknown_name("option of a scene", option, OPTIONS)
    seed, split = options.pop("seed", "0"), options.pop("split", "seen")
    if not seed.isdecimal():
        raise ConfigError(f"seed={seed} in {source!r} is no whole number of at least 0")

    def draw(size: int) -> NDArray[np.uint8]:
        env = gymnasium.make(ids[name], disable_env_checker=True, split=split, image_size=size)
        try:
            observation, _ = env.reset(seed=int(seed), options=options)
        finally:
            env.close()
        pixels: NDArray[np.uint8] = observation["pixels"][CAMERA]
        return pixels

    return draw
