"""Plots of what was measured: success by split and task, causes of failure, training curves."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")  # no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from vla.evaluation.failures import FAILURES

INCH = 0.28  # of height, a bar
AXIS = "success, % (95 % interval)"


def plot_report(report: Mapping[str, Any], folder: Path) -> None:
    """Draw a report of `vla.evaluation.suite.evaluate` into PNG files.

    `splits.png` has the success of each split, `tasks-SPLIT.png` that of its tasks and the baselines,
    `failures.png` the causes of failure.
    """
    splits = report["splits"]
    bars(
        {name: (split["average_success_rate"], split["interval"]) for name, split in splits.items()},
        folder / "splits.png",
    )
    for name, split in splits.items():
        tasks = {
            f"{task}, {driver}" if len(results) > 1 else task: (result["success_rate"], result["interval"])
            for task, results in split["tasks"].items()
            for driver, result in results.items()
        }
        bars(tasks, folder / f"tasks-{name}.png")
    counts = {
        name: [results["policy"]["failures"] for results in split["tasks"].values()]
        for name, split in splits.items()
    }
    plot_failures(counts, folder / "failures.png")


def bars(rates: Mapping[str, tuple[float, Sequence[float]]], path: Path) -> None:
    """One bar a rate, each with its interval; rates in [0, 1]."""
    with _figure(path, len(rates)) as axes:
        for place, (rate, (low, high)) in enumerate(rates.values()):
            axes.barh(place, 100 * rate, color="tab:blue")
            # The mean over tasks need not lie inside the interval of all episodes together.
            axes.plot([100 * low, 100 * high], [place, place], color="black", linewidth=1)
        _label(axes, list(rates), AXIS)
        axes.set_xlim(0, 100)


def plot_failures(counts: Mapping[str, Sequence[Mapping[str, int]]], path: Path) -> None:
    """Causes of failure of each split, counts of its tasks added up, beside each other in one bar."""
    with _figure(path, len(counts) + 2) as axes:
        left = [0] * len(counts)
        for cause in FAILURES:
            widths = [sum(task.get(cause, 0) for task in tasks) for tasks in counts.values()]
            axes.barh(range(len(counts)), widths, left=left, label=cause)
            left = [start + width for start, width in zip(left, widths, strict=True)]
        _label(axes, list(counts), "failed episodes")
        axes.legend(ncols=4, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))


def plot_training(logs: Mapping[str, Path], path: Path) -> None:
    """Losses of one or several runs against their steps; `log.jsonl` of each."""
    with _figure(path, 12) as axes:
        for name, log in logs.items():
            rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
            for key in sorted({key for row in rows for key in row if key.startswith("loss")}):
                points = [(row["step"], row[key]) for row in rows if key in row]
                axes.plot(*zip(*points, strict=True), label=f"{name} {key}".strip())
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.legend(fontsize="small")


def plot_demonstrations(rates: Mapping[int, tuple[float, Sequence[float]]], path: Path) -> None:
    """Success against the number of demonstrations learned from; rates in [0, 1] with intervals."""
    with _figure(path, 12) as axes:
        numbers, values = list(rates), [100 * rate for rate, _ in rates.values()]
        axes.plot(numbers, values, marker="o")
        for number, (_, (low, high)) in rates.items():
            axes.plot([number, number], [100 * low, 100 * high], color="black", linewidth=1)
        axes.set_xscale("log")
        axes.set_xlabel("demonstrations")
        axes.set_ylabel(AXIS)
        axes.set_ylim(0, 100)


class _figure:
    """A figure that is written when its block ends without error."""

    def __init__(self, path: Path, rows: int) -> None:
        self.path = path
        self.figure, self.axes = plt.subplots(figsize=(7, 1 + INCH * rows), layout="constrained")

    def __enter__(self) -> Axes:
        return self.axes

    def __exit__(self, kind: Any, *_: Any) -> None:
        if kind is None:
            self.figure.savefig(self.path, dpi=100)
        plt.close(self.figure)


def _label(axes: Axes, names: Sequence[str], what: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(what)
