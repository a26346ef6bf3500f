"""Read demonstrations for training: vectors as arrays, images and scenes from the disk when asked for.

Any LeRobotDataset v3.0 can be read, ours or not, its cameras stored as images or as video.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from vla.data.footage import Footage
from vla.data.schema import (
    ACTION,
    CODEBASE_VERSION,
    DONE,
    IMAGE_PREFIX,
    INFO_PATH,
    SCENE,
    STATE,
    STILL_INSTRUCTION,
    SUCCESS,
    TASKS_PATH,
    to_numpy,
)
from vla.errors import DataError, unknown_name

RECOLLECT = "record it again with `vla collect`"
LARGE = ("image", "string", "video")
"""Features that are read when asked for."""
HELD_GROUPS = 4
"""Row groups of a column that are kept; one is an episode."""
RENDERERS = {"TinyRenderer": "tiny"}
"""What the first recordings called a renderer -> its name."""


class _Blobs:
    """The byte strings of one column over several files, read when asked for, a row group at a time.

    Pictures of a dataset may be larger than the memory; what is read in order is read once.

    Args:
        files: the opened files.
        column: path of the column, such as "observation.images.front.bytes".
    """

    def __init__(self, files: Sequence[pq.ParquetFile], column: str) -> None:
        self._column = column
        self._groups = [(file, group) for file in files for group in range(file.num_row_groups)]
        lengths = [file.metadata.row_group(group).num_rows for file, group in self._groups]
        self._ends = np.cumsum(lengths)
        self._starts = self._ends - lengths
        self._held: OrderedDict[int, pa.Array] = OrderedDict()

    def picture(self, row: int) -> np.ndarray:
        """A compressed picture as uint8[H, W, 3]."""
        with Image.open(io.BytesIO(self[row])) as image:
            return np.array(image.convert("RGB"))

    def __getitem__(self, row: int) -> bytes:
        group = int(np.searchsorted(self._ends, row, side="right"))
        if group not in self._held:
            file, number = self._groups[group]
            table = file.read_row_group(number, columns=[self._column])
            self._held[group] = _flat(table.column(0).combine_chunks())
            if len(self._held) > HELD_GROUPS:
                self._held.popitem(last=False)
        value = self._held[group][row - int(self._starts[group])].as_py()
        return value.encode() if isinstance(value, str) else bytes(value)


def _flat(column: Any) -> pa.Array:
    """The one field of a struct, or the column itself."""
    array = column.chunk(0) if isinstance(column, pa.ChunkedArray) else column
    return array.field(0) if pa.types.is_struct(array.type) else array


class DemonstrationDataset:
    """A dataset of demonstrations (and still scenes); N frames, D numbers a state.

    Attributes:
        root: its folder.
        info: `meta/info.json`.
        actions: float32[N, 7] in [-1, 1], the labels.
        states: float32[N, D], metres and radians.
        episode_index: int64[N].
        frame_index: int64[N], position inside the episode.
        episode_starts: int64[N], first frame of the episode of each frame; a moment is one of its own.
        episode_ends: int64[N], one past its last frame.
        succeeds: bool[N], whether that episode ends in success: what came after it is known, to stand still.
        is_still: bool[N], frames of still scenes: no motion, for questions only.
        is_moment: bool[N], labelled states that nothing follows: alone though their episode goes on, or alone
            and no success.

    Args:
        root: a folder that `vla collect` or LeRobot wrote.
    Raises:
        DataError: the folder is no complete LeRobotDataset v3.0 with images, states and actions.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        if not self.root.is_dir():
            raise DataError(
                f"no dataset at {self.root}: such a folder does not exist; record one with `vla collect`"
            )
        self.info = self._load_json(INFO_PATH)
        self._check_info()
        self._task_strings = self._load_tasks()
        self._load_data()

    def __reduce__(self) -> tuple[type[DemonstrationDataset], tuple[Path]]:
        """Another process opens the files itself instead of being sent the images."""
        return DemonstrationDataset, (self.root,)

    def __len__(self) -> int:
        return len(self.actions)

    @property
    def robot_type(self) -> str:
        """The embodiment, e.g. "panda"."""
        return str(self.info["robot_type"])

    @cached_property
    def renderer(self) -> str | None:
        """What drew the pictures, as `vla collect` recorded it; None if it did not record them."""
        report = self.root / "meta/collection.json"
        found = json.loads(report.read_text(encoding="utf-8")).get("renderer") if report.is_file() else None
        return None if found is None else RENDERERS.get(found, str(found))

    @property
    def num_episodes(self) -> int:
        """Number of episodes, still scenes' included."""
        return int(self.info["total_episodes"])

    @cached_property
    def demonstrations(self) -> list[int]:
        """Numbers of the episodes in which something is done: neither stills nor moments."""
        return [int(number) for number in np.unique(self.episode_index[~self.is_still & ~self.is_moment])]

    @property
    def cameras(self) -> list[str]:
        """Names of the cameras, e.g. ["front", "wrist"]."""
        return list(self._images)

    @cached_property
    def fingerprint(self) -> str:
        """sha256 over every file of the dataset: equal fingerprints mean equal data."""
        digest = hashlib.sha256()
        for path in sorted(path for path in self.root.rglob("*") if path.is_file()):
            digest.update(path.relative_to(self.root).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
        return digest.hexdigest()

    @property
    def has_scenes(self) -> bool:
        """Whether the dataset records true scenes: without them there are no questions and no plans."""
        return self._scenes is not None

    def has(self, camera: str) -> bool:
        """Whether the dataset holds images of `camera`."""
        return camera in self._images

    def instruction(self, frame: int) -> str:
        """The task string of the episode that `frame` belongs to."""
        return self._task_strings[int(self._task_index[frame])]

    def scene(self, frame: int) -> dict[str, Any]:
        """The true scene when `frame` was taken, as the env's info["scene"].

        Raises:
            DataError: the dataset records no scenes.
        """
        if self._scenes is None:
            raise DataError(
                f"{self.root} has no feature {SCENE!r}: questions need a dataset made by `vla collect`"
            )
        try:
            scene: dict[str, Any] = json.loads(self._scenes[self._row(frame)])
        except (OSError, pa.ArrowException) as error:
            raise self._damaged(error) from error
        return scene

    def image(self, frame: int, camera: str = "front") -> np.ndarray:
        """The picture of a camera at `frame`, uint8[H, W, 3].

        Raises:
            UnknownNameError: the dataset has no such camera.
            DataError: the stored image is damaged.
        """
        if camera not in self._images:
            raise unknown_name("camera", camera, self._images, f"{self.root} was recorded without it")
        try:
            return self._images[camera].picture(self._row(frame))
        except (OSError, SyntaxError, pa.ArrowException) as error:
            raise DataError(
                f"{self.root}: image {frame} of camera {camera!r} is damaged ({error}); {RECOLLECT}"
            ) from error

    def column(self, key: str) -> np.ndarray:
        """All frames' values of a scalar or vector feature, [N, D] in its own dtype, read from the files.

        Raises:
            UnknownNameError: the dataset has no such feature, or it is an image or text.
        """
        features = self.info["features"]
        allowed = [name for name, feature in features.items() if feature["dtype"] not in LARGE]
        if key not in allowed:
            raise unknown_name("feature", key, allowed, f"{self.root} was recorded without it")
        return np.concatenate([to_numpy(pq.read_table(path, columns=[key])[key]) for path in self._paths()])

    def episodes(self) -> Iterator[pa.Table]:
        """The episodes with all their columns, one after the other, read from the files."""
        for table in (self._read(self._open(path)) for path in self._paths()):
            numbers = table["episode_index"].to_numpy()
            starts = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(table)]
            yield from (table.slice(start, end - start) for start, end in pairwise(starts))

    def _paths(self) -> list[Path]:
        return sorted(self.root.glob("data/chunk-*/file-*.parquet"))

    def _row(self, frame: int) -> int:
        if not 0 <= frame < len(self):
            raise IndexError(f"frame {frame} is outside 0..{len(self) - 1}")
        return int(frame)

    def _load_json(self, relative: str) -> dict[str, Any]:
        path = self.root / relative
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise DataError(
                f"{self.root} is no complete dataset: {relative} is missing; {RECOLLECT}"
            ) from None
        except (OSError, ValueError) as error:
            raise DataError(f"{path} cannot be read: {error}; {RECOLLECT}") from error
        if not isinstance(content, dict):
            raise DataError(f"{path} holds no JSON object; {RECOLLECT}")
        return content

    def _check_info(self) -> None:
        version = self.info.get("codebase_version")
        if version != CODEBASE_VERSION:
            raise DataError(
                f"{self.root} is a LeRobotDataset {version}; only {CODEBASE_VERSION} is read. "
                f"Convert it with LeRobot, or {RECOLLECT}"
            )
        features = self.info.get("features", {})
        missing = [key for key in (ACTION, STATE) if key not in features]
        if missing:
            raise DataError(f"{self.root} has no feature {missing[0]!r}; it has {', '.join(features)}")

    def _load_tasks(self) -> list[str]:
        table = self._read(self._open(self.root / TASKS_PATH))
        text = next((name for name in table.column_names if name != "task_index"), None)
        if text is None or "task_index" not in table.column_names:
            raise DataError(f"{self.root / TASKS_PATH} holds no task strings; {RECOLLECT}")
        pairs = dict(zip(table["task_index"].to_pylist(), table[text].to_pylist(), strict=True))
        return [pairs.get(index, "") for index in range(max(pairs, default=-1) + 1)]

    def _load_data(self) -> None:
        features = self.info["features"]
        files = [self._open(path) for path in self._paths()]
        films = [key for key, feature in features.items() if feature["dtype"] == "video"]
        stored = [key for key in features if key not in films]
        missing = [key for key in stored if any(key not in file.schema_arrow.names for file in files)]
        if missing:
            raise DataError(f"{self.root}: the data files lack the column {missing[0]!r}; {RECOLLECT}")
        small = [key for key in stored if features[key]["dtype"] not in LARGE]
        tables = [self._read(file, small) for file in files]
        rows = sum(len(table) for table in tables)
        if rows != self.info.get("total_frames") or rows == 0:
            raise DataError(
                f"{self.root} holds {rows} frames; meta/info.json promises {self.info.get('total_frames')}: "
                f"data files are missing or foreign; {RECOLLECT}"
            )

        def values(key: str) -> np.ndarray:
            return np.concatenate([to_numpy(table[key]) for table in tables])

        if not np.array_equal(values("index")[:, 0], np.arange(rows)):
            raise DataError(f"{self.root}: the frames are not in the order of their `index`; {RECOLLECT}")
        self.actions = values(ACTION).astype(np.float32, copy=False)
        self.states = values(STATE).astype(np.float32, copy=False)
        self.episode_index = values("episode_index")[:, 0]
        self.frame_index = values("frame_index")[:, 0]
        self._task_index = values("task_index")[:, 0]
        begins = np.diff(self.episode_index, prepend=-1) != 0
        if DONE in features:
            begins[1:] |= values(DONE)[:-1, 0]
        starts = np.flatnonzero(begins)
        lengths = np.diff(starts, append=rows)
        self.episode_starts = np.repeat(starts, lengths)
        self.episode_ends = np.repeat(starts + lengths, lengths)
        self.succeeds = np.ones(rows, dtype=bool)
        if SUCCESS in features:
            self.succeeds = values(SUCCESS)[self.episode_ends - 1, 0]
        still = np.array([task == STILL_INSTRUCTION for task in self._task_strings])
        self.is_still = still[self._task_index]
        _, number, frames = np.unique(self.episode_index, return_inverse=True, return_counts=True)
        posed = ~self.succeeds if SUCCESS in features and DONE in features else np.zeros(rows, dtype=bool)
        alone = self.episode_ends - self.episode_starts == 1
        self.is_moment = alone & ~self.is_still & ((frames[number] > 1) | posed)
        self._scenes = _Blobs(files, SCENE) if SCENE in features else None
        self._images: dict[str, _Blobs | Footage] = {
            key.removeprefix(IMAGE_PREFIX): _Blobs(files, f"{key}.bytes")
            for key, feature in features.items()
            if feature["dtype"] == "image"
        }
        if films:
            timestamps = values("timestamp")[:, 0]
            self._images |= {key.removeprefix(IMAGE_PREFIX): self._film(key, timestamps) for key in films}

    def _film(self, key: str, timestamps: np.ndarray) -> Footage:
        paths = sorted(self.root.glob("meta/episodes/chunk-*/file-*.parquet"))
        tables = [self._read(self._open(path)) for path in paths]
        template = self.info.get("video_path")
        try:
            episodes = pa.concat_tables(tables, promote_options="default")
            return Footage(self.root, str(template), key, episodes, self.episode_index, timestamps)
        except (KeyError, pa.ArrowException) as error:
            raise DataError(
                f"{self.root}/meta/episodes does not say where the films of {key!r} are"
            ) from error

    def _open(self, path: Path) -> pq.ParquetFile:
        try:
            return pq.ParquetFile(path)
        except FileNotFoundError:
            name = path.relative_to(self.root)
            raise DataError(f"{self.root} is no complete dataset: {name} is missing; {RECOLLECT}") from None
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error, path) from error

    def _read(self, file: pq.ParquetFile, columns: list[str] | None = None) -> pa.Table:
        try:
            return file.read(columns)
        except (pa.ArrowException, OSError) as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception, path: Path | None = None) -> DataError:
        return DataError(f"{path or self.root} is damaged ({str(error).splitlines()[0]}); {RECOLLECT}")
