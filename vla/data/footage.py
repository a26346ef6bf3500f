"""Pictures of a camera that a recording stores as video, as LeRobot does where nothing else is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

if TYPE_CHECKING:
    import av

AHEAD = 4.0
"""Seconds of film that are decoded to get to a later picture; further away, the film is wound to it."""


class Footage:
    """The pictures of one camera over all episodes, decoded when asked for; fast where read in order.

    Args:
        root: the dataset's folder.
        template: `video_path` of `meta/info.json`.
        key: the camera's feature.
        episodes: `meta/episodes`: of each episode its film and where in it the episode begins, seconds.
        episode_index: int64[N], the episode of each frame.
        timestamps: float[N], seconds of each frame since its episode began.
    Raises:
        KeyError: the episodes do not say where their films are.
    """

    def __init__(
        self,
        root: Path,
        template: str,
        key: str,
        episodes: pa.Table,
        episode_index: np.ndarray,
        timestamps: np.ndarray,
    ) -> None:
        chunks, files, starts = (
            episodes[f"videos/{key}/{name}"].to_numpy()
            for name in ("chunk_index", "file_index", "from_timestamp")
        )
        self._paths = [
            root / template.format(video_key=key, chunk_index=int(chunk), file_index=int(file))
            for chunk, file in zip(chunks, files, strict=True)
        ]
        self._episode = episode_index
        self._times = starts[episode_index] + timestamps
        self._path: Path | None = None
        self._film: Iterator[av.VideoFrame] = iter(())
        self._last: av.VideoFrame | None = None

    def picture(self, row: int) -> np.ndarray:
        """The picture of a frame of the dataset, uint8[H, W, 3].

        Raises:
            OSError: the film is missing, damaged or too short.
        """
        import av

        path, time = self._paths[self._episode[row]], float(self._times[row])
        try:
            return self._at(path, time)
        except av.error.FFmpegError as error:  # not all of them are OSErrors
            raise OSError(f"{path}: {error}") from error

    def _at(self, path: Path, time: float) -> np.ndarray:
        now = -1.0 if self._last is None else float(self._last.time or 0.0)
        if path != self._path or not now - 1e-4 <= time <= now + AHEAD:
            self._wind(path, time)
        half = self._half
        while self._last is None or float(self._last.time or 0.0) < time - half:
            frame = next(self._film, None)
            if frame is None:
                raise OSError(f"{path} ends before {time:.2f} s")
            self._last = frame
        return self._last.to_ndarray(format="rgb24")

    def _wind(self, path: Path, time: float) -> None:
        """Go to the last picture before a time from which decoding can begin."""
        import av

        container = av.open(str(path))
        stream = container.streams.video[0]
        assert stream.time_base is not None and stream.average_rate is not None
        container.seek(max(0, int(time / stream.time_base)), stream=stream)
        self._path, self._film, self._last = path, iter(container.decode(stream)), None
        self._half = 0.5 / float(stream.average_rate)
