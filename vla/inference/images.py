"""Reading a user's picture: whatever Pillow reads becomes plain RGB, and everything else one clear line."""

import io
import sys
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vla.errors import ImageError

STDIN = "-"
MAX_BYTES = 256 * 2**20  # of a picture piped in; twice what the largest one that Pillow allows usually takes
WHITE = (255, 255, 255, 255)


def read_image(source: str) -> Image.Image:
    """Read a picture.

    Args:
        source: its path, or "-" for the standard input.

    Returns:
        RGB, upright; transparent parts are white, of an animation the first frame.

    Raises:
        ImageError: there is none, or it cannot be decoded safely.
    """
    if source == STDIN:
        data = sys.stdin.buffer.read(MAX_BYTES + 1)
        if not data:
            raise ImageError(
                "nothing came on the standard input; pipe a picture in: vla ask - QUESTION < image.png"
            )
        if len(data) > MAX_BYTES:
            raise ImageError(
                f"the standard input holds more than {MAX_BYTES >> 20} MiB; give a smaller picture"
            )
        return decode_image(io.BytesIO(data), "the standard input")
    if not source:
        raise ImageError("the path of the picture is empty; name a file, or - for the standard input")
    path = Path(source)
    try:
        if path.is_dir():
            raise ImageError(f"{source} is a folder; name a picture in it")
        if not path.exists():
            raise ImageError(f"there is no picture {source}; check the path")
        if path.stat().st_size == 0:
            raise ImageError(f"{source} is empty (0 bytes); save the picture again")
        with path.open("rb") as stream:
            return decode_image(stream, source)
    except OSError as error:
        raise ImageError(f"{source} cannot be opened: {error.strerror}; check the path") from error


def decode_image(stream: IO[bytes], name: str) -> Image.Image:
    """Decode a picture from a stream; `name` is what errors call it."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd but readable metadata
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(stream) as image:
                image.load()
                return _to_rgb(ImageOps.exif_transpose(image))
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = (Image.MAX_IMAGE_PIXELS or 0) / 1e6
        raise ImageError(f"{name} has more than {limit:.0f} million pixels; scale it down first") from error
    except UnidentifiedImageError as error:
        raise ImageError(f"{name} is not a picture in a format that Pillow reads; use PNG or JPEG") from error
    except MemoryError as error:
        raise ImageError(f"{name} does not fit into memory; scale it down first") from error
    except Exception as error:  # decoders raise anything on a damaged file
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ImageError(f"{name} is damaged: {reason}; save the picture again") from error


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image = _to_8_bit(image)
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, WHITE), image).convert("RGB")
    return image.convert("RGB")


def _to_8_bit(image: Image.Image) -> Image.Image:
    """Scale deep grey levels; Pillow's own conversion would clip everything above 255 to white."""
    levels = np.nan_to_num(np.asarray(image).astype(np.float64), posinf=0.0, neginf=0.0)
    if image.mode != "F":
        levels = levels / 257.0  # 16 bits, which Pillow also opens as 32
    elif levels.max(initial=0.0) <= 1.0:
        levels = levels * 255.0
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
