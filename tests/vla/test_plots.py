"""Plots of what was measured; those of a report are made in test_rollout.py."""

import json
from pathlib import Path

from PIL import Image

from vla.evaluation.metrics import Rate
from vla.evaluation.plots import plot_rates, plot_training


def test_losses_of_a_run_are_drawn(tmp_path: Path) -> None:
    rows = [
        {"step": 1, "loss": 2.0, "loss/motion": 3.0, "held_out/motion": 4.0},
        {"step": 2, "loss": 1.0, "steps_per_s": 4.0},
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    plot_training(tmp_path / "log.jsonl", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as plot:
        assert plot.width > 300


def test_success_is_drawn_against_a_number(tmp_path: Path) -> None:
    rates = {10: Rate(0, 20), 100: Rate(5, 20), 1000: Rate(20, 20)}
    plot_rates(rates, tmp_path / "rates.png", "demonstrations")
    with Image.open(tmp_path / "rates.png") as plot:
        assert plot.width > 300
