"""The vision tower: any open_clip image encoder, read out as a grid of patch tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from vla.errors import CheckpointError, ConfigError, VLAError, unknown_name

# A text tower is never used here; open_clip's constructor asks for one, so it gets the smallest.
_NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


class VisionTower(nn.Module):
    """An open_clip image encoder whose intermediate feature maps become tokens.

    Maps finer than the coarsest chosen one are folded into channels (space to depth), so that a token keeps
    the detail of the fine maps at the cost of the coarse grid.
    """

    def __init__(self, vision_config: dict[str, Any]) -> None:
        super().__init__()
        self.vision_config = vision_config
        self.visual = _build_encoder(vision_config)
        self.layers: list[int] = list(vision_config["layers"])
        self.image_mean: list[float] = list(vision_config["image_mean"])
        self.image_std: list[float] = list(vision_config["image_std"])

    @torch.no_grad()
    def reset_buffers(self) -> None:
        """Compute again what no checkpoint holds, such as the angles of rotary embeddings."""
        lost = [
            f"{path}.{name}" if path else name
            for path, module in self.visual.named_modules()
            for name in module._non_persistent_buffers_set
        ]
        if not lost:
            return
        with torch.device("cpu"), torch.random.fork_rng(devices=[]):
            fresh = dict(_build_encoder(self.vision_config).named_buffers())
        buffers = dict(self.visual.named_buffers())
        for name in lost:
            if name in fresh:  # a buffer may be registered as None
                buffers[name].copy_(fresh[name])

    def forward(self, images: torch.Tensor, second: bool = False) -> torch.Tensor:
        """Encode images.

        Args:
            images: uint8[B, H, W, 3], RGB, H = W = the tower's image size.
            second: whether they are of another camera than the one that batch norms keep their statistics of.
                Two cameras in one running mean would fit neither of them afterwards (docs/decisions/0008), so
                the second is normalised as the first one is, in training, too.
        Returns:
            float[B, N, C]: N = gh * gw patch tokens in row-major order.
        """
        if second:
            with self._fixed_statistics():
                return self.forward(images)
        dtype = next(self.visual.parameters()).dtype
        mean = torch.tensor(self.image_mean, device=images.device) * 255.0
        std = torch.tensor(self.image_std, device=images.device) * 255.0
        pixels = ((images.float() - mean) / std).to(dtype).permute(0, 3, 1, 2)  # channels_last in memory
        maps = self.visual.forward_intermediates(
            pixels, indices=self.layers, stop_early=True, intermediates_only=True, output_fmt="NCHW"
        )["image_intermediates"]
        grid = min(m.shape[-1] for m in maps)
        maps = [nn.functional.pixel_unshuffle(m, m.shape[-1] // grid) for m in maps]
        return torch.cat(maps, dim=1).flatten(2).transpose(1, 2)

    @contextmanager
    def _fixed_statistics(self) -> Iterator[None]:
        norms = [module for module in self.visual.modules() if isinstance(module, _BatchNorm)]
        modes = [norm.training for norm in norms]
        for norm in norms:
            norm.eval()
        try:
            yield
        finally:
            for norm, mode in zip(norms, modes, strict=True):
                norm.train(mode)


def _build_encoder(vision_config: dict[str, Any]) -> Any:
    """The image half of an open_clip model up to the last layer read; no weight is held in vain."""
    model = vision_config["model"]
    extra = {"quick_gelu": True} if model.get("quick_gelu") else {}
    visual = open_clip.CustomTextCLIP(
        embed_dim=model["embed_dim"], vision_cfg=model["vision_cfg"], text_cfg=_NO_TEXT, **extra
    ).visual
    trunk = getattr(visual, "trunk", visual)
    if hasattr(trunk, "prune_intermediate_layers"):  # open_clip's own ResNet has none
        trunk.prune_intermediate_layers(list(vision_config["layers"]), prune_norm=True, prune_head=True)
    for head in ("head", "attnpool"):
        if hasattr(visual, head):
            setattr(visual, head, nn.Identity())
    return visual


@torch.no_grad()
def token_shape(tower: VisionTower, image_size: int) -> tuple[int, int]:
    """Number of tokens N and channels C that the tower gives for one image, found by running it once."""
    mode = tower.training
    tokens = tower.eval()(torch.zeros(1, image_size, image_size, 3, dtype=torch.uint8))
    tower.train(mode)
    return tokens.shape[1], tokens.shape[2]


def load_vision(
    architecture: str, pretrained: str | None, layers: list[int]
) -> tuple[dict[str, Any], dict[str, torch.Tensor] | None]:
    """Resolve an image encoder.

    Args:
        architecture: an open_clip architecture name, or the path of an open_clip model JSON.
        pretrained: an open_clip tag ("openai", "laion2b_s34b_b79k"), a local weights file, a folder written
            by `vla train clip`, or None for random weights.
        layers: intermediate layers to read tokens from.
    Returns:
        The model's `vision_config` and the image encoder's weights (None when random).
    Raises:
        UnknownNameError: open_clip has no such architecture.
        ConfigError: the JSON is missing or describes no model.
        CheckpointError: the weights cannot be found or do not fit.
    """
    mean, std = list(open_clip.OPENAI_DATASET_MEAN), list(open_clip.OPENAI_DATASET_STD)
    if pretrained is not None and Path(pretrained).is_dir():
        folder = Path(pretrained)
        saved = _read_json(
            folder / "open_clip_config.json", CheckpointError, "make the folder with `vla train clip`"
        )
        preprocess = saved.get("preprocess_cfg", {})
        config = _vision_config(
            saved["model_cfg"], layers, preprocess.get("mean", mean), preprocess.get("std", std)
        )
        return config, _clip_folder_weights(folder)
    if architecture.endswith(".json"):
        read_architecture(Path(architecture))
        open_clip.add_model_config(architecture)
        architecture = Path(architecture).stem
    model = open_clip.get_model_config(architecture)
    if model is None:
        raise unknown_name("open_clip architecture", architecture, open_clip.list_models())
    if pretrained is None:
        return _vision_config(model, layers, mean, std), None
    try:
        full = open_clip.create_model(architecture, pretrained=pretrained)
    except (RuntimeError, FileNotFoundError, OSError) as error:
        raise CheckpointError(f"open_clip cannot load {pretrained!r} into {architecture}: {error}") from error
    tag = open_clip.get_pretrained_cfg(architecture, pretrained)
    if tag.get("quick_gelu"):  # the weights want it, whatever the architecture's name says
        model = {**model, "quick_gelu": True}
    config = _vision_config(model, layers, tag.get("mean", mean), tag.get("std", std))
    return config, full.visual.state_dict()


def read_architecture(path: Path) -> dict[str, Any]:
    """Read an open_clip model JSON.

    Raises:
        ConfigError: it is missing or describes no model.
    """
    architecture = _read_json(path, ConfigError, "name an open_clip model JSON, see configs/model/")
    missing = [key for key in ("embed_dim", "vision_cfg", "text_cfg") if key not in architecture]
    if missing:
        raise ConfigError(f"{path} is no open_clip model JSON: it has no {missing[0]!r}; see configs/model/")
    return architecture


def _read_json(path: Path, kind: type[VLAError], hint: str) -> dict[str, Any]:
    if not path.is_file():
        raise kind(f"{path} does not exist; {hint}")
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise kind(f"{path} cannot be read as JSON: {error}; {hint}") from error
    if not isinstance(values, dict):
        raise kind(f"{path} holds no JSON object; {hint}")
    return values


def _vision_config(model: dict[str, Any], layers: list[int], mean: Any, std: Any) -> dict[str, Any]:
    kept = {key: model[key] for key in ("embed_dim", "vision_cfg", "quick_gelu") if key in model}
    return {"model": kept, "layers": list(layers), "image_mean": list(mean), "image_std": list(std)}


def _clip_folder_weights(folder: Path) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    path = folder / "open_clip_model.safetensors"
    if not path.is_file():
        raise CheckpointError(f"{folder} holds no open_clip_model.safetensors; make it with `vla train clip`")
    prefix = "visual."
    return {k.removeprefix(prefix): v for k, v in load_file(path).items() if k.startswith(prefix)}
