"""`vla`, but the actions of a chunk are decided in one pass (parallel decoding, arXiv:2502.19645).

Usage: scripts/variants/one_pass.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
No token of an action sees another one: each follows from prompt, plan and its own place alone. In training
they are hidden, in acting all are asked for at once.
"""

import sys
from typing import Any

import torch
from torch import nn

from vla.cli import main
from vla.inference.constraints import choose_bin
from vla.inference.engine import Engine, _Decoder
from vla.model.configuration_vla import VLAConfig
from vla.training import supervised
from vla.training.loop import Batch, LossFunction

HIDDEN = 1  # <bos> stands where an action's token was
teach = supervised.supervised_loss


def hiding_loss(config: VLAConfig, *weights: float) -> LossFunction:
    """As `supervised_loss`, but the inputs hold no action."""
    loss = teach(config, *weights)

    def hide(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        ids = batch["input_ids"]
        decided, _ = supervised.decisions(config, batch)
        actions = nn.functional.pad(decided, (1, 0))[:, : ids.shape[1]]  # a label is the token that follows
        return loss(model, batch | {"input_ids": ids.masked_fill(actions, HIDDEN)})

    return hide


def write_at_once(engine: Engine, decoder: _Decoder, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `Engine._write`."""
    start, lead, length = engine.config.bin_token_start, engine.plan_tokens, len(engine.slots)
    bins, chances = [], []

    def write(hidden: torch.Tensor, place: bool) -> None:
        index = sum(part.shape[1] for part in bins)
        logits: Any = decoder.logits(hidden)[..., start : start + engine.slots.shape[1]].float()
        slots = engine.slots[index : index + hidden.shape[1]]
        chance, chosen = choose_bin(logits.masked_fill(~slots, -torch.inf), place)
        bins.append(chosen)
        chances.append(chance)

    last = decoder.hidden
    for index in range(lead):
        write(last, place=True)
        if index + 1 < lead:
            last = decoder.feed(bins[-1] + start)
    empty = torch.full((rows, length - lead - 1), HIDDEN, device=engine.device)
    if lead:
        write(decoder.feed(torch.cat([bins[-1] + start, empty], dim=1)), place=False)
    else:
        write(torch.cat([last, decoder.feed(empty)], dim=1), place=False)
    return torch.cat(bins, dim=1), torch.cat(chances, dim=1)


supervised.supervised_loss = hiding_loss
Engine._write = write_at_once  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
