"""What is learned: tokenizer, models, new tasks, confidences."""

from __future__ import annotations

import itertools
import json
from pathlib import Path
from typing import Annotated, Literal

import tyro
from tyro.conf import Positional

from vla.verbs.options import (
    DEFAULT_POLICY,
    CheckpointPath,
    ConfigPath,
    DatasetPath,
    Device,
    File,
    Folder,
    Json,
    OutFolder,
    Overrides,
    TaskName,
    device_of,
    load_engine,
)


def train_tokenizer(out: OutFolder, vocab_size: int = 2048, lines: int = 30_000, seed: int = 0) -> None:
    """Train the tokenizer on the simulator's English and Japanese.

    Example: vla train-tokenizer --out runs/tokenizer

    Args:
        out: folder for the tokenizer.
        vocab_size: tokens in all, action tokens included.
        lines: lines of text to learn from.
        seed: of the text.
    """
    from vla.config import check_seed
    from vla.data.vqa import tokenizer_lines
    from vla.files import atomic_directory, check_replaceable
    from vla.text import tokenizer as text

    check_seed(seed)
    check_replaceable(out, ("tokenizer*.json", "special_tokens_map.json"))
    trained = text.train_tokenizer(tokenizer_lines(lines, seed), vocab_size)
    with atomic_directory(out) as folder:
        trained.save_pretrained(folder)
    print(f"tokenizer of {len(trained)} tokens written to {out}")


def train(
    stage: Positional[Literal["clip", "vla"]],
    config: Positional[ConfigPath],
    /,
    out: OutFolder,
    sets: Overrides = (),
) -> None:
    """Train a model: first its image encoder (clip), then all of it (vla).

    Interrupted, the same command goes on where it stopped.

    Example: vla train vla configs/train/vla_tiny.yaml --out runs/vla --set loop.steps=2000

    Args:
        stage: clip trains the image encoder on captions, vla the whole model on demonstrations and questions.
        config: YAML file that says what to train.
        out: run folder; the model is written to its folder checkpoint.
        sets: changes to the configuration.
    """
    from vla.config import ClipTrainConfig, VLATrainConfig
    from vla.config_files import load_config

    changes = list(itertools.chain.from_iterable(sets))
    if stage == "clip":
        clip_config = load_config(config, ClipTrainConfig, changes)
        from vla.training.contrastive import train_clip

        train_clip(clip_config, out)
    else:
        vla_config = load_config(config, VLATrainConfig, changes)
        from vla.training.supervised import train_vla

        train_vla(vla_config, out)
    from accelerate import PartialState

    PartialState().print(f"model written to {out / 'checkpoint'}")  # once, whatever the number of processes


def new_task(name: Positional[TaskName], /, out: Folder = None) -> None:
    """Write a package with a task of your own, to be changed: it can be recorded and learned at once.

    Example: vla new-task pull_back

    Args:
        name: of the task: lower-case letters, digits and _.
        out: folder for it; without it one of that name.
    """
    from vla.new_task import write_new_task

    folder = write_new_task(name, out or Path(name))
    print(f"task {name!r} written to {folder}; {folder / 'README.md'} says how to go on")


def finetune(
    data: Positional[DatasetPath],
    /,
    out: OutFolder,
    start: Annotated[Path | None, tyro.conf.arg(name="from", metavar="CHECKPOINT")] = None,
    env: File = None,
    replay: Folder = None,
    lora: bool = False,
    sets: Overrides = (),
    workers: int = 2,
    device: Device = "auto",
) -> None:
    """Teach a checkpoint a new task from demonstrations, without unlearning the old ones; measure both.

    Half of what it learns from is old: recorded anew in the simulator, unless --replay names some. The
    last weights that do not do worse on the way are kept. Interrupted, the same command goes on.

    Example: vla finetune demos --plugin pull_back.py --out runs/pull_back

    Args:
        data: dataset folder with demonstrations of the new task.
        out: folder for checkpoint, report.md and report.json.
        start: checkpoint folder to start from; without it the default one.
        env: recipe of the gymnasium env that the task is in, if not in our simulator.
        replay: dataset folder with old tasks and questions.
        lora: train adapters of the decoder instead of its matrices.
        sets: changes to the configuration, such as steps=300, replay=0 or episodes=100.
        workers: processes that record old tasks.
        device: where it is trained and rolled out.
    """
    from vla.config import EnvRecipe, FinetuneConfig
    from vla.config_files import load_config

    changes = list(itertools.chain.from_iterable(sets))
    config = load_config(None, FinetuneConfig, [*(["lora={}"] if lora else []), *changes])
    from transformers.utils import logging

    from vla.evaluation.finetuning import ForeignTask, finetune_markdown
    from vla.evaluation.finetuning import finetune as run

    logging.disable_progress_bar()
    foreign = None if env is None else ForeignTask(load_config(env, EnvRecipe), env.parent)
    report = run(
        start or DEFAULT_POLICY,
        data,
        out,
        config,
        replay=replay,
        env=foreign,
        device=device_of(device),
        workers=workers,
    )
    print(finetune_markdown(report))
    print(f"checkpoint written to {out / 'checkpoint'}; `vla calibrate` makes its confidence true again")


def export(
    checkpoint: Positional[CheckpointPath],
    /,
    out: OutFolder,
    precision: Literal["fp16", "bf16", "fp32"] = "fp16",
) -> None:
    """Copy a trained checkpoint with its weights rounded, to be shared.

    Example: vla export runs/vla/checkpoint --out runs/policy

    Args:
        checkpoint: folder of a trained model.
        out: folder for the copy; an earlier copy there is replaced.
        precision: of the weights; fp16 keeps three digits more than bf16 does at the same size.
    """
    import torch

    from vla.files import check_replaceable
    from vla.training.checkpoint import CHECKPOINT_FILES, load_model, save_model

    check_replaceable(out, CHECKPOINT_FILES)
    types = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}
    model, processor = load_model(checkpoint, dtype=types[precision])
    record = checkpoint / "run.json"
    run = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    save_model(out, model, processor, run | {"weights": precision})
    size = sum(path.stat().st_size for path in out.iterdir()) / 1e6
    print(f"{precision} checkpoint of {size:.1f} MB written to {out}")


def calibrate(
    checkpoint: Positional[CheckpointPath],
    /,
    scenes: int = 400,
    seed: int = 50_000,
    split: str = "seen",
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Find out how probably a checkpoint's answers are right, and from when on it should not guess.

    The result is written into the checkpoint's config.json; `vla ask` goes by it.

    Example: vla calibrate runs/vla/checkpoint

    Args:
        checkpoint: folder of a trained model.
        scenes: that questions are asked about; about thirteen questions a scene.
        seed: of the scenes; an evaluation must use others.
        split: that the scenes are drawn from, see docs/evaluation.md.
        device: where the model runs.
        as_json: print one JSON object and nothing else.
    """
    from vla.evaluation import calibrating
    from vla.evaluation.report import calibration_markdown

    report = calibrating.calibrate(load_engine(checkpoint, device), checkpoint, scenes, seed, split)
    print(json.dumps(report) if as_json else calibration_markdown(report))
