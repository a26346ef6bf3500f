"""Make the default checkpoint from a trained one: half precision, half the size.

Usage: scripts/ship.py runs/vla/checkpoint vla/assets/default
"""

import json
import sys
from pathlib import Path

from vla.training.checkpoint import load_model, save_model

source, target = map(Path, sys.argv[1:])
model, processor = load_model(source)
run = json.loads((source / "run.json").read_text())
save_model(target, model.half(), processor, run | {"weights": "rounded to float16 from float32"})
