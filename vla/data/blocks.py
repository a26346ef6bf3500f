"""Do a plan of work block by block in a pool of processes, so that a killed run resumes where it stopped.

A block is a fixed run of attempts at one task. Its result is stored in a file of its own, and what is taken
from the results depends on the order of the attempts alone, never on which process finished first.
"""

from __future__ import annotations

import json
import math
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from vla.errors import DataError, StorageError
from vla.files import atomic_write

ATTEMPTS_PER_BLOCK = 10
"""One to two seconds of work: little is lost by a kill, and workers end at about the same time."""
LEAST_SUCCESS = 0.2
MANY_ATTEMPTS = 50
"""A task that succeeds in less than LEAST_SUCCESS of at least MANY_ATTEMPTS attempts stops the run."""
ATTEMPTS_KEY = b"attempts"


@dataclass(frozen=True)
class Attempt:
    """One attempt: `length` frames were recorded if it succeeded, else 0."""

    number: int
    success: bool
    instruction: str
    length: int


@dataclass(frozen=True)
class Block:
    """The attempts `attempts()` at one task."""

    task: str
    number: int

    def attempts(self) -> range:
        """The numbers of its attempts."""
        return range(self.number * ATTEMPTS_PER_BLOCK, (self.number + 1) * ATTEMPTS_PER_BLOCK)

    def path(self, folder: Path) -> Path:
        """The file of its result."""
        return folder / f"{self.task}-{self.number:05d}.parquet"


def store_block(
    path: Path, schema: pa.Schema, attempts: Sequence[Attempt], episodes: Sequence[pa.Table]
) -> None:
    """Store a block's result: its attempts, and one row group for each that succeeded."""
    text = json.dumps([asdict(attempt) for attempt in attempts], ensure_ascii=False)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(
        sink, schema.with_metadata({ATTEMPTS_KEY: text.encode()}), use_dictionary=False
    ) as file:
        for episode in episodes:
            file.write_table(episode, row_group_size=len(episode))
    atomic_write(path, sink.getvalue().to_pybytes())


def load_attempts(path: Path) -> list[Attempt] | None:
    """The attempts of a stored block, None where it is not stored (or damaged: then it is done again)."""
    try:
        text = pq.read_schema(path).metadata[ATTEMPTS_KEY]
    except (FileNotFoundError, pa.ArrowException, KeyError, TypeError):
        return None
    return [Attempt(**attempt) for attempt in json.loads(text)]


class Plan:
    """Which blocks are still to be done, and which attempts count: the first `target` successes of each task.

    Args:
        targets: task -> successful attempts asked for.
    """

    def __init__(self, targets: dict[str, int]) -> None:
        self.targets = targets
        self._planned = dict.fromkeys(targets, 0)
        self._results: dict[Block, list[Attempt]] = {}

    def next_blocks(self) -> list[Block]:
        """Blocks to be done now: what is missing of each task whose planned blocks are all done."""
        blocks = []
        for task, target in self.targets.items():
            planned = [Block(task, number) for number in range(self._planned[task])]
            if any(block not in self._results for block in planned):
                continue
            missing = target - sum(attempt.success for block in planned for attempt in self._results[block])
            more = max(0, math.ceil(missing / ATTEMPTS_PER_BLOCK))
            blocks += [Block(task, number) for number in range(len(planned), len(planned) + more)]
            self._planned[task] += more
        return blocks

    def add(self, block: Block, attempts: list[Attempt]) -> None:
        """Take in a block's result.

        Raises:
            DataError: nearly all attempts at its task fail.
        """
        self._results[block] = attempts
        tried = [
            attempt for done, result in self._results.items() if done.task == block.task for attempt in result
        ]
        successes = sum(attempt.success for attempt in tried)
        if len(tried) >= MANY_ATTEMPTS and successes < LEAST_SUCCESS * len(tried):
            raise DataError(
                f"the expert of task {block.task!r} succeeded in {successes} of {len(tried)} attempts; "
                "lower the recipe's noise, or mend the expert"
            )

    def done(self) -> int:
        """Number of successful attempts so far that are asked for."""
        successes = dict.fromkeys(self.targets, 0)
        for block, attempts in self._results.items():
            successes[block.task] += sum(attempt.success for attempt in attempts)
        return sum(min(successes[task], target) for task, target in self.targets.items())

    def chosen(self, task: str) -> Iterator[tuple[Block, int, Attempt]]:
        """The first `target` successes of a task in order: block, row group in its file, attempt."""
        left = self.targets[task]
        for number in range(self._planned[task]):
            block = Block(task, number)
            successes = [attempt for attempt in self._results[block] if attempt.success][:left]
            left -= len(successes)
            for row_group, attempt in enumerate(successes):
                yield block, row_group, attempt

    def summary(self) -> dict[str, dict[str, Any]]:
        """What became of each task, counting the attempts up to the last chosen one.

        Returns:
            Task -> {episodes, frames, attempts, failures, success_rate}.
        """
        result = {}
        for task in self.targets:
            chosen = [attempt for _, _, attempt in self.chosen(task)]
            attempts = chosen[-1].number + 1 if chosen else 0
            result[task] = {
                "episodes": len(chosen),
                "frames": sum(attempt.length for attempt in chosen),
                "attempts": attempts,
                "failures": attempts - len(chosen),
                "success_rate": round(len(chosen) / max(attempts, 1), 4),
            }
        return result


def run_plan(plan: Plan, work: Callable[[Block], list[Attempt]], folder: Path, workers: int) -> int:
    """Do every block of a plan that is not stored in `folder` yet, with progress on stderr.

    Args:
        plan: is told every result.
        work: does a block in a worker process and stores its result in `folder`; must be picklable.
        folder: of the stored blocks.
        workers: number of processes.
    Returns:
        The number of frames recorded now, not counting stored ones.
    Raises:
        StorageError: the disk refuses, or a worker process died.
    """
    frames = 0
    running: dict[Future[list[Attempt]], Block] = {}
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _start_worker)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("episodes"))
    rate = TextColumn("{task.fields[rate]:.0f} frames/s, left"), TimeRemainingColumn()
    try:
        with Progress(*columns, *rate, console=Console(file=sys.stderr)) as progress:
            bar = progress.add_task("collecting", total=sum(plan.targets.values()), rate=0.0)

            def note(block: Block, attempts: list[Attempt]) -> None:
                plan.add(block, attempts)
                elapsed = max(progress.tasks[bar].elapsed or 0.0, 1e-9)
                progress.update(bar, description=block.task, completed=plan.done(), rate=frames / elapsed)

            while True:
                while blocks := plan.next_blocks():
                    for block in blocks:
                        stored = load_attempts(block.path(folder))
                        if stored is not None:
                            note(block, stored)
                        else:
                            running[pool.submit(work, block)] = block
                if not running:
                    return frames
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    attempts = future.result()
                    frames += sum(attempt.length for attempt in attempts)
                    note(running.pop(future), attempts)
    except BrokenProcessPool as error:
        raise StorageError(
            "a worker process died, perhaps for lack of memory; run the same command again to resume, "
            "with fewer --workers if it repeats"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _start_worker() -> None:
    """Use one thread, leave Ctrl-C to the parent, and end with it even when it is killed."""
    pa.set_cpu_count(1)
    os.environ["OMP_NUM_THREADS"] = "1"  # for a policy, should the work need one: read as torch is imported
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
