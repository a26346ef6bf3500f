"""Write demonstrations as a LeRobotDataset v3.0 that the real `lerobot` package opens.

The dataset appears under its final name only when it is complete: everything is written to a temporary folder
beside it, synced and renamed.
"""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vla.data.schema import (
    CHUNK_FILES,
    CODEBASE_VERSION,
    DATA_PATH,
    DEFAULT_FEATURES,
    EPISODES_PATH,
    FILE_LIMIT_MB,
    INFO_PATH,
    STATS_PATH,
    TASKS_PATH,
    Feature,
    arrow_schema,
    to_arrow,
)
from vla.data.statistics import FeatureStatistics
from vla.errors import DataError
from vla.files import atomic_directory

FILE_LIMIT_BYTES = FILE_LIMIT_MB * 2**20
PNG_LEVEL = 1
"""zlib level: 1 is 4 times as fast as 6 on our frames, for a tenth more bytes."""


def encode_png(image: np.ndarray) -> bytes:
    """Compress an image, uint8[H, W, 3], without loss."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, "PNG", compress_level=PNG_LEVEL)
    return buffer.getvalue()


def episode_table(
    features: Mapping[str, Feature], columns: Mapping[str, Sequence[Any] | np.ndarray]
) -> pa.Table:
    """One episode as an Arrow table of the given features (without LeRobot's own index columns).

    Args:
        features: feature -> description.
        columns: feature -> T values: uint8[T, H, W, 3] or T PNG byte strings for an image, T strings,
            or an array [T, *shape].
    Raises:
        DataError: a column is missing, unknown, or does not fit its feature; lengths differ; T is 0.
    """
    if set(columns) != set(features):
        missing, unknown = sorted(set(features) - set(columns)), sorted(set(columns) - set(features))
        raise DataError(
            f"an episode needs the columns {sorted(features)}; missing: {missing}, unknown: {unknown}"
        )
    lengths = {key: len(values) for key, values in columns.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise DataError(f"the columns of an episode need one length, at least 1; they have {lengths}")
    arrays = []
    for key, feature in features.items():
        values = columns[key]
        if feature["dtype"] == "image":
            values = [_as_png(key, feature, value) for value in values]
        arrays.append(to_arrow(key, feature, values))
    return pa.Table.from_arrays(arrays, schema=arrow_schema(features))


def _as_png(key: str, feature: Feature, value: bytes | np.ndarray) -> bytes:
    if isinstance(value, bytes):
        return value
    if value.dtype != np.uint8 or list(value.shape) != list(feature["shape"]):
        came = f"{value.dtype}{list(value.shape)}"
        raise DataError(f"feature {key!r} is {came}; its description asks for uint8{feature['shape']}")
    return encode_png(value)


class DatasetWriter:
    """Writes episodes one after the other inside a `with` block.

    Leaving the block normally completes the dataset and gives it its name; leaving it by an exception removes
    what was written.

    Args:
        root: the folder to create.
        fps: frames per second of the recording.
        robot_type: the embodiment, e.g. "panda".
        features: feature -> {dtype, shape, names}; LeRobot's index columns are added.
    Raises:
        DataError: a feature has a dtype that cannot be stored; no episode was added.
        StorageError: the disk refuses.
    """

    def __init__(self, root: Path, *, fps: int, robot_type: str, features: Mapping[str, Feature]) -> None:
        self.root = Path(root)
        self.fps = fps
        self.robot_type = robot_type
        self.own_features = dict(features)
        self.features = self.own_features | DEFAULT_FEATURES
        self._schema = arrow_schema(self.features)
        self._statistics = FeatureStatistics(self.features)
        self._tasks: dict[str, int] = {}
        self._episodes: list[dict[str, Any]] = []
        self._frames = 0
        self._file: pq.ParquetWriter | None = None
        self._file_number = -1
        self._file_bytes = 0
        self._stack = ExitStack()
        self._folder = self._stack.enter_context(atomic_directory(self.root))

    def __enter__(self) -> DatasetWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            with self._stack:
                self._finish()
            return
        with suppress(OSError):  # a full disk is reported once, by what left the block
            self._close_file()
        self._stack.__exit__(kind, error, trace)

    def add_episode(self, columns: Mapping[str, Sequence[Any] | np.ndarray], task: str) -> None:
        """Append an episode given as columns (see `episode_table`); `task` is its instruction."""
        self.add_table(episode_table(self.own_features, columns), task)

    def add_table(self, table: pa.Table, task: str | Sequence[str]) -> None:
        """Append an episode given as an Arrow table made by `episode_table`; `task` is its instruction.

        Unrelated moments that are stored as one episode have an instruction each.
        """
        length, episode = len(table), len(self._episodes)
        tasks = [task] * length if isinstance(task, str) else task
        indices = [self._tasks.setdefault(text, len(self._tasks)) for text in tasks]
        frame = np.arange(length, dtype=np.int64)
        own: dict[str, np.ndarray] = {
            "timestamp": (frame / self.fps).astype(np.float32),
            "frame_index": frame,
            "episode_index": np.full(length, episode),
            "index": frame + self._frames,
            "task_index": np.array(indices),
        }
        for key, values in own.items():
            table = table.append_column(key, to_arrow(key, DEFAULT_FEATURES[key], values))
        self._statistics.add(table)
        chunk, file = divmod(self._write(table), CHUNK_FILES)
        self._episodes.append(
            {
                "episode_index": episode,
                "tasks": list(dict.fromkeys(tasks)),
                "length": length,
                "data/chunk_index": chunk,
                "data/file_index": file,
                "dataset_from_index": self._frames,
                "dataset_to_index": self._frames + length,
                "meta/episodes/chunk_index": 0,
                "meta/episodes/file_index": 0,
            }
        )
        self._frames += length

    def write_metadata(self, name: str, content: Mapping[str, Any]) -> None:
        """Put `content` beside LeRobot's own metadata, as `meta/<name>.json`."""
        self._write_json(f"meta/{name}.json", content)

    def keep(self, path: Path) -> None:
        """Put a copy of a file or folder that is not ours beside the data."""
        if path.is_dir():
            shutil.copytree(path, self._folder / path.name, symlinks=True)
        else:
            shutil.copy2(path, self._folder / path.name)

    def _finish(self) -> None:
        """Write the metadata."""
        if not self._episodes:
            raise DataError(f"{self.root}: a dataset needs at least one episode, none was added")
        self._close_file()
        self._write_json(INFO_PATH, self._info())
        self._write_json(STATS_PATH, self._statistics.result())
        pq.write_table(self._tasks_table(), self._new_path(TASKS_PATH))
        pq.write_table(pa.Table.from_pylist(self._episodes), self._new_path(EPISODES_PATH))

    def _close_file(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, table: pa.Table) -> int:
        """Write one row group, in a new file where the current one would grow too large; its number."""
        if self._file is None or self._file_bytes + table.nbytes > FILE_LIMIT_BYTES:
            self._close_file()
            self._file_number += 1
            self._file_bytes = 0
            chunk, file = divmod(self._file_number, CHUNK_FILES)
            path = self._new_path(DATA_PATH.format(chunk_index=chunk, file_index=file))
            plain = [
                key for key, feature in self.features.items() if feature["dtype"] not in ("image", "string")
            ]
            self._file = pq.ParquetWriter(
                path, self._schema, compression="snappy", use_dictionary=False, write_statistics=plain
            )
        self._file.write_table(table, row_group_size=len(table))
        self._file_bytes += table.nbytes  # uncompressed: an upper bound, close to the truth for PNG
        return self._file_number

    def _info(self) -> dict[str, Any]:
        return {
            "codebase_version": CODEBASE_VERSION,
            "robot_type": self.robot_type,
            "total_episodes": len(self._episodes),
            "total_frames": self._frames,
            "total_tasks": len(self._tasks),
            "chunks_size": CHUNK_FILES,
            "data_files_size_in_mb": FILE_LIMIT_MB,
            "video_files_size_in_mb": 200,
            "fps": self.fps,
            "splits": {"train": f"0:{len(self._episodes)}"},
            "data_path": DATA_PATH,
            "video_path": None,
            "features": self.features,
        }

    def _tasks_table(self) -> pa.Table:
        """Task strings as a pandas index, for LeRobot reads the file with pandas."""
        index = "__index_level_0__"
        table = pa.table({"task_index": pa.array(self._tasks.values(), pa.int64()), index: list(self._tasks)})
        text = {"pandas_type": "unicode", "numpy_type": "object"}
        pandas = {
            "index_columns": [index],
            "column_indexes": [{"name": None, "field_name": None, "metadata": {"encoding": "UTF-8"}} | text],
            "columns": [
                {"name": "task_index", "field_name": "task_index", "metadata": None}
                | {"pandas_type": "int64", "numpy_type": "int64"},
                {"name": None, "field_name": index, "metadata": None} | text,
            ],
            "creator": {"library": "pyarrow", "version": pa.__version__},
            "pandas_version": "2.0.0",
        }
        return table.replace_schema_metadata({"pandas": json.dumps(pandas)})

    def _new_path(self, relative: str) -> Path:
        path = self._folder / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def _write_json(self, relative: str, content: Mapping[str, Any]) -> None:
        text = json.dumps(content, indent=2, ensure_ascii=False)
        self._new_path(relative).write_text(text + "\n", encoding="utf-8")
