"""What tests of training share: the settings of a short run, and when two runs are the same."""

from pathlib import Path

import torch
from safetensors.torch import load_file

LOOP = {
    "steps": 4,
    "batch_size": 3,
    "learning_rate": 1e-2,
    "warmup_steps": 1,
    "precision": "no",
    "device": "cpu",
    "workers": 0,
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
