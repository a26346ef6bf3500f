"""Pack one image and several independent turns into a sequence, and sequences into a batch.

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


@dataclass(frozen=True)
class Turn:
    """A prompt and the tokens to be learned after it; `state` float32[S] fills its `<state>`, if any."""

    prompt: list[int]
    target: list[int]
    state: np.ndarray | None = None


@dataclass(frozen=True)
class Sample:
    """One image uint8[H, W, 3] and its turns."""

    image: np.ndarray
    turns: list[Turn]


def collate(samples: Sequence[Sample], prefix: Sequence[int], pad_id: int) -> dict[str, torch.Tensor]:
    """Batch samples.

    Args:
        samples: B of them.
        prefix: token ids before the turns: `<bos>` and the image placeholders.
        pad_id: id of padding.
    Returns:
        `input_ids` int64[B, T], `position_ids` int64[B, T], `segments` int64[B, T],
        `pixel_values` uint8[B, H, W, 3], `states` float32[K, S] (absent if no turn has one),
        `labels` int64[B, T]: at each place the token that follows, -100 where nothing is to be learned.
    """
    length = max(len(prefix) + sum(len(t.prompt) + len(t.target) for t in s.turns) for s in samples)
    shape = (len(samples), length)
    input_ids = np.full(shape, pad_id, dtype=np.int64)
    position_ids = np.zeros(shape, dtype=np.int64)
    segments = np.full(shape, PADDING, dtype=np.int64)
    labels = np.full(shape, -100, dtype=np.int64)
    start = len(prefix)
    states = []
    for row, sample in enumerate(samples):
        input_ids[row, :start] = prefix
        position_ids[row, :start] = np.arange(start)
        segments[row, :start] = 0
        at = start
        for number, turn in enumerate(sample.turns, start=1):
            tokens = turn.prompt + turn.target
            end = at + len(tokens)
            first = at + len(turn.prompt)
            input_ids[row, at:end] = tokens
            position_ids[row, at:end] = np.arange(start, start + len(tokens))
            segments[row, at:end] = number
            labels[row, first - 1 : end - 1] = turn.target
            if turn.state is not None:
                states.append(turn.state)
            at = end
    batch = {
        "input_ids": torch.from_numpy(input_ids),
        "position_ids": torch.from_numpy(position_ids),
        "segments": torch.from_numpy(segments),
        "labels": torch.from_numpy(labels),
        "pixel_values": torch.from_numpy(np.stack([s.image for s in samples])),
    }
    if states:
        batch["states"] = torch.from_numpy(np.stack(states).astype(np.float32))
    return batch


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
