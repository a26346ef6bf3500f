"""What can be asked about: files, patterns, frames of datasets, scenes."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sim import SimError
from vla.data.reader import DemonstrationDataset
from vla.errors import ConfigError, DataError, ImageError, UnknownNameError
from vla.evaluation.pictures import open_pictures, split_pictures


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    for index in range(3):
        Image.new("RGB", (8, 8), (index, 0, 0)).save(tmp_path / f"shot{index}.png")
    return tmp_path


def test_pictures_and_questions_are_told_apart(shots: Path) -> None:
    file = str(shots / "shot0.png")
    pictures = ["no_suffix", file, "-", "env:pick_up?seed=3", "runs/demos:3:12", "typo.png", "shots/*.jpg"]
    questions = [
        "is there a red block?",
        "赤いブロックはどこ？",
        "how many?",
        "is it 3:12:5?",
        "何色.",
        "red",
    ]
    assert split_pictures([*pictures, *questions]) == (pictures, questions)
    assert split_pictures([file, questions[0], "env:reach"]) == ([file, "env:reach"], questions[:1])
    assert split_pictures([file, "x" * 10_000, "a\0b"]) == ([file], ["x" * 10_000, "a\0b"])


def test_a_pattern_stands_for_its_files_in_order(shots: Path) -> None:
    found = open_pictures(str(shots / "shot[12].png"))
    assert [Path(picture.name).name for picture in found] == ["shot1.png", "shot2.png"]
    image = found[1].look(96)
    assert isinstance(image, Image.Image) and image.getpixel((0, 0)) == (2, 0, 0)
    with pytest.raises(ImageError, match="no file fits"):
        open_pictures(str(shots / "*.jpg"))


def test_a_file_whose_name_holds_wildcards_is_itself(tmp_path: Path) -> None:
    path = tmp_path / "a[1].png"
    Image.new("RGB", (8, 8)).save(path)
    assert [picture.name for picture in open_pictures(str(path))] == [str(path)]


def test_a_frame_of_a_dataset(dataset_folder: Path) -> None:
    dataset = DemonstrationDataset(dataset_folder)
    row = int(np.flatnonzero((dataset.episode_index == 1) & (dataset.frame_index == 2))[0])
    (picture,) = open_pictures(f"{dataset_folder}:1:2")
    np.testing.assert_array_equal(picture.look(96), dataset.image(row))
    with pytest.raises(DataError, match="has no episode 999; it has 0 to"):
        open_pictures(f"{dataset_folder}:999:0")
    with pytest.raises(DataError, match=r"episode 1 .* has no frame 500; it has 0 to"):
        open_pictures(f"{dataset_folder}:1:500")
    with pytest.raises(DataError, match="no dataset at"):
        open_pictures("nowhere:0:0")


def test_a_scene_of_the_simulator_is_the_same_each_time() -> None:
    (picture,) = open_pictures("env:vla/PickUp-v0?seed=3&instruction=pick up the red block")
    first, second = picture.look(64), picture.look(64)
    assert isinstance(first, np.ndarray) and first.shape == (64, 64, 3)
    np.testing.assert_array_equal(first, second)
    (other,) = open_pictures("env:pick_up?seed=4")
    assert (np.asarray(other.look(64)) != first).any()


@pytest.mark.parametrize(
    ("source", "error", "message"),
    [
        ("env:pikc_up", UnknownNameError, "unknown environment 'pikc_up'.*vla/PickUp-v0"),
        ("env:pick_up?sed=3", UnknownNameError, "option of a scene 'sed'; did you mean 'seed'"),
        ("env:pick_up?seed=soon", ConfigError, "seed=soon"),
        ("env:pick_up?seed=-1", ConfigError, "seed=-1"),
    ],
)
def test_a_malformed_scene_is_refused_at_once(source: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        open_pictures(source)


def test_a_scene_that_the_simulator_does_not_have_is_refused_when_drawn() -> None:
    (picture,) = open_pictures("env:pick_up?split=unseen")
    with pytest.raises(SimError, match="unknown split"):
        picture.look(64)
