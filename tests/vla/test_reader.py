"""Reading a dataset: frames, episodes, scenes, and one clear error for each way a folder can be wrong."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vla.data.reader import DemonstrationDataset
from vla.data.schema import STILL_INSTRUCTION
from vla.errors import DataError, UnknownNameError

LENGTHS = (5, 7, 6, 8, 6, 6)  # of the fixture's episodes; the last two are stills
FRAMES = sum(LENGTHS)


@pytest.fixture(scope="module")
def dataset(dataset_folder: Path) -> DemonstrationDataset:
    return DemonstrationDataset(dataset_folder)


@pytest.fixture
def copy(dataset_folder: Path, tmp_path: Path) -> Path:
    """A dataset that a test may damage."""
    return Path(shutil.copytree(dataset_folder, tmp_path / "demos"))


def test_shapes_and_types(dataset: DemonstrationDataset) -> None:
    assert len(dataset) == FRAMES
    assert dataset.num_episodes == len(LENGTHS)
    assert dataset.robot_type == "panda"
    assert dataset.cameras == ["front", "wrist"]
    assert dataset.has("wrist")
    assert not dataset.has("side")
    assert (dataset.actions.dtype, dataset.actions.shape) == (np.float32, (FRAMES, 7))
    assert (dataset.states.dtype, dataset.states.shape) == (np.float32, (FRAMES, 7))
    assert dataset.image(3).dtype == np.uint8
    assert list(dataset.image(3).shape) == dataset.info["features"]["observation.images.front"]["shape"]


@pytest.mark.parametrize(("recorded", "renderer"), [("TinyRenderer", "tiny"), ("egl", "egl"), (None, None)])
def test_the_renderer_has_the_simulators_name(copy: Path, recorded: str | None, renderer: str | None) -> None:
    if recorded:
        (copy / "meta/collection.json").write_text(json.dumps({"renderer": recorded}))
    assert DemonstrationDataset(copy).renderer == renderer


def test_episode_bounds(dataset: DemonstrationDataset) -> None:
    for frame in range(FRAMES):
        start, end = dataset.episode_starts[frame], dataset.episode_ends[frame]
        assert start <= frame < end
        assert end - start == LENGTHS[dataset.episode_index[frame]]
        assert dataset.frame_index[frame] == frame - start


def test_stills_are_told_apart(dataset: DemonstrationDataset) -> None:
    assert dataset.is_still.sum() == 12
    for frame in range(FRAMES):
        assert dataset.is_still[frame] == (dataset.instruction(frame) == STILL_INSTRUCTION)


def test_instruction_and_scene_belong_to_the_frame(dataset: DemonstrationDataset) -> None:
    for frame in np.flatnonzero(~dataset.is_still).tolist():
        assert dataset.instruction(frame) == dataset.scene(frame)["instruction"]


def test_a_frame_outside_is_an_index_error(dataset: DemonstrationDataset) -> None:
    for frame in (-1, FRAMES):
        with pytest.raises(IndexError):
            dataset.image(frame)


def test_an_unknown_camera_is_named(dataset: DemonstrationDataset) -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'front'"):
        dataset.image(0, "fornt")


def test_the_fingerprint_follows_the_content(dataset: DemonstrationDataset, copy: Path) -> None:
    assert DemonstrationDataset(copy).fingerprint == dataset.fingerprint
    stats = copy / "meta/stats.json"
    stats.write_text(stats.read_text().replace("0.", "1.", 1))
    assert DemonstrationDataset(copy).fingerprint != dataset.fingerprint


def test_a_worker_opens_the_files_itself(dataset: DemonstrationDataset) -> None:
    assert len(pickle.dumps(dataset)) < 1000
    opened, arguments = dataset.__reduce__()
    np.testing.assert_array_equal(opened(*arguments).actions, dataset.actions)


def rewrite_info(root: Path, **changes: object) -> None:
    path = root / "meta/info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def rewrite_data(root: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    path = root / "data/chunk-000/file-000.parquet"
    pq.write_table(change(pq.read_table(path)), path)


def as_video(root: Path) -> None:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    features["observation.images.front"]["dtype"] = "video"
    rewrite_info(root, features=features)


def without_action(root: Path) -> None:
    features = json.loads((root / "meta/info.json").read_text())["features"]
    del features["action"]
    rewrite_info(root, features=features)


def truncated(root: Path) -> None:
    path = root / "data/chunk-000/file-000.parquet"
    path.write_bytes(path.read_bytes()[:-100])


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "no folder": (shutil.rmtree, "does not exist"),
    "no info": (lambda root: (root / "meta/info.json").unlink(), "meta/info.json is missing"),
    "info is no JSON": (lambda root: (root / "meta/info.json").write_text("{"), "cannot be read"),
    "info is a list": (lambda root: (root / "meta/info.json").write_text("[]"), "no JSON object"),
    "old version": (lambda root: rewrite_info(root, codebase_version="v2.1"), "v2.1; only v3.0"),
    "no tasks": (lambda root: (root / "meta/tasks.parquet").unlink(), "meta/tasks.parquet is missing"),
    "no data": (lambda root: shutil.rmtree(root / "data"), "holds 0 frames"),
    "wrong count": (lambda root: rewrite_info(root, total_frames=99), "promises 99"),
    "truncated file": (truncated, "is damaged"),
    "video": (as_video, "meta/episodes does not say where the films of 'observation.images.front' are"),
    "no action feature": (without_action, "no feature 'action'"),
    "no state column": (
        lambda root: rewrite_data(root, lambda table: table.drop_columns("observation.state")),
        "lack the column 'observation.state'",
    ),
    "frames out of order": (
        lambda root: rewrite_data(root, lambda table: table.take(pa.array(range(FRAMES)[::-1]))),
        "not in the order",
    ),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_wrong_folder_gives_one_clear_line(copy: Path, damage: str) -> None:
    harm, message = DAMAGE[damage]
    harm(copy)
    with pytest.raises(DataError, match=message) as caught:
        DemonstrationDataset(copy)
    assert "\n" not in str(caught.value)


def test_a_damaged_image_is_a_data_error(copy: Path) -> None:
    def spoil(table: pa.Table) -> pa.Table:
        key = "observation.images.front"
        values = [{"bytes": value["bytes"][:40], "path": None} for value in table[key].to_pylist()]
        place = table.column_names.index(key)
        return table.set_column(place, key, pa.array(values, table.schema.field(key).type))

    rewrite_data(copy, spoil)
    with pytest.raises(DataError, match="image 2 of camera 'front' is damaged"):
        DemonstrationDataset(copy).image(2)


def test_a_dataset_without_scenes_has_no_questions(copy: Path) -> None:
    features = json.loads((copy / "meta/info.json").read_text())["features"]
    del features["scene"]
    rewrite_info(copy, features=features)
    with pytest.raises(DataError, match="no feature 'scene'"):
        DemonstrationDataset(copy).scene(0)
