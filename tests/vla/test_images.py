import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vla.errors import ImageError
from vla.inference.images import read_image

RED = (200, 30, 40)


def red_image(size: tuple[int, int] = (8, 6)) -> Image.Image:
    return Image.new("RGB", size, RED)


def saved(path: Path, image: Image.Image, **options: object) -> str:
    image.save(path, **options)
    return str(path)


@pytest.mark.parametrize(
    ("name", "convert"),
    [
        ("plain.png", lambda image: image),
        ("plain.bmp", lambda image: image),
        ("plain.tiff", lambda image: image),
        ("lossless.webp", lambda image: image),
        ("palette.png", lambda image: image.quantize(4)),
        ("palette.gif", lambda image: image.quantize(4)),
        ("opaque.png", lambda image: image.convert("RGBA")),
    ],
)
def test_every_mode_becomes_the_same_rgb(
    tmp_path: Path, name: str, convert: Callable[[Image.Image], Image.Image]
) -> None:
    options = {"lossless": True} if name.endswith("webp") else {}
    image = read_image(saved(tmp_path / name, convert(red_image()), **options))
    assert image.mode == "RGB"
    assert image.size == (8, 6)
    assert np.abs(np.asarray(image).astype(int) - RED).max() <= 2


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
def test_print_and_video_colours_are_converted(tmp_path: Path, mode: str) -> None:
    name = "a.tiff" if mode == "CMYK" else "a.jpg"
    image = read_image(saved(tmp_path / name, red_image((16, 16)).convert(mode)))
    assert np.abs(np.asarray(image).astype(int) - RED).max() <= 6


def test_transparent_parts_are_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (4, 4), (*RED, 0))
    image.putpixel((1, 2), (*RED, 255))
    found = np.asarray(read_image(saved(tmp_path / "a.png", image)))
    assert tuple(found[0, 0]) == (255, 255, 255)
    assert tuple(found[2, 1]) == RED


def test_a_transparent_palette_colour_is_white(tmp_path: Path) -> None:
    image = Image.new("P", (4, 4), 0)
    image.putpalette([0, 0, 0, *RED])
    image.putpixel((3, 3), 1)
    found = np.asarray(read_image(saved(tmp_path / "a.png", image, transparency=0)))
    assert tuple(found[0, 0]) == (255, 255, 255)
    assert tuple(found[3, 3]) == RED


def test_sixteen_bits_are_scaled_and_not_clipped(tmp_path: Path) -> None:
    levels = np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)
    found = np.asarray(read_image(saved(tmp_path / "a.png", Image.fromarray(levels))))
    assert found.shape == (16, 16, 3)
    assert np.abs(found[..., 0].ravel().astype(int) - np.arange(256)).max() <= 1


@pytest.mark.parametrize("scale", [1.0, 255.0])
def test_floating_point_levels_are_read_on_either_scale(tmp_path: Path, scale: float) -> None:
    levels = np.linspace(0, scale, 64, dtype=np.float32).reshape(8, 8)
    levels[0, 0] = np.nan
    found = np.asarray(read_image(saved(tmp_path / "a.tiff", Image.fromarray(levels))))
    assert found.max() == 255
    assert found[0, 0, 0] == 0


def test_a_photo_taken_sideways_stands_upright(tmp_path: Path) -> None:
    image = red_image((8, 4))
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: turn by 90 degrees
    assert read_image(saved(tmp_path / "a.jpg", image, exif=exif)).size == (4, 8)


def test_of_an_animation_the_first_frame_is_taken(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), color) for color in (RED, (0, 0, 255))]
    path = saved(tmp_path / "a.gif", frames[0], save_all=True, append_images=frames[1:])
    assert np.asarray(read_image(path))[0, 0].tolist() == list(RED)


def test_a_picture_is_read_from_the_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    buffer = io.BytesIO()
    red_image().save(buffer, "PNG")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(buffer.getvalue())))
    assert read_image("-").size == (8, 6)


def test_an_empty_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    with pytest.raises(ImageError, match="nothing came on the standard input"):
        read_image("-")


def test_too_much_on_the_standard_input_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vla.inference.images.MAX_BYTES", 10)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x" * 11)))
    with pytest.raises(ImageError, match="holds more than"):
        read_image("-")


def test_a_picture_beyond_the_limit_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "a.png", red_image((40, 40)))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # 1600 pixels: Pillow itself would only warn
    with pytest.raises(ImageError, match="more than 0 million pixels"):
        read_image(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageError, match="million pixels"):
        read_image(path)


def test_pixels_that_do_not_fit_into_memory_are_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Image.Image) -> None:
        raise MemoryError

    path = saved(tmp_path / "a.png", red_image())
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", refuse)
    with pytest.raises(ImageError, match="does not fit into memory"):
        read_image(path)


def damaged(path: Path, kind: str) -> str:
    data = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(data, "PNG")
    whole = data.getvalue()
    contents = {
        "truncated": whole[: len(whole) // 2],
        "header only": whole[:30],
        "text": b"this is no picture",
        "bits flipped": whole[:200] + bytes(255 - byte for byte in whole[200:400]) + whole[400:],
        "empty": b"",
    }
    path.write_bytes(contents[kind])
    return str(path)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("truncated", "is damaged"),
        ("header only", "is damaged|not a picture"),
        ("text", "is not a picture in a format"),
        ("bits flipped", "is damaged"),
        ("empty", "is empty"),
    ],
)
def test_a_broken_file_is_one_clear_line(tmp_path: Path, kind: str, message: str) -> None:
    with pytest.raises(ImageError, match=message) as caught:
        read_image(damaged(tmp_path / "a.png", kind))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("nowhere.png", "there is no picture nowhere.png"),
        ("", "path of the picture is empty"),
        (".", "is a folder"),
        ("a" * 5000, "cannot be opened"),
    ],
)
def test_a_path_that_is_no_file_is_one_clear_line(source: str, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(source)
