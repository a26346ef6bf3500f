"""Average two checkpoints, of which one was trained on from the other (WiSE-FT, arXiv:2109.01903).

`python scripts/average_weights.py vla/assets/default runs/vla/checkpoint OUT`; the record is the second's.
"""

import argparse
import json
from pathlib import Path

import torch

from vla.files import check_replaceable
from vla.training.checkpoint import CHECKPOINT_FILES, load_model, save_model, weights_digest

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second checkpoint's weights")
    given = parser.parse_args()
    check_replaceable(given.out, CHECKPOINT_FILES)
    before, _ = load_model(given.before)
    model, processor = load_model(given.after)
    share, old = given.share, before.state_dict()
    model.load_state_dict(
        {
            name: torch.lerp(old[name], new, share) if new.is_floating_point() else new
            for name, new in model.state_dict().items()
        }
    )
    run = json.loads((given.after / "run.json").read_text(encoding="utf-8"))
    save_model(given.out, model, processor, run | {"averaged_with": weights_digest(before), "share": share})
