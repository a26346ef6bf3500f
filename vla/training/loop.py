"""The one training loop: steps over a stream of batches, on a CPU, a GPU or several, through accelerate."""

from __future__ import annotations

import json
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedDataParallelKwargs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn
from torch.utils.data import Dataset
from torch.utils.tensorboard import SummaryWriter

from vla.config import LoopConfig
from vla.errors import ConfigError, describe_unknown
from vla.training.checkpoint import STATE_FOLDER, load_training_state, save_training_state

Batch = dict[str, torch.Tensor]
UNMEASURED_STEPS, MEASURED_STEPS = 10, 40
"""Steps at the start that tell nothing of the speed, and those after them that do, at least."""
USED_SHARE = 0.95
"""Of the time until the deadline; the rest is for what comes after the last step, and for slower steps."""
LossFunction = Callable[[nn.Module, Batch], tuple[torch.Tensor, dict[str, torch.Tensor]]]


def learning_rate(step: int, config: LoopConfig) -> float:
    """Linear warm-up, then a cosine to zero; a pure function of the step."""
    if step < config.warmup_steps:
        return config.learning_rate * (step + 1) / config.warmup_steps
    progress = (step - config.warmup_steps) / max(1, config.steps - config.warmup_steps)
    return config.learning_rate * 0.5 * (1.0 + math.cos(math.pi * progress))


def parameter_groups(model: nn.Module, config: LoopConfig) -> list[dict[str, Any]]:
    """Matrices decay, vectors (biases, norms) do not; `config.rates` slows or freezes parts."""
    names = [name for name, _ in model.named_parameters()]
    for prefix in config.rates:
        if not any(name.startswith(prefix) for name in names):
            parts = sorted({name.split(".")[0] for name in names})
            raise ConfigError(describe_unknown("part of the model in loop.rates", prefix, parts))
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        rate = next((rate for prefix, rate in config.rates.items() if name.startswith(prefix)), 1.0)
        if rate == 0:
            parameter.requires_grad_(False)
        if parameter.requires_grad:
            groups.setdefault((rate, parameter.ndim >= 2), []).append(parameter)
    return [
        {"params": parameters, "rate": rate, "weight_decay": config.weight_decay if is_matrix else 0.0}
        for (rate, is_matrix), parameters in groups.items()
    ]


def make_accelerator(config: LoopConfig) -> Accelerator:
    """Accelerator for the configured device and precision."""
    # At a step where a process sees no motion, the state projector has no gradient there.
    unused = DistributedDataParallelKwargs(find_unused_parameters=True)
    on_cpu = config.device == "cpu"
    bf16 = config.precision == "bf16" or (config.precision == "auto" and multiplies_bf16(on_cpu))
    return Accelerator(mixed_precision="bf16" if bf16 else "no", cpu=on_cpu, kwargs_handlers=[unused])


