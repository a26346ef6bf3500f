"""Pack several independent turns about one image into a row, and rows into a batch of sequences.

    image 1: <bos> <image>... | turn 1 | turn 2 | turn 3
    image 2: <bos> <image>... | turn 1 | turn 2 | padding

Every turn sees the image and itself, never another turn, and starts at the same position. One encoded image
thus teaches an action and several answers for little more than the price of one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

PADDING = -1
"""Segment number of padding; 0 is the image, 1, 2, ... are the turns."""
NOTHING = -100
"""Label of a place where nothing is to be learned, as in torch's cross-entropy."""


@dataclass(frozen=True)
class Turn:
    """A prompt and the tokens to be learned after it; `state` float32[S] fills its `<state>`, if any."""

    prompt: list[int]
    target: list[int]
    state: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.prompt) + len(self.target)


def pack_turns(turns: Sequence[Turn], length: int, pad_id: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Write the turns about one image one after the other into a row that they fit into.

    Returns:
        Token ids int32[length], segments int8[length] (1, 2, ...; PADDING behind the last turn), and
        bool[length], which of the tokens are to be learned.
    """
    tokens = np.full(length, pad_id, dtype=np.int32)
    segments = np.full(length, PADDING, dtype=np.int8)
    learned = np.zeros(length, dtype=bool)
    at = 0
    for number, turn in enumerate(turns, start=1):
        end = at + len(turn)
        tokens[at:end] = turn.prompt + turn.target
        segments[at:end] = number
        learned[at + len(turn.prompt) : end] = True
        at = end
    return tokens, segments, learned


def sequences(
    prefix: Sequence[int], tokens: torch.Tensor, segments: torch.Tensor, learned: torch.Tensor
) -> dict[str, torch.Tensor]:
    """Put the image before packed rows.

    Args:
        prefix: P token ids before the turns: `<bos>` and the image placeholders.
        tokens: int32[B, L], with the next two rows of `pack_turns`.
        segments: int8[B, L].
        learned: bool[B, L].
    Returns:
        `input_ids`, `position_ids`, `segments` and `labels`, int64[B, P + L], on the rows' device. A label is
        the token that follows, NOTHING where none is to be learned.
    """
    rows, length = tokens.shape
    device, start = tokens.device, len(prefix)
    before = torch.tensor(prefix, device=device).expand(rows, start)
    columns = torch.arange(length, device=device).expand(rows, length)
    begins = torch.ones_like(learned)
    begins[:, 1:] = segments[:, 1:] != segments[:, :-1]
    begin = torch.where(begins, columns, 0).cummax(dim=1).values
    positions = torch.where(segments == PADDING, 0, start + columns - begin)
    labels = torch.full((rows, start + length), NOTHING, device=device)
    labels[:, start - 1 : -1] = torch.where(learned, tokens.long(), NOTHING)
    return {
        "input_ids": torch.cat([before, tokens.long()], dim=1),
        "position_ids": torch.cat([torch.arange(start, device=device).expand(rows, start), positions], dim=1),
        "segments": torch.cat([torch.zeros_like(before), segments.long()], dim=1),
        "labels": labels,
    }


def turn_mask(segments: torch.Tensor) -> torch.Tensor:
    """Who may look at whom: bool[B, 1, T, T] from segments int64[B, T].

    Causal; a token sees the image and its own turn. Padding sees itself, so that no row is empty (softmax of
    nothing is not a number).
    """
    length = segments.shape[1]
    order = torch.arange(length, device=segments.device)
    causal = order[:, None] >= order[None, :]
    query, key = segments[:, :, None], segments[:, None, :]
    visible = causal & ((key == 0) | (key == query)) & (key != PADDING)
    return (visible | (order[:, None] == order[None, :]))[:, None]
