"""The language decoder: any causal language model of transformers."""

from __future__ import annotations

from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoModelForCausalLM, PretrainedConfig, PreTrainedModel
from transformers.models.auto import CONFIG_MAPPING

from vla.errors import CheckpointError, ConfigError, unknown_name


def load_decoder(
    pretrained: str | None, config: dict[str, Any] | None, vocab_size: int
) -> tuple[PretrainedConfig, dict[str, torch.Tensor] | None]:
    """Resolve a decoder.

    Args:
        pretrained: a hub name or local folder of a causal language model ("gpt2", "llm-jp/llm-jp-3-150m").
        config: otherwise the configuration of a new one, with `model_type`.
        vocab_size: size of the tokenizer, image, state and bin tokens included; embeddings are resized to it.
    Returns:
        The decoder's config and its weights (None when random).
    Raises:
        ConfigError: there are both or neither, or the configuration is that of no model.
        CheckpointError: there is no pretrained one.
    """
    if (pretrained is None) == (config is None):
        raise ConfigError("a decoder needs either `pretrained` or `config`, and not both")
    if pretrained is not None:
        try:
            model = AutoModelForCausalLM.from_pretrained(pretrained, dtype=torch.float32)
        except (OSError, ValueError) as error:
            raise CheckpointError(f"no causal language model at {pretrained!r}: {error}") from error
        model.resize_token_embeddings(vocab_size)
        return model.config, model.state_dict()
    assert config is not None
    settings = dict(config)
    model_type = settings.pop("model_type", "gpt2")
    if model_type not in CONFIG_MAPPING:
        raise unknown_name("decoder model_type", model_type, CONFIG_MAPPING.keys())
    # Ours are <bos> 1 and <eos> 2; GPT2Config would keep 50256, outside our vocabulary.
    tokens = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    try:
        described = CONFIG_MAPPING[model_type](**{**tokens, **settings, "vocab_size": vocab_size})
        with torch.device("meta"):
            build_decoder(described)
    except (TypeError, ValueError, StrictDataclassError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"decoder.config describes no {model_type} model: {reason}") from error
    return described, None


def build_decoder(config: PretrainedConfig) -> PreTrainedModel:
    """A causal language model with random weights."""
    return AutoModelForCausalLM.from_config(config)
