"""Speed of training beside transformers' `Trainer` on the same model and data (`vla bench`)."""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode
from transformers import PrinterCallback, Trainer, TrainingArguments

from vla.config import CollectRecipe, LoopConfig, MixtureConfig
from vla.data.collate import Turn, pack_turns, sequences
from vla.data.collect import collect
from vla.data.mixture import CoFineTuningBatches, TurnPacker, embodiment_statistics
from vla.data.reader import DemonstrationDataset
from vla.evaluation.bench import Measurement
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor, square_image
from vla.training.loop import Batch, LossFunction, make_accelerator, train
from vla.training.supervised import supervised_loss

Sample = tuple[int, list[Turn]]
"""A frame and turns about it."""
Decoded = tuple[dict[str, np.ndarray], list[Turn]]
"""The pictures that the turns are about, by camera, and the turns."""

RECIPE = CollectRecipe(
    name="bench", seed=0, split="basic", tasks={"pick_up": 20, "place_in_bowl": 20}, scenes=500
)
MIXTURE = MixtureConfig(motion_share=0.5, questions_per_image=6, max_tokens=176)
BATCH_SIZE = 64
STEPS = 8  # of a run, the first of which is not counted
ROUNDS = 3  # turns that each contender takes
MATRIX = 2048  # side of the matrices whose product is the machine's peak


def measure_training(
    model: VLAForConditionalGeneration, processor: VLAProcessor, device: str
) -> Iterator[Measurement]:
    """Speed of our loop beside `Trainer`'s, and the share of the machine's matrix-product peak.

    A turn is an instruction with its actions or a question with its answer. `Trainer` is given them in two
    ways: each with its picture, as they are usually given, and all about one picture packed as ours are.

    Args:
        model: copied, not changed.
        processor: the model's.
        device: "cpu" or "cuda".
    Yields:
        The three measurements.
    """
    loop = LoopConfig(
        steps=STEPS,
        batch_size=BATCH_SIZE,
        learning_rate=1e-4,
        device="cpu" if device == "cpu" else "auto",
        log_every=STEPS,
    )
    with tempfile.TemporaryDirectory() as folder:
        sees = {"image_size": processor.image_size, "cameras": list(model.config.cameras)}
        collect(RECIPE.model_copy(update=sees), Path(folder, "demos"))
        dataset = DemonstrationDataset(Path(folder, "demos"))
        model = copy.deepcopy(model).train()
        model.config.embodiments = embodiment_statistics(dataset)
        packer = TurnPacker(dataset, processor, model.config, MIXTURE, seed=0)
        batches = CoFineTuningBatches(packer, batch_size=BATCH_SIZE, seed=0, steps=STEPS)
        batches.to(make_accelerator(loop).device)
        packed = [(int(frame), packer.turns(row)) for row, frame in enumerate(packer.frames)]
        apart = [(frame, [turn]) for frame, turns in packed for turn in turns]
        speed: dict[str, list[float]] = {"ours": [], "packed": [], "apart": []}
        for turn in range(ROUNDS):
            speed["ours"].append(_our_speed(model, batches, loop, Path(folder, f"ours{turn}")))
            for name, samples in (("packed", packed), ("apart", apart)):
                out = Path(folder, f"{name}{turn}")
                speed[name].append(_trainer_speed(model, packer, samples, loop, out))
        ours, theirs = median(speed["ours"]), median(speed["packed"])
        what = f"training in batches of {BATCH_SIZE}"
        turns, single = ours * len(apart) / len(packed), median(speed["apart"])
        yield Measurement(f"{what}, beside transformers Trainer", turns, "turns/s", single, turns / single)
        yield Measurement(f"{what}, Trainer's packed too", ours, "pictures/s", theirs, ours / theirs)
        achieved, peak = ours * _flops(model, batches[0]) / BATCH_SIZE / 1e9, _peak(loop)
        yield Measurement(
            f"{what}, beside the product of two matrices", achieved, "GFLOP/s", peak, achieved / peak
        )


