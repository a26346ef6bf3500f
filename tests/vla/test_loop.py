"""The loop: schedules, resuming to the bit, interruptions and what it refuses, on a small regression."""

import itertools
import json
import math
import os
import signal
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils.data import Dataset

from tests.vla.runs import LOOP, assert_same_files
from vla.config import LoopConfig
from vla.errors import ConfigError, VLAError
from vla.training import loop
from vla.training.loop import Batch, learning_rate, make_accelerator, parameter_groups, train

pytestmark = pytest.mark.usefixtures("fresh_accelerator")


class Noise(Dataset[Batch]):
    """Regression batches, each a function of its step; `then` is called with every step that is read."""

    def __init__(self, then: Callable[[int], None] = lambda step: None) -> None:
        self.then = then

    def __len__(self) -> int:
        return 1000

    def __getitem__(self, step: int) -> Batch:
        self.then(step)
        generator = torch.Generator().manual_seed(step)
        return {"x": torch.randn(8, 6, generator=generator), "y": torch.randn(8, 2, generator=generator)}


def squared_error(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    loss = (model(batch["x"]) - batch["y"]).square().mean()
    return loss, {"root": loss.detach().sqrt()}


def small_model() -> nn.Module:
    """Something of everything that an interruption must not change: dropout, batch norm, decayed weights."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.GELU(), nn.Linear(8, 2))


def run(out: Path, stop_after: int | None = None, batches: Noise | None = None, **changes: Any) -> nn.Module:
    config = LoopConfig(**(LOOP | changes))
    model = small_model()
    train(model, batches or Noise(), squared_error, config, out, make_accelerator(config), stop_after)
    return model


def test_what_is_held_out_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    config, model, seen = LoopConfig(**LOOP), small_model(), []  # type: ignore[var-annotated]
    without = run(tmp_path / "without")
    parts = make_accelerator(config)
    train(model, Noise(), squared_error, config, tmp_path / "with", parts, held_out=Noise(seen.append))
    for name, value in without.state_dict().items():
        assert torch.equal(value, model.state_dict()[name]), name
    lines = [json.loads(line) for line in (tmp_path / "with/log.jsonl").read_text().splitlines()]
    assert len(seen) == len(lines) and all(line["held_out/root"] > 0 for line in lines)
    assert "held_out/root" not in (tmp_path / "without/log.jsonl").read_text()


class TestSchedule:
    config = LoopConfig(steps=110, batch_size=1, learning_rate=2.0, warmup_steps=10)

    def test_it_rises_to_the_peak_and_falls_as_a_cosine(self) -> None:
        rates = [learning_rate(step, self.config) for step in range(110)]
        assert rates[0] == pytest.approx(0.2)
        assert rates[9] == rates[10] == 2.0
        assert rates[60] == pytest.approx(1.0)
        assert rates[35] == pytest.approx(1.0 + math.cos(math.pi / 4))
        assert all(before > after for before, after in itertools.pairwise(rates[10:]))
        assert 0 < rates[-1] < 0.001

    @pytest.mark.parametrize(("steps", "warmup"), [(1, 0), (5, 0), (3, 10), (10, 10)])
    def test_every_length_works(self, steps: int, warmup: int) -> None:
        config = self.config.model_copy(update={"steps": steps, "warmup_steps": warmup})
        assert all(0 < learning_rate(step, config) <= 2.0 for step in range(steps))


def test_matrices_decay_and_vectors_do_not() -> None:
    model = small_model()
    model[4].weight.requires_grad_(False)
    groups = parameter_groups(model, LoopConfig(**LOOP, weight_decay=0.1))
    rest, decayed = sorted(groups, key=lambda group: group["weight_decay"])
    assert decayed["weight_decay"] == 0.1 and rest["weight_decay"] == 0.0
    assert [id(p) for p in decayed["params"]] == [id(model[0].weight)]
    assert len(rest["params"]) == 4  # biases and the norm's weight
    assert decayed["rate"] == rest["rate"] == 1.0


def test_parts_may_learn_slowly_or_not_at_all(tmp_path: Path) -> None:
    before = small_model().state_dict()
    rates = {"0.": 0.01, "4.weight": 0.0}
    after = run(tmp_path / "whole", rates=rates, weight_decay=0.0).state_dict()
    moved = {name: float((after[name] - before[name]).abs().max()) for name in before if name[0] in "04"}
    assert 0 < moved["0.weight"] < 0.02 * LOOP["learning_rate"] * LOOP["steps"] < moved["4.bias"]
    assert moved["4.weight"] == 0.0
    run(tmp_path / "parts", stop_after=2, rates=rates, weight_decay=0.0)
    run(tmp_path / "parts", rates=rates, weight_decay=0.0)
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def test_two_and_two_steps_equal_four(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    run(tmp_path / "parts", stop_after=2)
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 2}
    parts = run(tmp_path / "parts")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")
    held = parts.state_dict()
    assert all(torch.equal(value, held[name]) for name, value in whole.state_dict().items())


def test_a_deadline_decides_the_number_of_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, steps = datetime(2026, 1, 1, 12), []

    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return now

    monkeypatch.setattr(loop, "datetime", Clock)
    monkeypatch.setattr(loop.time, "monotonic", lambda: float(len(steps)))  # a step takes a second
    settings = {"steps": 1000, "warmup_steps": 5, "deadline": now + timedelta(seconds=100)}
    run(tmp_path, batches=Noise(steps.append), **settings)
    assert len(steps) == 50 + 95
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert log[-1]["step"] == 145 and log[-1]["learning_rate"] < 0.001 * LOOP["learning_rate"]
    now += timedelta(seconds=200)
    run(tmp_path, batches=Noise(steps.append), **settings)
    assert len(steps) == 145, "what is over stays so"
    with pytest.raises(ConfigError, match="has passed"):
        run(tmp_path / "late", **settings)


def test_a_finished_run_stays_as_it_is(tmp_path: Path) -> None:
    whole = run(tmp_path).state_dict()
    again = run(tmp_path).state_dict()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    assert len((tmp_path / "log.jsonl").read_text().splitlines()) == 4


def test_an_interrupted_run_is_saved_and_goes_on(tmp_path: Path) -> None:
    def interrupt(step: int) -> None:
        if step == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", batches=Noise(interrupt))
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 3}
    run(tmp_path / "parts")
    run(tmp_path / "whole")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def test_half_a_step_is_not_saved(tmp_path: Path) -> None:
    def interrupted(model: nn.Module, batch: Batch) -> Any:
        model(batch["x"])  # batch norm has learned from it
        raise KeyboardInterrupt

    run(tmp_path, stop_after=2)
    before = {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()}
    config = LoopConfig(**LOOP)
    with pytest.raises(KeyboardInterrupt):
        train(small_model(), Noise(), interrupted, config, tmp_path, make_accelerator(config))
    assert {path.name: path.read_bytes() for path in (tmp_path / "state").iterdir()} == before


def unexpected(number: int, frame: object) -> None:
    raise AssertionError(f"signal {number} came through")


@pytest.mark.parametrize(
    ("number", "before"),
    # A shell lets background jobs ignore Ctrl-C.
    [(signal.SIGTERM, unexpected), (signal.SIGINT, signal.SIG_IGN)],
)
def test_a_signal_is_an_interruption(tmp_path: Path, number: signal.Signals, before: Any) -> None:
    def send(step: int) -> None:
        if step == 3:
            os.kill(os.getpid(), number)

    previous = signal.signal(number, before)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(tmp_path, batches=Noise(send))
        assert signal.getsignal(number) is before, "what was there before comes back"
    finally:
        signal.signal(number, previous)
    assert json.loads((tmp_path / "state/state.json").read_text()) == {"step": 3}


def test_training_in_a_thread_leaves_signals_alone(tmp_path: Path) -> None:
    thread = threading.Thread(target=run, args=(tmp_path,))
    thread.start()
    thread.join()
    assert json.loads((tmp_path / "state/state.json").read_text()) == {"step": 4}


def test_a_kill_costs_the_steps_since_the_last_saved_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def kill(step: int) -> None:
        if step == 3:
            monkeypatch.setattr("vla.training.loop.save_training_state", lambda *arguments: None)
            raise Killed

    with pytest.raises(Killed):
        run(tmp_path / "parts", batches=Noise(kill))
    assert json.loads((tmp_path / "parts/state/state.json").read_text()) == {"step": 2}
    monkeypatch.undo()
    run(tmp_path / "parts")
    run(tmp_path / "whole")
    assert_same_files(tmp_path / "whole/state", tmp_path / "parts/state")


def test_a_loss_that_is_no_number_stops_and_spoils_nothing(tmp_path: Path) -> None:
    class Broken(Noise):
        def __getitem__(self, step: int) -> Batch:
            batch = super().__getitem__(step)
            return {**batch, "y": batch["y"] * (math.nan if step == 3 else 1.0)}

    with pytest.raises(VLAError, match="loss is nan at step 4; lower learning_rate"):
        run(tmp_path / "out", batches=Broken())
    # What was saved before is still there, and is what it was.
    run(tmp_path / "whole", stop_after=2)
    assert_same_files(tmp_path / "whole/state", tmp_path / "out/state")


def test_gradients_are_clipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    norms: list[float] = []
    step = torch.optim.AdamW.step

    def measured(self: torch.optim.AdamW, *arguments: Any, **options: Any) -> Any:
        gradients = [p.grad.flatten() for group in self.param_groups for p in group["params"]]
        norms.append(float(torch.cat(gradients).norm()))
        return step(self, *arguments, **options)

    monkeypatch.setattr(torch.optim.AdamW, "step", measured)
    run(tmp_path / "clipped", gradient_clip=0.01)
    run(tmp_path / "free", gradient_clip=0.0)
    assert norms[:4] == pytest.approx([0.01] * 4, rel=1e-3)
    assert min(norms[4:]) > 0.1


def test_what_happened_is_logged(tmp_path: Path) -> None:
    config = LoopConfig(**(LOOP | {"log_every": 2}))
    last = train(small_model(), Noise(), squared_error, config, tmp_path, make_accelerator(config))
    lines = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert lines[1]["loss"] == pytest.approx(last["loss"], abs=1e-6)
    assert lines[1]["root"] == pytest.approx(math.sqrt(last["loss"]), abs=1e-5)
    assert lines[0]["learning_rate"] == pytest.approx(learning_rate(1, config))
    assert list((tmp_path / "tensorboard").iterdir())


def test_bf16_trains(tmp_path: Path) -> None:
    model = run(tmp_path, precision="bf16")
    assert all(p.dtype == torch.float32 and bool(torch.isfinite(p).all()) for p in model.parameters())


def test_a_rate_for_no_part_of_the_model_is_refused() -> None:
    with pytest.raises(ConfigError, match="Valid: 0, 1, 4"):
        parameter_groups(small_model(), LoopConfig(**LOOP, rates={"O": 0.1}))
