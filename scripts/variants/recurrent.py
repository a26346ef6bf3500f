"""`vla` with a recurrent decoder that attends to the picture (as in arXiv:1502.03044) in place of GPT.

Usage: scripts/variants/recurrent.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
Two GRU layers read the sequence that GPT would read; what they give looks at the tokens of the front picture.
Embeddings, projectors and output layer stay. Turns cannot share what was read: compare with one_turn.py.
"""

import sys
from typing import Any

import one_turn  # noqa: F401  (packs one turn a row)
import torch
from torch import nn
from transformers import GPT2Config, GPT2LMHeadModel
from transformers.modeling_outputs import BaseModelOutputWithPast

from vla.cli import main
from vla.inference.engine import _Decoder
from vla.model import modeling_vla

LAYERS = 2


class Recurrent(nn.Module):
    """Reads float[B, T, D] from left to right; `real` bool[B, T] are the steps that count."""

    def __init__(self, width: int, pictures: int) -> None:
        super().__init__()
        self.pictures = pictures
        self.read = nn.GRU(width, width, LAYERS, batch_first=True)
        self.look = nn.MultiheadAttention(width, 4, batch_first=True)
        self.norm = nn.LayerNorm(width)

    def forward(self, embeds: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
        """What follows each step, float[B, T, D]."""
        order = torch.argsort(~real, dim=1, stable=True)  # padding goes to the end
        back = torch.argsort(order, dim=1)[..., None].expand_as(embeds)
        hidden, _ = self.read(embeds.gather(1, order[..., None].expand_as(embeds)))
        hidden = hidden.gather(1, back)
        pictures = embeds[:, 1 : 1 + self.pictures]  # behind <bos>
        seen, _ = self.look(hidden, pictures, pictures, need_weights=False)
        out: torch.Tensor = self.norm(hidden + seen)
        return out


class RecurrentDecoder(GPT2LMHeadModel):
    """GPT-2 with another inside: its embeddings and output layer are used, its blocks are gone."""

    def __init__(self, config: GPT2Config, pictures: int) -> None:
        super().__init__(config)
        self.transformer.h = nn.ModuleList()
        self.transformer.recurrent = Recurrent(config.n_embd, pictures)
        self.transformer.forward = self.read

    def read(
        self,
        inputs_embeds: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        past_key_values: Any = None,
        **_: Any,
    ) -> BaseModelOutputWithPast:
        """As GPT2Model's; the cache holds what was read, which is read again."""
        new = inputs_embeds.shape[1]
        if past_key_values is not None:
            read = getattr(past_key_values, "read", inputs_embeds[:, :0])
            inputs_embeds = past_key_values.read = torch.cat([read, inputs_embeds], dim=1)
        real = torch.ones(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
        if attention_mask is not None and attention_mask.ndim == 2:
            real = attention_mask.bool()
        hidden = self.transformer.recurrent(inputs_embeds, real)
        return BaseModelOutputWithPast(last_hidden_state=hidden[:, -new:], past_key_values=past_key_values)


def forget(decoder: _Decoder, count: int) -> None:
    """As `_Decoder.drop`."""
    decoder.cache.read = decoder.cache.read[:, :-count]  # type: ignore[attr-defined]
    drop(decoder, count)


drop, build = _Decoder.drop, modeling_vla.VLAForConditionalGeneration.__init__


def recurrent(model: modeling_vla.VLAForConditionalGeneration, config: modeling_vla.VLAConfig) -> None:
    """As the model's constructor."""
    pictures = config.num_image_tokens
    modeling_vla.build_decoder = lambda settings: RecurrentDecoder(settings, pictures)  # type: ignore[assignment]
    build(model, config)


modeling_vla.VLAForConditionalGeneration.__init__ = recurrent  # type: ignore[method-assign]
_Decoder.drop = forget  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