class _Clock:
    """A loss function that notes when it is asked."""

    def __init__(self, loss: LossFunction) -> None:
        self.loss, self.asked = loss, list[float]()

    def __call__(self, model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.asked.append(time.perf_counter())
        return self.loss(model, batch)

    def samples_per_second(self) -> float:
        """Between the second time and the last one."""
        return BATCH_SIZE * (len(self.asked) - 2) / (self.asked[-1] - self.asked[1])


def _our_speed(
    model: VLAForConditionalGeneration, batches: CoFineTuningBatches, loop: LoopConfig, out: Path
) -> float:
    accelerator = make_accelerator(loop)
    trained = copy.deepcopy(model)
    if accelerator.device.type == "cpu":
        trained.decoder.set_attn_implementation("eager")  # as `train_vla` does
    clock = _Clock(supervised_loss(model.config, bin_sigma=2.0, place_weight=2.0))
    train(trained, batches, clock, loop, out, accelerator)
    return clock.samples_per_second()


def _trainer_speed(
    model: VLAForConditionalGeneration,
    packer: TurnPacker,
    samples: Sequence[Sample],
    loop: LoopConfig,
    out: Path,
) -> float:
    """The usual way: a dataset that decodes a picture when asked, a collator, and Trainer's defaults."""
    clock = _Clock(supervised_loss(model.config, bin_sigma=2.0, place_weight=2.0))

    class Timed(Trainer):
        def compute_loss(self, model: nn.Module, inputs: Batch, *_: Any, **options: Any) -> Any:
            return clock(model, inputs)[0]

        def get_train_dataloader(self) -> DataLoader[Any]:
            # Trainer's own takes the folder datasets/ of a checkout for Hugging Face's package.
            loader = DataLoader(
                _Samples(samples, packer), BATCH_SIZE, shuffle=True, collate_fn=_collator(packer)
            )
            return self.accelerator.prepare(loader)

    arguments = TrainingArguments(
        output_dir=str(out),
        max_steps=loop.steps,
        per_device_train_batch_size=BATCH_SIZE,
        learning_rate=loop.learning_rate,
        max_grad_norm=loop.gradient_clip,
        bf16=make_accelerator(loop).mixed_precision == "bf16",
        use_cpu=loop.device == "cpu",
        remove_unused_columns=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )
    trainer = Timed(copy.deepcopy(model), arguments)
    trainer.remove_callback(PrinterCallback)  # the standard output is ours
    trainer.train()
    return clock.samples_per_second()


class _Samples(Dataset[Decoded]):
    """Pictures, decoded when asked for, and turns about them; only an action is shown the wrist camera's."""

    def __init__(self, samples: Sequence[Sample], packer: TurnPacker) -> None:
        self.samples, self.dataset, self.sizes = samples, packer.dataset, packer.config.image_sizes

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> Decoded:
        frame, turns = self.samples[index]
        cameras = list(self.sizes) if turns and turns[0].state is not None else ["front"]
        pictures = {camera: self.dataset.image(frame, camera) for camera in cameras}
        return {name: square_image(image, self.sizes[name]) for name, image in pictures.items()}, turns


def _collator(packer: TurnPacker) -> Any:
    pad, prefix = packer.processor.tokenizer.pad_token_id, packer.processor.prefix_ids()

    def collate(samples: Sequence[Decoded]) -> Batch:
        length = max(sum(map(len, turns)) for _, turns in samples)
        rows = zip(*(pack_turns(turns, length, pad) for _, turns in samples), strict=True)
        batch = sequences(prefix, *(torch.from_numpy(np.stack(column)) for column in rows))
        states = [turns[0].state for _, turns in samples if turns and turns[0].state is not None]
        columns = {
            "pixel_values": [pictures["front"] for pictures, _ in samples],
            "wrist_values": [pictures["wrist"] for pictures, _ in samples if "wrist" in pictures],
            "states": states,
        }
        return batch | {name: torch.from_numpy(np.stack(rows)) for name, rows in columns.items() if rows}

    return collate


def _flops(model: VLAForConditionalGeneration, batch: Batch) -> float:
    """Floating-point operations of a step's matrix products and convolutions."""
    loss = supervised_loss(model.config, bin_sigma=2.0, place_weight=2.0)
    trained = copy.deepcopy(model).cpu()
    with FlopCounterMode(display=False) as counter:
        loss(trained, {name: value.cpu() for name, value in batch.items()})[0].backward()
    return float(counter.get_total_flops())


def _peak(loop: LoopConfig) -> float:
    """GFLOP/s of the product of two square matrices in the precision that is trained in."""
    accelerator = make_accelerator(loop)
    dtype = torch.bfloat16 if accelerator.mixed_precision == "bf16" else torch.float32
    matrix = torch.randn(MATRIX, MATRIX, device=accelerator.device, dtype=dtype)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        matrix @ matrix
        if accelerator.device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return 2 * MATRIX**3 / min(seconds) / 1e9
