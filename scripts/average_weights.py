"""Average two checkpoints, of which one was trained on from the other (WiSE-FT, arXiv:2109.01903).

`python scripts/average_weights.py vla/assets/default runs/vla/checkpoint OUT`; the record is the second's.
"""

import argparse
import json
import sys
from pathlib import Path

import torch

from vla.errors import CheckpointError, VLAError
from vla.files import check_replaceable
from vla.training.checkpoint import CHECKPOINT_FILES, load_model, save_model, weights_digest


def average(before: Path, after: Path, out: Path, share: float) -> None:
    """Write the mean of two checkpoints, `share` of it the second's.

    Raises:
        CheckpointError: one of them cannot be loaded, or they are not of one shape.
        DataError: `out` holds anything else than a checkpoint.
    """
    check_replaceable(out, CHECKPOINT_FILES)
    earlier, _ = load_model(before)
    model, processor = load_model(after)
    old, new = earlier.state_dict(), model.state_dict()
    shapes, others = ({name: value.shape for name, value in state.items()} for state in (old, new))
    if shapes != others:
        raise CheckpointError(f"{before} and {after} are not of one shape; name two of one training")
    model.load_state_dict(
        {
            name: torch.lerp(old[name], value, share) if value.is_floating_point() else value
            for name, value in new.items()
        }
    )
    record = after / "run.json"
    run = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    save_model(out, model, processor, run | {"averaged_with": weights_digest(earlier), "share": share})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second checkpoint's weights")
    try:
        average(**vars(parser.parse_args()))
    except VLAError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)
