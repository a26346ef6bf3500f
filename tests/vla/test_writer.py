"""Writing a dataset: what comes in is checked, and nothing half-written gets the final name."""

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from vla.data import writer as writer_module
from vla.data.reader import DemonstrationDataset
from vla.data.schema import Feature, image_feature, scalar_feature, vector_feature
from vla.data.statistics import ImageSample, vector_statistics
from vla.data.writer import DatasetWriter, encode_png
from vla.errors import DataError, StorageError

FEATURES: dict[str, Feature] = {
    "observation.images.front": image_feature(8, 8),
    "observation.state": vector_feature(["x", "y"]),
    "action": vector_feature(["dx", "dy", "grip"]),
    "next.success": scalar_feature("bool"),
    "note": scalar_feature("string"),
}


def episode(length: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        "observation.images.front": rng.integers(0, 256, (length, 8, 8, 3), np.uint8),
        "observation.state": rng.normal(size=(length, 2)).astype(np.float32),
        "action": rng.uniform(-1, 1, (length, 3)).astype(np.float32),
        "next.success": np.arange(length) == length - 1,
        "note": [f"把手 {i}" for i in range(length)],
    }


def write(root: Path, lengths: tuple[int, ...] = (3, 5)) -> Path:
    with DatasetWriter(root, fps=5, robot_type="panda", features=FEATURES) as writer:
        for seed, length in enumerate(lengths):
            writer.add_episode(episode(length, seed), f"task {seed % 2}")
    return root


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    dataset = DemonstrationDataset(write(tmp_path / "demos"))
    given = [episode(3, 0), episode(5, 1)]
    np.testing.assert_array_equal(dataset.actions, np.concatenate([part["action"] for part in given]))
    np.testing.assert_array_equal(
        dataset.states, np.concatenate([part["observation.state"] for part in given])
    )
    images = np.concatenate([part["observation.images.front"] for part in given])
    for frame in range(8):
        np.testing.assert_array_equal(dataset.image(frame), images[frame])


def test_equal_input_gives_equal_bytes(tmp_path: Path) -> None:
    first, second = write(tmp_path / "a"), write(tmp_path / "b")
    files = sorted(path.relative_to(first) for path in first.rglob("*") if path.is_file())
    assert files == sorted(path.relative_to(second) for path in second.rglob("*") if path.is_file())
    for file in files:
        assert (first / file).read_bytes() == (second / file).read_bytes()


def test_files_stay_below_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer_module, "FILE_LIMIT_BYTES", 2048)
    root = write(tmp_path / "demos", (4, 4, 4))
    files = sorted(root.glob("data/*/*.parquet"))
    assert [file.name for file in files] == ["file-000.parquet", "file-001.parquet", "file-002.parquet"]
    assert len(DemonstrationDataset(root)) == 12
    assert pq.read_table(files[2])["index"].to_pylist() == [8, 9, 10, 11]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"action": np.zeros((3, 2), np.float32)}, "'action' has shape"),
        ({"action": np.zeros((4, 3), np.float32)}, "one length"),
        ({"observation.images.front": np.zeros((3, 4, 4, 3), np.uint8)}, "asks for uint8"),
        ({"observation.images.front": np.zeros((3, 8, 8, 3), np.float32)}, "float32"),
        ({"color": [0, 0, 0]}, "unknown: \\['color'\\]"),
    ],
)
def test_a_column_that_does_not_fit_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with (
        pytest.raises(DataError, match=message),
        DatasetWriter(tmp_path / "demos", fps=5, robot_type="panda", features=FEATURES) as writer,
    ):
        writer.add_episode(episode(3) | change, "task")
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_dtype_is_refused(tmp_path: Path) -> None:
    features = {"depth": {"dtype": "float16", "shape": [1], "names": None}}
    with pytest.raises(DataError, match="float16"):
        DatasetWriter(tmp_path / "demos", fps=5, robot_type="panda", features=features)
    assert list(tmp_path.iterdir()) == []


def test_a_dataset_without_episodes_is_refused(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="at least one episode"),
        DatasetWriter(tmp_path / "demos", fps=5, robot_type="panda", features=FEATURES),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", ["data", "metadata"])
def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, when: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    target = (pq.ParquetWriter, "write_table") if when == "data" else (DatasetWriter, "_write_json")
    monkeypatch.setattr(*target, full)
    with pytest.raises(StorageError, match="No space left"):
        write(tmp_path / "demos")
    assert list(tmp_path.iterdir()) == []


def test_an_error_keeps_the_dataset_that_was_there(tmp_path: Path) -> None:
    before = DemonstrationDataset(write(tmp_path / "demos")).fingerprint
    with (
        pytest.raises(KeyboardInterrupt),
        DatasetWriter(tmp_path / "demos", fps=5, robot_type="panda", features=FEATURES) as writer,
    ):
        writer.add_episode(episode(3), "task")
        raise KeyboardInterrupt
    assert DemonstrationDataset(tmp_path / "demos").fingerprint == before
    assert [path.name for path in tmp_path.iterdir()] == ["demos"]


def test_vector_statistics_are_exact() -> None:
    values = np.random.default_rng(0).normal(size=(1001, 2))
    statistics = vector_statistics(values)
    ordered = np.sort(values, axis=0)
    np.testing.assert_allclose(statistics["q01"], ordered[10])
    np.testing.assert_allclose(statistics["q50"], ordered[500])
    np.testing.assert_allclose(statistics["q99"], ordered[990])
    np.testing.assert_allclose(statistics["std"], values.std(axis=0))
    assert statistics["count"] == [1001]


def test_image_statistics_match_the_pixels() -> None:
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), np.uint8)
    sample = ImageSample()
    for image in images:
        sample.add(encode_png(image))
    statistics = sample.statistics()
    pixels = images.reshape(-1, 3) / 255
    for name, expected in (("mean", pixels.mean(0)), ("std", pixels.std(0)), ("min", pixels.min(0))):
        np.testing.assert_allclose(np.ravel(statistics[name]), expected, atol=1e-9)
    quantile = np.quantile(pixels, 0.9, axis=0, method="inverted_cdf")
    np.testing.assert_allclose(np.ravel(statistics["q90"]), quantile)
    assert np.shape(statistics["mean"]) == (3, 1, 1)


def test_the_image_sample_is_spread_evenly() -> None:
    sample = ImageSample(capacity=4)
    for number in range(40):
        sample.add(bytes([number]))
    assert [image[0] for image in sample.images] == [0, 16, 32]
