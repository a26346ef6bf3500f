"""Compose a new model from its parts, each random or pretrained."""

from __future__ import annotations

from typing import Any

import torch
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from vla.actions.bins import NUM_BINS, BinTokenizer
from vla.config import ModelConfig
from vla.errors import CheckpointError
from vla.model.configuration_vla import VLAConfig
from vla.model.decoder import load_decoder
from vla.model.modeling_vla import VLAForConditionalGeneration
from vla.model.processing_vla import VLAProcessor
from vla.model.projector import fourier
from vla.model.vision import VisionTower, load_vision, token_shape
from vla.text.tokenizer import add_action_tokens, bin_token_start

BIN_FREQUENCIES = (0.5, 1.0, 2.0, 4.0, 8.0)


def load_any_tokenizer(name_or_path: str) -> PreTrainedTokenizerBase:
    """A tokenizer of ours, or a pretrained decoder's with our special tokens added.

    Raises:
        CheckpointError: there is none.
    """
    try:
        tokenizer = AutoTokenizer.from_pretrained(name_or_path)
    except (OSError, ValueError) as error:
        raise CheckpointError(
            f"no tokenizer at {name_or_path!r}; train one with `vla train-tokenizer` or name a hub id"
        ) from error
    add_action_tokens(tokenizer)
    bin_token_start(tokenizer)
    return tokenizer


@torch.no_grad()
def order_bins(model: VLAForConditionalGeneration) -> None:
    """Draw the embeddings of the bins so that neighbours are alike, as values on a scale are.

    Each is a random projection of the bin's Fourier features, with the standard deviation of the embeddings
    that it replaces. Drawn independently, the 256 bins have to learn one by one that 128 lies between 127 and
    129; docs/decisions/0003 says what that costs.
    """
    centres = torch.from_numpy(BinTokenizer().decode(range(NUM_BINS)))[:, None]
    features = fourier(centres, BIN_FREQUENCIES)
    start = model.config.bin_token_start
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        assert isinstance(layer.weight, torch.Tensor)
        rows = layer.weight[start : start + NUM_BINS]
        embeddings = features @ torch.randn(features.shape[1], rows.shape[1])
        rows.copy_(embeddings * rows.std() / embeddings.std())


def build_model(
    config: ModelConfig, embodiments: dict[str, Any], location_range: list[list[float]]
) -> tuple[VLAForConditionalGeneration, VLAProcessor]:
    """Build model and processor; pretrained parts are loaded, the rest is random (seed torch beforehand).

    Args:
        config: which parts.
        embodiments: normalisation statistics per robot, see `VLAConfig`.
        location_range: metres that location tokens span.
    """
    tokenizer = load_any_tokenizer(config.tokenizer)
    vision_config, vision_weights = load_vision(
        config.vision.architecture, config.vision.pretrained, config.vision.layers
    )
    size = vision_config["model"]["vision_cfg"]["image_size"]
    tower, wrist = VisionTower(vision_config), config.wrist_image_size
    num_tokens, channels = token_shape(tower, size)
    wrist_tokens = token_shape(tower, wrist)[0] if wrist else 0
    vision_config["token_channels"] = channels
    decoder_config, decoder_weights = load_decoder(
        config.decoder.pretrained, config.decoder.config, vocab_size=len(tokenizer)
    )
    processor = VLAProcessor(tokenizer, size, num_tokens, wrist_tokens)
    state_dims = {len(stats["state"]["q01"]) for stats in embodiments.values()}
    assert len(state_dims) == 1, "one model, one state length"
    model = VLAForConditionalGeneration(
        VLAConfig(
            vision_config=vision_config,
            decoder_config=decoder_config,
            image_size=size,
            num_image_tokens=num_tokens,
            wrist_image_size=wrist,
            num_wrist_tokens=wrist_tokens,
            state_dim=state_dims.pop() if config.proprioception else 0,
            action_horizon=config.action_horizon,
            plan=config.plan,
            image_token_id=processor.image_token_id,
            state_token_id=processor.state_token_id,
            bin_token_start=processor.bin_token_start,
            location_range=location_range,
            embodiments=embodiments,
        )
    )
    if vision_weights is not None:
        missing = model.vision.visual.load_state_dict(vision_weights, strict=False).missing_keys
        if missing:
            raise CheckpointError(
                f"{config.vision.pretrained} lacks weights of the image encoder, first {missing[0]}"
            )
    if decoder_weights is not None:
        model.decoder.load_state_dict(decoder_weights)
    order_bins(model)
    return model, processor
