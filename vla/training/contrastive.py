"""Contrastive pretraining of the image encoder on rendered scenes and their captions (`vla train clip`)."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from open_clip.loss import ClipLoss, SigLipLoss
from tokenizers.processors import TemplateProcessing
from torch import nn
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from vla.config import AugmentConfig, ClipTrainConfig
from vla.data.augment import augment
from vla.data.cache import Arrays, cached_arrays, frame_arrays, on_gpu
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import draw_caption
from vla.files import atomic_directory
from vla.model.vision import read_architecture
from vla.text.prompt import clean_question
from vla.text.tokenizer import encode_text, load_tokenizer
from vla.training.checkpoint import claim_run, git_commit, record_of, run_record
from vla.training.loop import Batch, LossFunction, make_accelerator, train


class Captions:
    """Writes captions of a dataset's frames as token ids; row r is about frame r."""

    def __init__(
        self,
        dataset: DemonstrationDataset,
        tokenizer: PreTrainedTokenizerFast,
        *,
        context_length: int,
        languages: Mapping[str, float],
        seed: int,
    ) -> None:
        self.dataset, self.tokenizer, self.context_length = dataset, tokenizer, context_length
        self.languages, self.seed = dict(languages), seed

    def array(self) -> np.ndarray:
        """All rows, int32[R, L]: see `caption_ids`."""
        columns = {"text": ((self.context_length,), "int32")}
        facts = [self.languages, self.seed, self.tokenizer.get_vocab()]
        return cached_arrays(self.dataset, "captions", columns, len(self.dataset), self, facts)["text"]

    def __call__(self, rows: range) -> Arrays:
        """Some rows, `{"text": int64[len(rows), L]}`."""
        texts = (
            draw_caption(
                self.dataset.scene(row),
                np.random.default_rng([self.seed, row]),
                self.languages,
            )
            for row in rows
        )
        return {"text": np.stack([caption_ids(self.tokenizer, text, self.context_length) for text in texts])}


class CaptionBatches(Dataset[Batch]):
    """Item `step` is that step's batch, a function of it: `images` uint8[B, H, W, 3], `text` int64[B, L]."""

    def __init__(
        self,
        captions: Captions,
        *,
        image_size: int,
        batch_size: int,
        seed: int,
        steps: int,
        augmentation: AugmentConfig | None = None,
    ) -> None:
        self.augmentation = augmentation
        self.images = torch.from_numpy(frame_arrays(captions.dataset, image_size))
        self.text = torch.from_numpy(captions.array())
        self.batch_size, self.seed, self.steps = batch_size, seed, steps

    def to(self, device: torch.device) -> None:
        """Hold the pictures in a GPU's memory, where half of what is free there is enough."""
        (self.images,) = on_gpu([self.images], device)

    def __len__(self) -> int:
        return self.steps

    def __getitem__(self, step: int) -> Batch:
        """Draw frames and a caption of each."""
        rng = np.random.default_rng([self.seed, step])
        frames = torch.from_numpy(rng.integers(len(self.text), size=self.batch_size))
        images = self.images[frames.to(self.images.device)]
        if self.augmentation is not None:
            images = augment(images, self.augmentation, int(rng.integers(2**63)))
        return {"images": images, "text": self.text[frames].long()}


def caption_ids(tokenizer: PreTrainedTokenizerFast, text: str, length: int) -> np.ndarray:
    """`<bos>` text `<eos>` and padding, int64[length]; a longer caption loses its end."""
    ids = [tokenizer.bos_token_id, *encode_text(tokenizer, clean_question(text))][: length - 1]
    ids.append(tokenizer.eos_token_id)
    return np.array(ids + [tokenizer.pad_token_id] * (length - len(ids)), dtype=np.int64)


class _NormalisedClip(nn.Module):
    """Applies the image normalisation that the VLA's vision tower applies too."""

    def __init__(self, clip: nn.Module, mean: list[float], std: list[float]) -> None:
        super().__init__()
        self.clip = clip
        self.mean, self.std = mean, std

    def forward(self, images: torch.Tensor, text: torch.Tensor) -> Any:
        mean = torch.tensor(self.mean, device=images.device) * 255.0
        std = torch.tensor(self.std, device=images.device) * 255.0
        return self.clip(((images.float() - mean) / std).permute(0, 3, 1, 2), text)


