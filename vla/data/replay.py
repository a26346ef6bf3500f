"""Batches of new data with old data among them, so that what a model knows survives what it learns."""

from __future__ import annotations

import torch
from torch.utils.data import Dataset

from vla.data.collate import NOTHING, PADDING
from vla.data.mixture import CoFineTuningBatches

Batch = dict[str, torch.Tensor]
FILLERS = {"input_ids": 0, "position_ids": 0, "segments": PADDING, "labels": NOTHING}
"""What the columns of a sequence hold behind its end; of ids any would do, since nothing looks there."""


class ReplayedBatches(Dataset[Batch]):
    """Item `step` holds the rows of that step of new data, then those of old data.

    Args:
        new, old: of the same model and length.
    """

    def __init__(self, new: CoFineTuningBatches, old: CoFineTuningBatches) -> None:
        self.new, self.old = new, old

    def __len__(self) -> int:
        return len(self.new)

    def __getitem__(self, step: int) -> Batch:
        return join(self.new[step], self.old[step])

    def validation(self) -> ReplayedBatches | None:
        """Batches of what is held out of both; None where either has none."""
        new, old = self.new.validation(), self.old.validation()
        return None if new is None or old is None else ReplayedBatches(new, old)

    def to(self, device: torch.device) -> None:
        """Hold everything in a GPU's memory, where it fits."""
        self.new.to(device)
        self.old.to(device)


def join(first: Batch, second: Batch) -> Batch:
    """Put the rows of two batches below each other, the shorter sequences filled up.

    States and wrist pictures are of rows with an action, in the order of the rows, and one of the batches may
    have none.
    """
    length = max(batch["input_ids"].shape[1] for batch in (first, second))
    joined = {}
    for name in first | second:
        parts = [batch[name] for batch in (first, second) if name in batch]
        if name in FILLERS:
            parts = [
                torch.nn.functional.pad(part, (0, length - part.shape[1]), value=FILLERS[name])
                for part in parts
            ]
        joined[name] = torch.cat(parts)
    return joined
