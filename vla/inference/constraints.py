"""Which tokens may come next: actions under one mask, answers under another (RT-2, arXiv:2307.15818).

A grammar is a list of slots for actions, and a small automaton for answers. Where only one token is allowed
the engine writes it without asking the model.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from vla.actions.bins import NUM_BINS, BinTokenizer
from vla.actions.stats import Quantiles
from vla.text.prompt import is_open

NEAR_BINS = 8
"""A place is as good as another within so many bins along x and y: 1.3 and 1.9 cm on the table."""
EMPTY, WORD, HALF_PLACE, PLACE, ENDED, OPEN = range(6)
"""States of an answer: what was written last. Another place cannot follow a place at once. OPEN is the
beginning of an answer to a question that yes and no do not answer."""


def action_slots(statistics: Quantiles, horizon: int, plan_tokens: int) -> np.ndarray:
    """Allowed bins of each token of one decision: the plan, if the model makes one, and a chunk of actions.

    Args:
        statistics: of the actions, of A numbers each.
        horizon: actions H of a chunk.
        plan_tokens: tokens P of the plan.
    Returns:
        bool[P + H * (1 + A), 256]: terminate takes the first and last bin only; a dimension that never moved
        in the demonstrations has one bin; the others, and those of the plan, have all. No row is empty.
    """
    slots = np.ones((1 + statistics.dim, NUM_BINS), dtype=bool)
    slots[0, 1:-1] = False
    still = BinTokenizer().encode(np.zeros(1))[0]  # a constant dimension normalises to 0
    slots[1:][statistics.constant] = False
    slots[1:, still] = True
    plan = np.ones((plan_tokens, NUM_BINS), dtype=bool)
    return np.concatenate([plan, np.tile(slots, (horizon, 1))])


def choose_bin(logits: torch.Tensor, place: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose a bin from each row's distribution.

    An action takes the median: bins are a scale, and where many are nearly right the most probable one may
    lie at the edge of them (docs/decisions/0003). A coordinate of a place takes the most probable bin: midway
    between two blocks there is nothing.

    Args:
        logits: float32[..., 256], minus infinity where a bin is not allowed.
        place: whether they are of a coordinate.
    Returns:
        Probabilities float32[...] and bins int64[...].
    """
    chances = torch.softmax(logits, dim=-1)
    if place:
        best, bins = chances.max(dim=-1)
        return best, bins
    bins = (chances.cumsum(dim=-1) < 0.5).sum(dim=-1)
    return chances.gather(-1, bins[..., None]).squeeze(-1), bins


def chance_near(chances: torch.Tensor, bins: torch.Tensor) -> torch.Tensor:
    """Probability of all bins within NEAR_BINS of one: half a centimetre beside is no other answer.

    Args:
        chances: float32[..., 256].
        bins: int64[...].
    Returns:
        float32[...].
    """
    scale = torch.arange(chances.shape[-1], device=chances.device)
    return (chances * ((scale - bins[..., None]).abs() <= NEAR_BINS)).sum(dim=-1)


class AnswerGrammar:
    """Answers are words and places, then `<eos>`; a place is exactly two location bins, never one or three.

    Args:
        vocab_size: V.
        bin_token_start: id of bin 0.
        eos_token_id: id of `<eos>`.
        special_ids: ids that can never be written, `<eos>` and bins aside.
        foreign_ids: ids of text that is no English. A model may go on in the other language that it has
            learned, in the middle of a list.
        verdict_ids: ids that are "yes" or "no", whole. A model may say them in answer to what asks where, in
            words that it has not learned.
    """

    def __init__(
        self,
        vocab_size: int,
        bin_token_start: int,
        eos_token_id: int,
        special_ids: list[int],
        foreign_ids: list[int],
        verdict_ids: list[int],
    ) -> None:
        is_bin = torch.zeros(vocab_size, dtype=torch.bool)
        is_bin[bin_token_start : bin_token_start + NUM_BINS] = True
        words = ~is_bin
        words[special_ids] = False
        words[eos_token_id] = False
        eos = torch.zeros(vocab_size, dtype=torch.bool)
        eos[eos_token_id] = True
        answers = words.clone()
        answers[verdict_ids] = False
        allowed = {
            EMPTY: words | is_bin,
            WORD: words | is_bin | eos,
            HALF_PLACE: is_bin,
            PLACE: words | eos,
            ENDED: eos,
            OPEN: answers | is_bin,
        }
        self.table = torch.stack([allowed[state] for state in range(len(allowed))])
        self.foreign = torch.zeros(vocab_size, dtype=torch.bool)
        self.foreign[foreign_ids] = True
        self.bin_token_start = bin_token_start
        self.eos_token_id = eos_token_id

    def to(self, device: torch.device) -> AnswerGrammar:
        """Move the tables to a device; returns the grammar."""
        self.table, self.foreign = self.table.to(device), self.foreign.to(device)
        return self

    def begin(self, questions: Sequence[str]) -> torch.Tensor:
        """States int64[B] of the answers to B questions, before anything is written."""
        states = [OPEN if is_open(question) else EMPTY for question in questions]
        return torch.tensor(states, device=self.table.device)

    def allowed(self, state: torch.Tensor, english: torch.Tensor) -> torch.Tensor:
        """bool[B, V] of the tokens allowed in states int64[B]; bool[B] says which answers are English."""
        return self.table[state] & ~(english[:, None] & self.foreign)

    def advance(self, state: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """State after writing a token, both int64[B]."""
        is_bin = (token >= self.bin_token_start) & (token < self.bin_token_start + NUM_BINS)
        after = torch.where(is_bin, torch.where(state == HALF_PLACE, PLACE, HALF_PLACE), WORD)
        return torch.where((token == self.eos_token_id) | (state == ENDED), ENDED, after)
