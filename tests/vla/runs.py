"""What tests of training share: a short run's settings, batches by hand, and when two runs are the same."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

from vla.data.collate import Turn, pack_turns, sequences

LOOP = {
    "steps": 4,
    "batch_size": 3,
    "learning_rate": 1e-2,
    "warmup_steps": 1,
    "precision": "fp32",
    "device": "cpu",
    "log_every": 1,
    "checkpoint_every": 2,
}


def assert_same_files(first: Path, second: Path) -> None:
    """The weights and moments of two folders are equal to the bit."""
    for path in sorted(first.glob("*.safetensors")):
        one, two = load_file(path), load_file(second / path.name)
        assert one.keys() == two.keys()
        different = [name for name in one if not torch.equal(one[name], two[name])]
        assert not different, f"{path.name}: {different[:3]}"


def collate(
    samples: Sequence[tuple[np.ndarray, list[Turn]]], prefix: Sequence[int], pad_id: int
) -> dict[str, torch.Tensor]:
    """The batch that training would make of pictures uint8[H, W, 3] and the turns about each."""
    length = max(sum(map(len, turns)) for _, turns in samples)
    rows = zip(*(pack_turns(turns, length, pad_id) for _, turns in samples), strict=True)
    tokens, segments, learned = (torch.from_numpy(np.stack(column)) for column in rows)
    batch = sequences(prefix, tokens, segments, learned)
    batch["pixel_values"] = torch.from_numpy(np.stack([image for image, _ in samples]))
    states = [turn.state for _, turns in samples for turn in turns if turn.state is not None]
    return batch | ({"states": torch.from_numpy(np.stack(states).astype(np.float32))} if states else {})
