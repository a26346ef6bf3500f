"""The LeRobotDataset v3.0 layout: paths, features and their Arrow types, shared by writer and reader.

A *feature* is `{"dtype", "shape", "names"}`. Cameras have dtype "image" and are stored as PNG; all else
is a scalar, a float vector or a string. `docs/data.md` lists the keys that our datasets use.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from vla.errors import DataError

Feature = dict[str, Any]

CODEBASE_VERSION = "v3.0"
CHUNK_FILES = 1000
"""Files in one `chunk-NNN` folder."""
FILE_LIMIT_MB = 100
"""Largest data file, in units of 2**20 bytes."""
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-000/file-000.parquet"
TASKS_PATH = "meta/tasks.parquet"
INFO_PATH = "meta/info.json"
STATS_PATH = "meta/stats.json"
ROBOT_TYPE = "panda"
"""Embodiment of our simulator's recordings."""

ACTION = "action"
STATE = "observation.state"
SUCCESS = "next.success"
DONE = "next.done"
"""The next frame is of something else: an episode ends here, or each frame is a moment of its own."""
IMAGE_PREFIX = "observation.images."
EXECUTED_ACTION = "executed_action"
"""What the robot did: the label plus exploration noise."""
SCENE = "scene"
"""The env's info["scene"] as compact JSON."""
QUESTIONS = "questions"
"""Questions about a still picture with their answers, a JSON list."""
CAPTIONS = "captions"
"""Captions of a still picture, a JSON list."""
STILL_INSTRUCTION = "look at the table"
"""Instruction of episodes that are collections of unrelated still pictures."""

DEFAULT_FEATURES: dict[str, Feature] = {
    "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    "frame_index": {"dtype": "int64", "shape": [1], "names": None},
    "episode_index": {"dtype": "int64", "shape": [1], "names": None},
    "index": {"dtype": "int64", "shape": [1], "names": None},
    "task_index": {"dtype": "int64", "shape": [1], "names": None},
}
"""Features that every LeRobotDataset has; the writer fills them in."""

IMAGE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_SCALARS = {"float32": pa.float32(), "int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


def compact_json(data: Any) -> str:
    """JSON as it stands in a cell."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"))


def image_feature(height: int, width: int) -> Feature:
    """The feature of a camera whose frames are uint8[height, width, 3]."""
    return {"dtype": "image", "shape": [height, width, 3], "names": ["height", "width", "channels"]}


def vector_feature(names: Sequence[str]) -> Feature:
    """The feature of a float32 vector with one name an entry."""
    return {"dtype": "float32", "shape": [len(names)], "names": list(names)}


def scalar_feature(dtype: str) -> Feature:
    """The feature of one value a frame: "bool", "int64", "float32" or "string"."""
    return {"dtype": dtype, "shape": [1], "names": None}


def arrow_type(key: str, feature: Feature) -> pa.DataType:
    """The Arrow type of a feature's column.

    Raises:
        DataError: the dtype is none that a data file holds.
    """
    dtype, shape = feature["dtype"], list(feature["shape"])
    if dtype == "image":
        return IMAGE_TYPE
    if dtype not in _SCALARS:
        raise DataError(f"feature {key!r} has dtype {dtype!r}; allowed: image, {', '.join(_SCALARS)}")
    return _SCALARS[dtype] if shape == [1] else pa.list_(_SCALARS[dtype], shape[0])


def arrow_schema(features: Mapping[str, Feature]) -> pa.Schema:
    """The schema of a data file with these features, in their order."""
    return pa.schema([(key, arrow_type(key, feature)) for key, feature in features.items()])


def to_arrow(key: str, feature: Feature, values: Sequence[Any] | np.ndarray) -> pa.Array:
    """One episode's values of a feature as an Arrow array.

    Args:
        key: the feature's name, for messages.
        feature: its description.
        values: T entries: PNG bytes for an image, strings, or an array [T, *shape] ([T] for shape [1]).
    Raises:
        DataError: type or shape do not fit the feature.
    """
    kind = arrow_type(key, feature)
    if feature["dtype"] == "image":
        return pa.StructArray.from_arrays(
            [pa.array(values, pa.binary()), pa.nulls(len(values), pa.string())], fields=list(IMAGE_TYPE)
        )
    if feature["dtype"] == "string":
        return pa.array([str(value) for value in values], kind)
    array = np.asarray(values)
    shape = (len(array), *feature["shape"])
    if array.shape != shape and not (shape[1:] == (1,) and array.ndim == 1):
        raise DataError(f"feature {key!r} has shape {array.shape}; its description asks for {shape}")
    flat = pa.array(array.astype(feature["dtype"]).reshape(-1))
    return flat if feature["shape"] == [1] else pa.FixedSizeListArray.from_arrays(flat, type=kind)


def to_numpy(column: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """A scalar or vector column as an array [T, D] (D = 1 for a scalar), in its own dtype."""
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    length = len(array)
    if pa.types.is_fixed_size_list(array.type) or pa.types.is_list(array.type):
        array = array.flatten()
    return array.to_numpy(zero_copy_only=False).reshape(length, -1)
