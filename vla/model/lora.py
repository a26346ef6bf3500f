"""Low-rank adapters: train a pretrained decoder with little memory (LoRA, arXiv:2106.09685), through peft."""

from __future__ import annotations

from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from vla.config import LoraPart
from vla.errors import ConfigError
from vla.model.modeling_vla import VLAForConditionalGeneration


def add_adapters(model: VLAForConditionalGeneration, settings: LoraPart) -> None:
    """Freeze the decoder and put an adapter beside each of its matrices, in place.

    Embeddings stay trainable, since the tokens of bins, image and state are new to a pretrained decoder.

    Raises:
        ConfigError: peft is not installed.
    """
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        raise ConfigError("`lora` needs the package peft; install it with pip install 'vla[lora]'") from None
    decoder: PreTrainedModel = model.decoder
    inject_adapter_in_model(
        LoraConfig(
            r=settings.rank,
            lora_alpha=settings.alpha,
            lora_dropout=settings.dropout,
            target_modules="all-linear",
            fan_in_fan_out=any(isinstance(module, Conv1D) for module in decoder.modules()),
        ),
        decoder,
    )
    for layer in (model.get_input_embeddings(), model.get_output_embeddings()):
        layer.requires_grad_(True)


def merge_adapters(model: VLAForConditionalGeneration) -> None:
    """Add what the adapters learned to the decoder's matrices and take the adapters out, in place."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    for name, module in list(model.decoder.named_modules()):
        if isinstance(module, BaseTunerLayer):
            module.merge()
            parent, _, child = name.rpartition(".")
            setattr(model.decoder.get_submodule(parent), child, module.get_base_layer())
