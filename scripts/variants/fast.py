"""`vla`, but a chunk of actions is written in FAST's tokens in place of bins (arXiv:2501.09747).

Usage: scripts/variants/fast.py VERB ..., as `vla VERB ...`; see scripts/ablations.py.
A chunk is a curve for each dimension: its frequencies are rounded, the lowest of all dimensions come first,
and what often follows one another is one token, of 256. A token before them says after how many actions the
task is done. A part of a chunk cannot be written so: moments, whose actions are single, must be left out.
"""

import sys
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.trainers import BpeTrainer
from torch import nn

from vla.actions.bins import NUM_BINS, BinTokenizer
from vla.cli import main
from vla.data.mixture import TurnPacker
from vla.errors import CheckpointError, DataError
from vla.inference.constraints import choose_bin
from vla.inference.engine import Engine, _Decoder
from vla.model.configuration_vla import VLAConfig
from vla.training import supervised
from vla.training.loop import Batch, LossFunction
from vla.training.losses import smoothing_kernel

SCALE = 10  # steps that an amplitude of 1 has, as in the paper
ZERO = 0x1000  # the letter of an amplitude of 0
build, teach, punish = TurnPacker.__init__, supervised.supervised_loss, supervised.next_token_losses


def cosines(horizon: int) -> NDArray[np.float64]:
    """Row k gives the share of frequency k in a curve (DCT-II, orthonormal): float64[H, H]."""
    frequency, time = np.arange(horizon)[:, None], np.arange(horizon) + 0.5
    shares = np.cos(np.pi / horizon * frequency * time) * np.sqrt(2 / horizon)
    shares[0] /= np.sqrt(2)
    return shares


def spell(actions: NDArray[np.float32]) -> str:
    """A letter for each rounded amplitude of actions float[H, A] in [-1, 1]."""
    amplitudes = np.rint(SCALE * cosines(len(actions)) @ actions).astype(int)
    return "".join(chr(ZERO + amplitude) for amplitude in amplitudes.flat)


def read(letters: str, horizon: int) -> NDArray[np.float64]:
    """Actions float[H, A] in [-1, 1] of what `spell` gives."""
    amplitudes = np.array([ord(letter) - ZERO for letter in letters]).reshape(horizon, -1)
    return np.clip(cosines(horizon).T @ amplitudes / SCALE, -1, 1)


class FastTokenizer:
    """Takes the place of `BinTokenizer` where chunks of `horizon` actions are learned.

    Args:
        horizon: actions of a chunk.
        facts: the byte pairs, as they are kept with the statistics of the robot; None collects `spelled`.
    """

    def __init__(self, horizon: int, facts: str | None = None) -> None:
        self.horizon = horizon
        self.pairs = None if facts is None else Tokenizer.from_str(facts)
        self.spelled: list[str] = []

    def chunk_to_bins(self, actions: NDArray[np.float32], terminate: NDArray[np.bool_]) -> list[int]:
        """As `BinTokenizer.chunk_to_bins`: how many actions come before the end, and the chunk's tokens."""
        if len(actions) != self.horizon:
            raise DataError(f"FAST needs {self.horizon} actions, not {len(actions)}; leave moments out")
        letters = spell(actions)
        if self.pairs is None:
            self.spelled.append(letters)
            return []
        return [int(np.sum(~terminate)), *self.pairs.encode(letters).ids]


def fit(spelled: list[str], horizon: int) -> str:
    """Byte pairs of many chunks, as JSON."""
    most = int(np.ceil(SCALE * np.sqrt(horizon)))
    alphabet = [chr(ZERO + amplitude) for amplitude in range(-most, most + 1)]
    pairs = Tokenizer(BPE())
    trainer = BpeTrainer(vocab_size=NUM_BINS, initial_alphabet=alphabet, show_progress=False)
    pairs.train_from_iterator(spelled, trainer)
    return str(pairs.to_str())


