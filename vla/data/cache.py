"""Arrays that are computed once, in parallel processes, and memory-mapped ever after.

What a training step needs of a sample (decoded pictures, token ids) is made ready here, so that a step
gathers rows of arrays and runs no Python for a sample.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vla.data.reader import DemonstrationDataset
from vla.files import atomic_directory, code_digest
from vla.model.processing_vla import square_image

Arrays = dict[str, np.ndarray]
Columns = Mapping[str, tuple[tuple[int, ...], str]]
"""Column -> (shape of a row, dtype)."""
Fill = Callable[[range], Arrays]

PACKAGES = Path(__file__).parents[2]
"""Where `vla` and `sim` lie, side by side, in a checkout and when installed."""
ROWS_PER_PIECE = 512
"""Rows that a process computes at a time: a second or less of work."""
ROWS_WORTH_A_PROCESS = 2048
"""A process takes seconds to start; fewer rows than this are computed in the calling one."""


def cached_arrays(
    dataset: DemonstrationDataset, name: str, columns: Columns, count: int, fill: Fill, facts: Any
) -> Arrays:
    """Compute the rows of some arrays, or map them if they were computed before.

    They are kept beside the dataset, in `<dataset>.cache/`; a folder there may be deleted at any time.

    Args:
        dataset: what they are computed from.
        name: of what the rows are.
        columns: the arrays.
        count: rows N.
        fill: computes some rows, `{column: [len(rows), ...]}`; must be picklable; a row must not depend on
            the others computed with it.
        facts: JSON data that with the dataset decide every row.
    Returns:
        Column -> array[N, ...], mapped copy-on-write.
    Raises:
        StorageError: the disk refuses.
    """
    # What is said of a scene follows from the simulator's language and experts, too.
    code = code_digest(*(PACKAGES / part for part in ("sim", "vla/data", "vla/text", "vla/actions")))
    key = json.dumps([dataset.fingerprint, code, facts, list(columns.items()), count], sort_keys=True)
    digest = hashlib.sha256(key.encode()).hexdigest()[:16]
    root = Path(os.path.abspath(dataset.root))
    folder = root.with_name(root.name + ".cache") / f"{name}-{digest}"
    if not folder.is_dir():
        with atomic_directory(folder) as temporary:
            for column, (shape, dtype) in columns.items():
                np.lib.format.open_memmap(temporary / f"{column}.npy", "w+", dtype, (count, *shape))
            _fill(temporary, list(columns), count, fill, name)
    return _open(folder, list(columns), "c")


def frame_arrays(dataset: DemonstrationDataset, size: int, camera: str = "front") -> np.ndarray:
    """A camera's picture of every frame at the size of a model, uint8[N, size, size, 3]."""
    columns = {"images": ((size, size, 3), "uint8")}
    fill = _Frames(dataset, size, camera)
    return cached_arrays(dataset, camera, columns, len(dataset), fill, size)["images"]


def on_gpu(tensors: list[torch.Tensor], device: torch.device) -> list[torch.Tensor]:
    """Move tensors to a device if it is a GPU and half of what is free there is enough; else keep them."""
    if device.type != "cuda":
        return tensors
    enough = sum(tensor.nbytes for tensor in tensors) < torch.cuda.mem_get_info(device)[0] / 2
    return [tensor.to(device) for tensor in tensors] if enough else tensors


class _Frames:
    """Decodes pictures."""

    def __init__(self, dataset: DemonstrationDataset, size: int, camera: str) -> None:
        self.dataset, self.size, self.camera = dataset, size, camera

    def __call__(self, rows: range) -> Arrays:
        pictures = (self.dataset.image(row, self.camera) for row in rows)
        return {"images": np.stack([square_image(picture, self.size) for picture in pictures])}


def _open(folder: Path, columns: list[str], mode: Any) -> Arrays:
    return {column: np.load(folder / f"{column}.npy", mmap_mode=mode) for column in columns}


def _fill(folder: Path, columns: list[str], count: int, fill: Fill, name: str) -> None:
    pieces = [range(start, min(start + ROWS_PER_PIECE, count)) for start in range(0, count, ROWS_PER_PIECE)]
    workers = min(len(os.sched_getaffinity(0)), count // ROWS_WORTH_A_PROCESS)
    if workers == 0:
        worker = _Worker(folder, columns, fill)
        for piece in pieces:
            worker.write(piece)
        return
    text = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    # Fork may deadlock a process that runs torch, and spawn imports it once a worker.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([type(fill).__module__])
    with Progress(*text, console=Console(file=sys.stderr)) as progress:
        bar = progress.add_task(f"preparing {name}", total=count)
        pool = ProcessPoolExecutor(workers, context, _start_worker, (folder, columns, fill))
        try:
            for future in as_completed([pool.submit(_write, piece) for piece in pieces]):
                progress.advance(bar, future.result())
        finally:
            pool.shutdown(cancel_futures=True)


class _Worker:
    """Computes rows and writes them into the files of `folder`."""

    def __init__(self, folder: Path, columns: list[str], fill: Fill) -> None:
        self.arrays, self.fill = _open(folder, columns, "r+"), fill

    def write(self, rows: range) -> int:
        """Write some rows; returns how many."""
        for column, values in self.fill(rows).items():
            self.arrays[column][rows.start : rows.stop] = values
        return len(rows)


_worker: _Worker


def _start_worker(folder: Path, columns: list[str], fill: Fill) -> None:
    global _worker
    _worker = _Worker(folder, columns, fill)


def _write(rows: range) -> int:
    return _worker.write(rows)