def multiplies_bf16(on_cpu: bool) -> bool:
    """Whether bf16 is faster here: a processor that only emulates it takes six times as long."""
    if torch.cuda.is_available() and not on_cpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def train(
    model: nn.Module,
    batches: Dataset[Batch],
    loss_function: LossFunction,
    config: LoopConfig,
    out: Path,
    accelerator: Accelerator,
    stop_after: int | None = None,
    held_out: Dataset[Batch] | None = None,
) -> dict[str, float]:
    """Train in place, resuming from `out/state` if it is there.

    Args:
        model: its parameters are changed in place.
        batches: item `step * processes + rank` is the batch of one process at one step.
        loss_function: (model, batch) -> (scalar loss, named scalars to log).
        config: steps, schedule, precision.
        out: folder for the state, TensorBoard events and `log.jsonl`.
        accelerator: from `make_accelerator`.
        stop_after: stop when this many steps are done, as an interruption would (used by tests).
        held_out: like `batches`, of data that is not learned from; its losses are logged as `held_out/...`.
    Returns:
        The last logged scalars, and the `step` that was reached.
    Raises:
        ConfigError: the loss is no longer a number, or the deadline has passed before the first step.
        KeyboardInterrupt: after the state has been saved, when interrupted by Ctrl-C or SIGTERM.
    """
    optimizer = torch.optim.AdamW(
        parameter_groups(model, config),
        lr=config.learning_rate,
        betas=(0.9, 0.95),
        fused=accelerator.device.type == "cuda",
    )
    state = out / STATE_FOLDER
    done = load_training_state(state, model, optimizer) if (state / "state.json").is_file() else 0
    wrapped, optimizer = accelerator.prepare(model, optimizer)
    last = min(config.steps, stop_after or config.steps)
    if config.deadline is not None and config.deadline < datetime.now(config.deadline.tzinfo):
        if not done:
            raise ConfigError(f"loop.deadline {config.deadline} has passed; name a later one")
        last = done
    logged: dict[str, float] = {}
    out.mkdir(parents=True, exist_ok=True)
    writer = SummaryWriter(str(out / "tensorboard")) if accelerator.is_main_process else None
    progress = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not accelerator.is_main_process,
    )

    def save(step: int) -> None:
        if accelerator.is_main_process:
            save_training_state(state, step, accelerator.unwrap_model(wrapped), optimizer.optimizer)

    wrapped.train()
    started, first = time.monotonic(), done
    measured_from, measured_to = first + UNMEASURED_STEPS, first + UNMEASURED_STEPS + MEASURED_STEPS
    measured_to = max(measured_to, config.warmup_steps)
    measuring = started
    step, whole = done, True
    loss: torch.Tensor | None = None
    with progress, _stop_requests() as stop_requested:
        bar = progress.add_task(out.name, total=config.steps, completed=done, rate="")
        try:
            while step < last:
                item = step * accelerator.num_processes + accelerator.process_index
                batch = batches[item]
                if _any_process(stop_requested(), accelerator):
                    raise KeyboardInterrupt
                whole = False
                torch.manual_seed(config.seed + step)  # dropout, if any, is a function of the step too
                batch = _on_device(batch, accelerator)
                for group in optimizer.param_groups:
                    group["lr"] = group["rate"] * learning_rate(step, config)
                with accelerator.autocast():
                    loss, scalars = loss_function(wrapped, batch)
                accelerator.backward(loss)
                if config.gradient_clip:
                    accelerator.clip_grad_norm_(wrapped.parameters(), config.gradient_clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=True)
                step += 1
                whole = True
                if config.deadline is not None and step in (measured_from, measured_to):
                    loss.item()  # waits for a GPU
                    if step == measured_to:
                        pace = (time.monotonic() - measuring) / (measured_to - measured_from)
                        more = _steps_before(config.deadline, pace, accelerator)
                        config = config.model_copy(update={"steps": min(config.steps, step + more)})
                        last = min(last, config.steps)
                        progress.update(bar, total=config.steps)
                    measuring = time.monotonic()
                saves = step % config.checkpoint_every == 0 and step < last
                logs = step % config.log_every == 0 or step == last
                if (saves or logs) and not math.isfinite(loss.item()):
                    raise ConfigError(f"the loss is {loss.item()} at step {step}; lower learning_rate")
                if logs:
                    rate = (step - first) / (time.monotonic() - started)
                    logged = {"loss": loss.item(), "learning_rate": learning_rate(step - 1, config)}
                    if held_out is not None:
                        wrapped.eval()  # batch norm must not learn from it either
                        with torch.no_grad(), accelerator.autocast():
                            _, others = loss_function(wrapped, _on_device(held_out[item], accelerator))
                        wrapped.train()
                        scalars |= {f"held_out/{name.split('/')[-1]}": part for name, part in others.items()}
                    values = {name: value.item() for name, value in scalars.items()}
                    logged |= {name: value for name, value in values.items() if math.isfinite(value)}
                    logged |= {"steps_per_s": rate, "minutes": (time.monotonic() - started) / 60}
                    if writer is not None:
                        _log(writer, out / "log.jsonl", step, logged)
                        progress.update(bar, rate=f"{rate:.2f} steps/s, loss {logged['loss']:.3f}")
                progress.update(bar, completed=step)
                if saves:
                    save(step)
        finally:
            # Neither half a step nor weights that diverged may replace good ones.
            if whole and (loss is None or math.isfinite(loss.item())):
                save(step)
            if writer is not None:
                writer.close()
    return {"step": step, **logged}


def _steps_before(deadline: datetime, pace: float, accelerator: Accelerator) -> int:
    """How many steps of `pace` seconds end before the deadline: what the main process finds, in all."""
    left = USED_SHARE * (deadline - datetime.now(deadline.tzinfo)).total_seconds()
    steps = max(0, int(left / pace)) if accelerator.is_main_process else 0
    total = accelerator.reduce(torch.tensor(steps, device=accelerator.device))
    assert isinstance(total, torch.Tensor)
    return int(total.item())


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Notice Ctrl-C and a polite kill (SIGTERM), also in a background job; yields whether one has come.

    The loop stops between two steps, for half a step must not be saved. The same signal once more stops at
    once, and what was done since the last saved state is lost; another kind does not, since torchrun passes
    its Ctrl-C on as SIGTERM.
    """
    received: list[int] = []

    def handle(number: int, frame: Any) -> None:
        if number in received:
            raise KeyboardInterrupt
        received.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: bool(received)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _any_process(flag: bool, accelerator: Accelerator) -> bool:
    """Whether a flag is set in any process: all stop at the same step, or some would wait for the others."""
    if accelerator.num_processes == 1:
        return flag
    total = accelerator.reduce(torch.tensor(int(flag), device=accelerator.device))
    assert isinstance(total, torch.Tensor)
    return bool(total.item())


def _on_device(batch: Batch, accelerator: Accelerator) -> Batch:
    return {name: value.to(accelerator.device, non_blocking=True) for name, value in batch.items()}


def _log(writer: SummaryWriter, path: Path, step: int, scalars: dict[str, float]) -> None:
    for name, value in scalars.items():
        writer.add_scalar(name, value, step)
    with path.open("a") as log:
        log.write(json.dumps({"step": step, **{k: round(v, 6) for k, v in scalars.items()}}) + "\n")