@cache
def vocabulary_of(facts: str) -> list[str]:
    """Letters of each token that `fit` has found."""
    pairs = Tokenizer.from_str(facts)
    return [pairs.id_to_token(index) or "" for index in range(NUM_BINS)]


def with_pairs(packer: TurnPacker, *arguments: Any) -> None:
    """As the packer's constructor; the robot's byte pairs are found, or those that the model knows taken."""
    build(packer, *arguments)
    horizon, robot = packer.config.action_horizon, packer.config.embodiments[packer.dataset.robot_type]
    if "fast" not in robot:
        collected: Any = FastTokenizer(horizon)
        packer.bins = collected
        for frame in packer.frames[: packer.motion_rows]:
            packer.motion_turn(int(frame), packer.dataset.instruction(int(frame)))
        robot["fast"] = fit(collected.spelled, horizon)
    bins: Any = FastTokenizer(horizon, robot["fast"])
    packer.bins = bins


def sharp_loss(config: VLAConfig, *weights: float) -> LossFunction:
    """As `supervised_loss`, but of an action's tokens only the right one is right: they are no scale."""
    loss = teach(config, *weights)

    def apart(model: nn.Module, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        actions, _ = supervised.decisions(config, batch)
        motion = actions[batch["labels"] >= 0]

        def losses(logits: torch.Tensor, labels: torch.Tensor, start: int, kernel: Any) -> torch.Tensor:
            sharp = punish(logits, labels, start, smoothing_kernel(0).to(kernel))
            return torch.where(motion, sharp, punish(logits, labels, start, kernel))

        supervised.next_token_losses = losses
        return loss(model, batch)

    return apart


def write_fast(engine: Engine, decoder: _Decoder, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    """As `Engine._write`: what is read from FAST's tokens, in bins."""
    start, horizon = engine.config.bin_token_start, engine.config.action_horizon
    dim, facts = engine.embodiment.action.dim, engine.config.embodiments[engine.embodiment.name]
    if "fast" not in facts:
        raise CheckpointError("the model writes bins, not FAST's tokens; train one with this program")
    vocabulary = vocabulary_of(facts["fast"])
    letters = torch.tensor([len(token) for token in vocabulary], device=engine.device)
    hidden, written = decoder.hidden, []

    def choose(allowed: torch.Tensor, place: bool) -> torch.Tensor:
        nonlocal hidden
        if written:
            hidden = decoder.feed(written[-1] + start)
        logits: torch.Tensor = decoder.logits(hidden[:, -1:])[..., start : start + NUM_BINS].float()
        _, chosen = choose_bin(logits.masked_fill(~allowed, -torch.inf), place)
        written.append(chosen)
        return chosen

    every = torch.ones(NUM_BINS, dtype=torch.bool, device=engine.device)
    plan = [choose(every, place=True) for _ in range(engine.plan_tokens)]
    acts = choose(torch.arange(NUM_BINS, device=engine.device) <= horizon, place=False)
    left = torch.full((rows, 1), horizon * dim, device=engine.device)
    chosen: list[torch.Tensor] = []
    while bool((left > 0).any()):
        fitting = (letters > 0) & (letters <= left.clamp(min=1))  # a row that is done writes what is not read
        chosen.append(choose(fitting[:, None], place=True))
        left = left - letters[chosen[-1]]
    chunks = []
    for row, before in zip(torch.cat(chosen, dim=1).tolist(), acts[:, 0].tolist(), strict=True):
        text = "".join(vocabulary[token] for token in row)[: horizon * dim]
        done = np.arange(horizon) >= before
        chunks.append(BinTokenizer().chunk_to_bins(read(text, horizon), done))
    bins = torch.cat([*plan, torch.from_numpy(np.stack(chunks)).to(engine.device)], dim=1)
    return bins, torch.ones(bins.shape, device=engine.device)


TurnPacker.__init__ = with_pairs  # type: ignore[method-assign]
supervised.supervised_loss = sharp_loss
Engine._write = write_fast  # type: ignore[method-assign]
if __name__ == "__main__":
    sys.exit(main())
