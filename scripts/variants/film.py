"""`vla`, but an instruction scales and shifts what the image encoder sees (FiLM, arXiv:1709.07871; RT-1).

Usage: scripts/variants/film.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
Only the tokens of the front camera, after the last layer read. A picture so changed belongs to one turn:
compare with one_turn.py.
"""

import sys
from typing import Any

import one_turn  # noqa: F401  (packs one turn a row)
import torch
from torch import nn

from vla.actions.bins import NUM_BINS
from vla.cli import main
from vla.model.configuration_vla import VLAConfig
from vla.model.modeling_vla import VLAForConditionalGeneration

build, embed = VLAForConditionalGeneration.__init__, VLAForConditionalGeneration.embed
SPECIAL = 3  # <pad>, <bos>, <eos>


def with_film(model: VLAForConditionalGeneration, config: VLAConfig) -> None:
    """As the model's constructor; at first nothing is scaled or shifted."""
    build(model, config)
    width: Any = model.get_input_embeddings().weight
    model.film = nn.Linear(width.shape[1], 2 * config.vision_config["token_channels"])
    nn.init.zeros_(model.film.weight)
    nn.init.zeros_(model.film.bias)


def embed_in_its_light(
    model: VLAForConditionalGeneration,
    input_ids: torch.Tensor,
    pixel_values: torch.Tensor | None = None,
    *rest: torch.Tensor | None,
) -> torch.Tensor:
    """As `VLAForConditionalGeneration.embed`; the words of a question say nothing to the encoder."""
    if pixel_values is None:
        return embed(model, input_ids, None, *rest)
    config, see = model.config, model.vision.forward
    start = config.bin_token_start
    seen = (input_ids == config.image_token_id) | (input_ids == config.state_token_id)
    words = ~seen & (input_ids >= SPECIAL) & ~((input_ids >= start) & (input_ids < start + NUM_BINS))
    words &= (input_ids == config.state_token_id).any(dim=1, keepdim=True)
    said = model.get_input_embeddings()(input_ids) * words[..., None]
    said = said.sum(dim=1) / words.sum(dim=1, keepdim=True).clamp(min=1)
    scale, shift = model.film(said)[:, None].chunk(2, dim=-1)

    def modulated(images: torch.Tensor) -> torch.Tensor:
        del model.vision.forward  # the wrist camera, which comes next, is seen as it is
        return see(images) * (1 + scale) + shift

    model.vision.forward = modulated  # type: ignore[method-assign]
    return embed(model, input_ids, pixel_values, *rest)


VLAForConditionalGeneration.__init__ = with_film  # type: ignore[method-assign]
VLAForConditionalGeneration.embed = embed_in_its_light  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
