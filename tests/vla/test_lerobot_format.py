"""Conformance: every field of a LeRobotDataset v3.0 on disk, as the real `lerobot` package expects it."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vla.data import writer as writer_module
from vla.data.schema import Feature, image_feature, scalar_feature, vector_feature
from vla.data.writer import DatasetWriter

FPS = 5
LENGTHS = (4, 2, 6)
TASKS = ("pick up the red block", "赤いブロックを持ち上げて", "pick up the red block")
VECTORS = {"observation.state": 7, "action": 7, "executed_action": 7}
FEATURES: dict[str, Feature] = {
    "observation.images.front": image_feature(16, 24),
    "observation.images.wrist": image_feature(16, 16),
    **{key: vector_feature([f"{key}_{i}" for i in range(size)]) for key, size in VECTORS.items()},
    "next.success": scalar_feature("bool"),
    "scene": scalar_feature("string"),
}
STATISTICS = {"min", "max", "mean", "std", "count", "q01", "q10", "q50", "q90", "q99"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three episodes in two data files."""
    folder = tmp_path_factory.mktemp("format") / "demos"
    rng = np.random.default_rng(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(writer_module, "FILE_LIMIT_BYTES", 15_000)
        with DatasetWriter(folder, fps=FPS, robot_type="panda", features=FEATURES) as writer:
            for length, task in zip(LENGTHS, TASKS, strict=True):
                columns: dict[str, Any] = {
                    "observation.images.front": rng.integers(0, 256, (length, 16, 24, 3), np.uint8),
                    "observation.images.wrist": rng.integers(0, 256, (length, 16, 16, 3), np.uint8),
                    "next.success": np.arange(length) == length - 1,
                    "scene": ["{}"] * length,
                }
                columns |= {key: rng.uniform(-1, 1, (length, size)) for key, size in VECTORS.items()}
                writer.add_episode(columns, task)
    return folder


@pytest.fixture(scope="module")
def info(root: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((root / "meta/info.json").read_text())
    return content


@pytest.fixture(scope="module")
def data(root: Path) -> pa.Table:
    return pa.concat_tables([pq.ParquetFile(path).read() for path in sorted(root.glob("data/*/*.parquet"))])


def test_info(info: dict[str, Any]) -> None:
    assert {key: value for key, value in info.items() if key != "features"} == {
        "codebase_version": "v3.0",
        "robot_type": "panda",
        "total_episodes": 3,
        "total_frames": 12,
        "total_tasks": 2,
        "chunks_size": 1000,
        "data_files_size_in_mb": 100,
        "video_files_size_in_mb": 200,
        "fps": 5,
        "splits": {"train": "0:3"},
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": None,
    }
    assert isinstance(info["fps"], int)


def test_features(info: dict[str, Any]) -> None:
    features = info["features"]
    assert all(set(feature) == {"dtype", "shape", "names"} for feature in features.values())
    camera = {"dtype": "image", "shape": [16, 24, 3], "names": ["height", "width", "channels"]}
    assert features["observation.images.front"] == camera
    for key, size in VECTORS.items():
        assert (features[key]["dtype"], features[key]["shape"]) == ("float32", [size])
        assert len(features[key]["names"]) == size
    assert features["next.success"] == {"dtype": "bool", "shape": [1], "names": None}
    assert features["scene"] == {"dtype": "string", "shape": [1], "names": None}
    assert features["timestamp"] == {"dtype": "float32", "shape": [1], "names": None}
    for key in ("frame_index", "episode_index", "index", "task_index"):
        assert features[key] == {"dtype": "int64", "shape": [1], "names": None}


def test_column_types(data: pa.Table, info: dict[str, Any]) -> None:
    assert data.column_names == list(info["features"])
    for camera in ("front", "wrist"):
        kind = data.schema.field(f"observation.images.{camera}").type
        assert kind == pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    for key, size in VECTORS.items():
        assert data.schema.field(key).type == pa.list_(pa.float32(), size)
    expected = {"timestamp": pa.float32(), "next.success": pa.bool_(), "scene": pa.string()}
    expected |= dict.fromkeys(("frame_index", "episode_index", "index", "task_index"), pa.int64())
    assert {key: data.schema.field(key).type for key in expected} == expected


def test_images_are_png_of_the_declared_shape(data: pa.Table, info: dict[str, Any]) -> None:
    for key in ("observation.images.front", "observation.images.wrist"):
        for value in data[key].to_pylist():
            with Image.open(io.BytesIO(value["bytes"])) as image:
                assert image.format == "PNG"
                assert [image.height, image.width, len(image.getbands())] == info["features"][key]["shape"]


def test_index_columns(data: pa.Table) -> None:
    assert data["index"].to_pylist() == list(range(12))
    assert data["episode_index"].to_pylist() == [0] * 4 + [1] * 2 + [2] * 6
    frames = [frame for length in LENGTHS for frame in range(length)]
    assert data["frame_index"].to_pylist() == frames
    np.testing.assert_array_equal(
        data["timestamp"].to_numpy(), np.array(frames, np.float32) / np.float32(FPS)
    )
    assert data["task_index"].to_pylist() == [0] * 4 + [1] * 2 + [0] * 6


def test_one_row_group_an_episode_and_snappy(root: Path) -> None:
    lengths = []
    for path in sorted(root.glob("data/chunk-000/file-*.parquet")):
        metadata = pq.ParquetFile(path).metadata
        for group in range(metadata.num_row_groups):
            lengths.append(metadata.row_group(group).num_rows)
            columns = range(metadata.num_columns)
            assert {metadata.row_group(group).column(i).compression for i in columns} == {"SNAPPY"}
    assert lengths == list(LENGTHS)


def test_episodes(root: Path) -> None:
    table = pq.read_table(root / "meta/episodes/chunk-000/file-000.parquet")
    assert table.schema.field("tasks").type == pa.list_(pa.string())
    start = 0
    rows = table.to_pylist()
    assert len(rows) == 3
    assert len({row["data/file_index"] for row in rows}) == 2, "the fixture shall span two files"
    for episode, (row, length, task) in enumerate(zip(rows, LENGTHS, TASKS, strict=True)):
        path = root / f"data/chunk-{row['data/chunk_index']:03d}/file-{row['data/file_index']:03d}.parquet"
        stored = pq.ParquetFile(path).read(columns=["index", "episode_index"]).to_pylist()
        assert [pair["index"] for pair in stored if pair["episode_index"] == episode] == list(
            range(start, start + length)
        )
        assert row == {
            "episode_index": episode,
            "tasks": [task],
            "length": length,
            "data/chunk_index": 0,
            "data/file_index": row["data/file_index"],
            "dataset_from_index": start,
            "dataset_to_index": start + length,
            "meta/episodes/chunk_index": 0,
            "meta/episodes/file_index": 0,
        }
        start += length


def test_tasks_are_a_pandas_index(root: Path) -> None:
    table = pq.read_table(root / "meta/tasks.parquet")
    assert table["task_index"].to_pylist() == [0, 1]
    assert table["task_index"].type == pa.int64()
    assert table["__index_level_0__"].to_pylist() == list(TASKS[:2])
    pandas = json.loads(table.schema.metadata[b"pandas"])
    assert pandas["index_columns"] == ["__index_level_0__"]
    assert [column["field_name"] for column in pandas["columns"]] == ["task_index", "__index_level_0__"]
    assert [column["name"] for column in pandas["columns"]] == ["task_index", None]


def test_statistics(root: Path, data: pa.Table, info: dict[str, Any]) -> None:
    statistics = json.loads((root / "meta/stats.json").read_text())
    assert set(statistics) == set(info["features"]) - {"scene"}
    for key, entry in statistics.items():
        assert set(entry) == STATISTICS
        assert entry["count"] == [12]
        shape = (3, 1, 1) if "images" in key else tuple(info["features"][key]["shape"])
        for name in STATISTICS - {"count"}:
            assert np.shape(entry[name]) == shape
    for camera in ("front", "wrist"):
        entry = statistics[f"observation.images.{camera}"]
        assert 0.0 <= np.min(entry["min"]) < np.max(entry["max"]) <= 1.0
    actions = np.array(data["action"].to_pylist(), np.float32).astype(np.float64)
    np.testing.assert_allclose(statistics["action"]["q99"], np.quantile(actions, 0.99, axis=0))
    np.testing.assert_allclose(statistics["action"]["mean"], actions.mean(axis=0))


def test_nothing_else_lies_there(root: Path) -> None:
    files = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file())
    assert files == [
        "data/chunk-000/file-000.parquet",
        "data/chunk-000/file-001.parquet",
        "meta/episodes/chunk-000/file-000.parquet",
        "meta/info.json",
        "meta/stats.json",
        "meta/tasks.parquet",
    ]
