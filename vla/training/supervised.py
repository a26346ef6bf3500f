"""Co-fine-tuning: next-token prediction on actions and answers together (`vla train vla`)."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from vla.actions.bins import NUM_BINS
from vla.config import MixtureConfig, VLATrainConfig
from vla.data.collate import turn_mask
from vla.data.mixture import CoFineTuningBatches, TurnPacker, embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.data.replay import ReplayedBatches
from vla.data.vqa import TABLE_RANGE
from vla.errors import ConfigError
from vla.model.build import build_model
from vla.model.configuration_vla import VLAConfig
from vla.model.lora import add_adapters, merge_adapters
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor
from vla.training.checkpoint import (
    claim_run,
    git_commit,
    load_model,
    record_of,
    run_record,
    save_model,
)
from vla.training.loop import Batch, LossFunction, make_accelerator, train
from vla.training.losses import next_token_losses, smoothing_kernel


def decisions(config: VLAConfig, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Which labels of a batch are of actions and which of the plans before them, bool[B, T] each.

    Only motion turns have a state; they come first after the image. A decision begins with the plan, so the
    tokens of that are those that have the prompt, and not the decision, as many places before.
    """
    moving = (batch["input_ids"] == config.state_token_id).sum(dim=1, keepdim=True)
    decision = (batch["labels"] >= 0) & (batch["segments"] <= moving)
    planned = decision & ~nn.functional.pad(decision, (config.plan_tokens, 0))[:, : decision.shape[1]]
    if "plans" in batch:  # where it is not said, all of them do
        planned &= batch["plans"][:, None]
    return decision & ~planned, planned


def supervised_loss(config: VLAConfig, bin_sigma: float, place_weight: float) -> LossFunction:
    """Loss function of packed batches (see `vla.data.collate`): the weighted mean over all learned tokens."""
    kernel = smoothing_kernel(bin_sigma)

    def loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        nonlocal kernel
        kernel = kernel.to(batch["labels"].device)
        learned = batch["labels"] >= 0
        logits = model(
            input_ids=batch["input_ids"],
            pixel_values=batch["pixel_values"],
            states=batch.get("states"),
            wrist_values=batch.get("wrist_values"),
            attention_mask=turn_mask(batch["segments"]),
            position_ids=batch["position_ids"],
            logits_at=learned,
        ).logits
        labels = batch["labels"][learned]
        losses = next_token_losses(logits, labels, config.bin_token_start, kernel)
        bins = (labels >= config.bin_token_start) & (labels < config.bin_token_start + NUM_BINS)
        motion, plan = (part[learned] for part in decisions(config, batch))
        location = bins & ~motion & ~plan
        weights = torch.where(plan | location, place_weight, 1.0)
        parts = {"motion": motion, "plan": plan, "location": location, "words": ~bins}
        # Not a number where a batch has none of a kind; asking whether it has would wait for the GPU.
        scalars = {
            f"loss/{name}": (losses * mask).sum().detach() / mask.sum() for name, mask in parts.items()
        }
        # A batch may hold nothing to learn: stills of which nothing can be asked.
        return (losses * weights).sum() / weights.sum().clamp(min=torch.finfo(weights.dtype).tiny), scalars

    return loss


def _batches(
    config: VLATrainConfig,
    dataset: DemonstrationDataset,
    model: VLAConfig,
    processor: VLAProcessor,
    processes: int,
) -> CoFineTuningBatches | ReplayedBatches:
    """The stream of batches, with old data in them if the configuration names some."""

    def stream(data: DemonstrationDataset, mixture: MixtureConfig, rows: int) -> CoFineTuningBatches:
        return CoFineTuningBatches(
            TurnPacker(data, processor, model, mixture, config.loop.seed),
            batch_size=rows,
            seed=config.loop.seed,
            steps=config.loop.steps * processes,
            augmentation=config.augment,
        )

    rows = config.loop.batch_size
    if config.replay is None:
        return stream(dataset, config.mixture, rows)
    old = min(max(round(config.replay.share * rows), 1), rows - 1)
    changes = {"motion_share": config.replay.motion_share, "demonstrations": None}  # all of the old ones
    mixture = config.mixture.model_copy(update=changes)
    replayed = stream(DemonstrationDataset(Path(config.replay.data)), mixture, old)
    return ReplayedBatches(stream(dataset, config.mixture, rows - old), replayed)


def compile_for_training(model: VLAForConditionalGeneration) -> None:
    """Compile image encoder and decoder where gradients are wanted, in place.

    Most of a step goes through these two. A GPU is through with their small kernels sooner than Python can
    launch them; compiled, there are fewer and larger ones. The rest waits for numbers from the GPU anyway.

    Raises:
        ConfigError: there is no C compiler, which torch's compiler needs.
    """
    if not any(map(shutil.which, (os.environ.get("CC", "cc"), "gcc", "clang"))):
        raise ConfigError("compile=true needs a C compiler; install gcc, or set compile=false")

    def choose(eager: Callable[..., Any]) -> Callable[..., Any]:
        compiled = torch.compile(eager)
        return lambda *args, **kwargs: (compiled if torch.is_grad_enabled() else eager)(*args, **kwargs)

    encoder, reader = model.vision.visual, model.decoder.base_model
    encoder.forward_intermediates = choose(encoder.forward_intermediates)
    reader.forward = choose(reader.forward)


def train_vla(config: VLATrainConfig, out: Path, stop_after: int | None = None) -> dict[str, Any]:
    """Train a model on a dataset and write the checkpoint into `out`.

    Args:
        config: model, data mixture and loop.
        out: run folder; a run that was interrupted there goes on.
        stop_after: see `vla.training.loop.train`.
    Returns:
        What is written to run.json.
    Raises:
        DataError: a run with other data or settings was begun in `out`.
    """
    commit = git_commit()
    torch.manual_seed(config.loop.seed)
    dataset = DemonstrationDataset(Path(config.data))
    embodiments = embodiment_statistics(dataset)
    if config.init is not None:
        model, processor = load_model(Path(config.init))
        # What the weights have learned of a robot goes with the statistics that they learned it with.
        model.config.embodiments = {**embodiments, **model.config.embodiments}
        model.config.calibration = None  # it was the old weights'
    elif config.model is not None:
        model, processor = build_model(config.model, embodiments, [list(r) for r in TABLE_RANGE])
    else:
        raise ConfigError("name a new `model` or an existing checkpoint as `init`")
    model.config.heeds_steps |= config.mixture.step_share > 0
    if config.lora is not None:
        add_adapters(model, config.lora)
    accelerator = make_accelerator(config.loop)
    if accelerator.device.type == "cpu":
        model.decoder.set_attn_implementation("eager")  # a fifth faster a step than sdpa's backward pass here
    with accelerator.main_process_first():  # the others find what it has prepared
        batches = _batches(config, dataset, model.config, processor, accelerator.num_processes)
    batches.to(accelerator.device)
    if config.compile:
        compile_for_training(model)
    claim_run(out, config, dataset.fingerprint)
    loss = supervised_loss(model.config, config.bin_sigma, config.place_weight)
    metrics = train(model, batches, loss, config.loop, out, accelerator, stop_after, batches.validation())
    written = record_of(out / "checkpoint", metrics["step"])
    if written is not None:
        return written
    if config.lora is not None:
        merge_adapters(model)
    run = run_record("vla", commit, config, dataset.fingerprint, model, metrics)
    if accelerator.is_main_process:
        save_model(out / "checkpoint", model, processor, run)
    return run
