"""Plots of what was measured: success by split and task, causes of failure, training curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("agg")  # no display

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from vla.evaluation.failures import FAILURES
from vla.evaluation.metrics import Rate

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


def plot_training(log: Path, path: Path) -> None:
    """Losses of a run against its steps, from its `log.jsonl`; those of what is held out dotted."""
    rows = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    names = sorted({name for row in rows for name in row if name.startswith("loss")})
    with _figure(path, 12) as axes:
        for name in names:
            (line,) = axes.plot(*_curve(rows, name), label=name)
            axes.plot(*_curve(rows, name.replace("loss", "held_out")), ":", color=line.get_color())
        axes.set_yscale("log")
        axes.set_xlabel("step")
        axes.set_ylabel("nats a token")
        axes.legend(fontsize="small")


def plot_risk(curve: Sequence[tuple[float, float]], answered: float, path: Path) -> None:
    """Share of wrong answers against the share of questions answered, the surest first; in [0, 1]."""
    with _figure(path, 10) as axes:
        axes.plot([100 * share for share, _ in curve], [100 * risk for _, risk in curve])
        axes.axvline(100 * answered, color="black", linewidth=1, linestyle=":", label="not held back")
        axes.set_xlabel("questions answered, %, the surest first")
        axes.set_ylabel("wrong of them, %")
        axes.legend(fontsize="small")


def plot_rates(rates: Mapping[int, Rate], path: Path, what: str) -> None:
    """Success against a number, as wide apart as their logarithms, each with its interval."""
    with _figure(path, 10) as axes:
        numbers, values = list(rates), [rate.value for rate in rates.values()]
        lows, highs = zip(*(rate.interval for rate in rates.values()), strict=True)
        axes.plot(numbers, [100 * value for value in values], marker="o")
        axes.vlines(numbers, [100 * low for low in lows], [100 * high for high in highs], color="black")
        axes.set_xscale("log")
        axes.set_xticks(numbers, [str(number) for number in numbers])
        axes.set_ylim(0, 100)
        axes.set_xlabel(what)
        axes.set_ylabel(AXIS)


def _curve(rows: Sequence[Mapping[str, float]], name: str) -> tuple[list[float], list[float]]:
    """Steps and values of one scalar of a log."""
    found = [row for row in rows if name in row]
    return [row["step"] for row in found], [row[name] for row in found]


@contextmanager
def _figure(path: Path, rows: int) -> Iterator[Axes]:
    """A figure as high as some bars, written when the block ends without error."""
    figure, axes = plt.subplots(figsize=(7, 1 + INCH * rows), layout="constrained")
    try:
        yield axes
        figure.savefig(path, dpi=100)
    finally:
        plt.close(figure)


def _label(axes: Axes, names: Sequence[str], what: str) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.set_xlabel(what)
