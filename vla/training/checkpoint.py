"""Save and load models and training states: safetensors and JSON, whole or not at all, never unpickled."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoProcessor

from vla.config import ClipTrainConfig, VLATrainConfig
from vla.errors import CheckpointError
from vla.files import atomic_directory, claim
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor

STATE_FOLDER = "state"
CHECKPOINT_FILES = (
    "*config.json",
    "model.safetensors",
    "tokenizer.json",
    "special_tokens_map.json",
    "run.json",
)
"""Patterns of the files of a checkpoint."""
SCHEDULE = {"steps", "deadline", "device", "precision", "log_every", "checkpoint_every"}
"""Of the training loop, what may change when a run goes on."""


def save_model(
    folder: Path, model: VLAForConditionalGeneration, processor: VLAProcessor, run: dict[str, Any]
) -> None:
    """Write a checkpoint: config.json, model.safetensors, tokenizer and processor files, run.json."""
    with atomic_directory(folder) as temporary:
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        (temporary / "run.json").write_text(json.dumps(run, indent=1, ensure_ascii=False) + "\n")


def load_model(
    folder: Path, device: str = "cpu", dtype: torch.dtype = torch.float32
) -> tuple[VLAForConditionalGeneration, VLAProcessor]:
    """Load a checkpoint.

    Raises:
        CheckpointError: the folder is missing, incomplete, of another kind, or without statistics.
    """
    if not folder.is_dir():
        raise CheckpointError(f"no checkpoint folder {folder}; name a folder that `vla train vla` wrote")
    for name in ("config.json", "model.safetensors", "tokenizer.json"):
        if not (folder / name).is_file():
            raise CheckpointError(
                f"{folder} is no checkpoint: it has no {name}; train again or copy the folder whole"
            )
    try:
        described = json.loads((folder / "config.json").read_text())
        model_type = described.get("model_type") if isinstance(described, dict) else None
        if model_type != "vla":
            raise CheckpointError(f"{folder} holds a {model_type!r} model; a 'vla' model is needed")
        config = AutoConfig.from_pretrained(folder)
        if not config.embodiments:
            raise CheckpointError(
                f"{folder}/config.json has no normalisation statistics (`embodiments`): "
                "actions would have no unit"
            )
        loaded: Any = VLAForConditionalGeneration.from_pretrained(
            folder, config=config, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True
        )
        model, info = loaded
        wrong = sorted(info["missing_keys"]) + sorted(name for name, *_ in info["mismatched_keys"])
        if wrong:
            raise CheckpointError(f"{folder}: weights missing or of another shape, first {wrong[0]}")
        if info["unexpected_keys"]:
            unknown = min(info["unexpected_keys"])
            raise CheckpointError(f"{folder} is of another model: this one has no weights {unknown}")
        processor = AutoProcessor.from_pretrained(folder)
    except (OSError, ValueError, SafetensorError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"cannot read checkpoint {folder}: {error}") from error
    return model.to(device).eval(), processor


def save_training_state(
    folder: Path, step: int, model: torch.nn.Module, optimizer: torch.optim.Optimizer
) -> None:
    """Write weights, moments and the step; the data stream and the schedule are functions of the step."""
    moments = {
        f"{index}.{name}": value if torch.is_tensor(value) else torch.tensor(value)
        for index, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }
    with atomic_directory(folder) as temporary:
        save_file(_unshared(model.state_dict()), temporary / "model.safetensors")
        save_file({k: v.contiguous() for k, v in moments.items()}, temporary / "optimizer.safetensors")
        (temporary / "state.json").write_text(json.dumps({"step": step}))


def load_training_state(folder: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> int:
    """Restore what `save_training_state` wrote; returns the number of finished steps.

    Raises:
        CheckpointError: it belongs to another model.
    """
    try:
        result = model.load_state_dict(load_file(folder / "model.safetensors"), strict=False)
        tied = set(model.state_dict()) - set(_unshared(model.state_dict()))
        if result.unexpected_keys or set(result.missing_keys) - tied:
            raise CheckpointError(f"{folder} was made by another model; remove it or choose another --out")
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in load_file(folder / "optimizer.safetensors").items():
            index, name = key.split(".", 1)
            state.setdefault(int(index), {})[name] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return int(json.loads((folder / "state.json").read_text())["step"])
    except (OSError, RuntimeError, SafetensorError, ValueError, KeyError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"cannot resume from {folder}: {error}") from error


def weights_digest(model: torch.nn.Module) -> str:
    """sha256 of all weights of a model."""
    digest = hashlib.sha256()
    for value in model.state_dict().values():
        digest.update(value.float().cpu().numpy().tobytes())
    return digest.hexdigest()


def claim_run(out: Path, config: ClipTrainConfig | VLATrainConfig, fingerprint: str) -> None:
    """Take a run folder for a configuration and its data; what decides only how long it trains may differ.

    Raises:
        DataError: another run was begun there.
    """
    facts = [fingerprint, config.model_dump(mode="json", exclude={"data": True, "loop": SCHEDULE})]
    claim(out, facts, "a run with other data or settings; choose another --out")


def record_of(folder: Path, step: float) -> dict[str, Any] | None:
    """run.json of a checkpoint that was written after so many steps, if the folder holds that."""
    path = folder / "run.json"
    run: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    return run if run.get("metrics", {}).get("step") == step else None


def run_record(
    stage: str,
    commit: str,
    config: ClipTrainConfig | VLATrainConfig,
    fingerprint: str,
    model: torch.nn.Module,
    metrics: dict[str, float],
) -> dict[str, Any]:
    """What run.json says of a run: commit when it began, configuration, data, size and last metrics."""
    return {
        "stage": stage,
        "commit": commit,
        "config": config.model_dump(mode="json"),
        "data": {"path": config.data, "fingerprint": fingerprint},
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "metrics": metrics,
    }


def git_commit() -> str:
    """The checkout's commit, "+" when it has local changes, or "unknown" outside one."""
    try:
        here = Path(__file__).parent
        commit = subprocess.run(
            ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "-uno"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        return commit + ("+" if dirty else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _unshared(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Drop the second name of tied tensors, which safetensors refuses to hold twice."""
    seen: set[int] = set()
    kept = {}
    for name, tensor in state.items():
        if tensor.numel() and tensor.data_ptr() in seen:
            continue
        seen.add(tensor.data_ptr())
        kept[name] = tensor.contiguous()
    return kept