def contrastive_loss(kind: str, accelerator: Any) -> LossFunction:
    """open_clip's softmax ("clip") or sigmoid ("siglip", arXiv:2303.15343) loss, gathered over processes."""
    rank, world = accelerator.process_index, accelerator.num_processes
    softmax = ClipLoss(local_loss=True, gather_with_grad=True, cache_labels=True, rank=rank, world_size=world)
    sigmoid = SigLipLoss(rank=rank, world_size=world)

    def loss(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        image, text, *scale = model(batch["images"], batch["text"])
        image, text = image.float(), text.float()
        value = softmax(image, text, scale[0]) if kind == "clip" else sigmoid(image, text, scale[0], scale[1])
        found = (image @ text.T).argmax(dim=1) == torch.arange(len(image), device=image.device)
        return value, {"accuracy": found.float().mean().detach()}

    return loss


def train_clip(config: ClipTrainConfig, out: Path, stop_after: int | None = None) -> dict[str, Any]:
    """Train a small CLIP and write it as an open_clip folder.

    Args:
        config: architecture, data and loop.
        out: run folder; the result is `out/checkpoint`, loadable by
            `open_clip.create_model_and_transforms("local-dir:" + folder)`.
        stop_after: see `vla.training.loop.train`.
    Returns:
        What is written to run.json.
    Raises:
        DataError: a run with other data or settings was begun in `out`.
    """
    commit = git_commit()
    torch.manual_seed(config.loop.seed)
    tokenizer = load_tokenizer(Path(config.tokenizer))
    dataset = DemonstrationDataset(Path(config.data))
    architecture = read_architecture(Path(config.architecture))
    text_cfg = architecture["text_cfg"]
    text_cfg |= {
        "vocab_size": len(tokenizer),
        "eos_id": tokenizer.eos_token_id,
        "pad_id": tokenizer.pad_token_id,
        "pool_type": "eos",
    }
    if config.loss == "siglip":
        architecture |= {"init_logit_scale": math.log(10), "init_logit_bias": -10.0}
    names = ("embed_dim", "vision_cfg", "text_cfg", "quick_gelu", "init_logit_scale", "init_logit_bias")
    clip = open_clip.CustomTextCLIP(**{name: architecture[name] for name in names if name in architecture})
    mean, std = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)
    model = _NormalisedClip(clip, mean, std)
    accelerator = make_accelerator(config.loop)
    captions = Captions(
        dataset,
        tokenizer,
        context_length=text_cfg["context_length"],
        languages=config.languages,
        seed=config.loop.seed,
    )
    with accelerator.main_process_first():  # the others find what it has prepared
        batches = CaptionBatches(
            captions,
            image_size=architecture["vision_cfg"]["image_size"],
            batch_size=config.loop.batch_size,
            seed=config.loop.seed,
            steps=config.loop.steps * accelerator.num_processes,
            augmentation=config.augment,
        )
    batches.to(accelerator.device)
    claim_run(out, config, dataset.fingerprint)
    loss = contrastive_loss(config.loss, accelerator)
    metrics = train(model, batches, loss, config.loop, out, accelerator, stop_after)
    written = record_of(out / "checkpoint", metrics["step"])
    if written is not None:
        return written
    run = run_record("clip", commit, config, dataset.fingerprint, clip, metrics)
    if accelerator.is_main_process:
        save_clip(out / "checkpoint", clip, architecture, tokenizer, mean, std, run)
    return run


def save_clip(
    folder: Path,
    clip: nn.Module,
    architecture: dict[str, Any],
    tokenizer: PreTrainedTokenizerFast,
    mean: list[float],
    std: list[float],
    run: dict[str, Any],
) -> None:
    """Write an open_clip folder: weights, tokenizer and open_clip_config.json."""
    from safetensors.torch import save_file

    preprocess = {"mean": mean, "std": std, "interpolation": "bicubic", "resize_mode": "shortest"}
    # open_clip looks for the tokenizer beside the weights, whatever name stands here.
    model_cfg = {**architecture, "custom_text": True}
    model_cfg["text_cfg"] = {**architecture["text_cfg"], "hf_tokenizer_name": "."}
    with atomic_directory(folder) as temporary:
        save_file(
            {k: v.contiguous() for k, v in clip.state_dict().items()},
            temporary / "open_clip_model.safetensors",
        )
        _with_begin_and_end(tokenizer).save_pretrained(temporary)
        described = {"model_cfg": model_cfg, "preprocess_cfg": preprocess}
        (temporary / "open_clip_config.json").write_text(json.dumps(described, indent=1) + "\n")
        (temporary / "run.json").write_text(json.dumps(run, indent=1) + "\n")


def _with_begin_and_end(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """A copy that writes `<bos>` and `<eos>` around a text by itself, as open_clip expects of a tokenizer."""
    wrapped = copy.deepcopy(tokenizer)
    begin, end = str(tokenizer.bos_token), str(tokenizer.eos_token)
    wrapped.backend_tokenizer.post_processor = TemplateProcessing(
        single=[begin, "$A", end],
        special_tokens=[(begin, tokenizer.bos_token_id), (end, tokenizer.eos_token_id)],
    )
    return wrapped
