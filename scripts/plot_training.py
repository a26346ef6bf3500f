"""Draw the losses of a training run: `python scripts/plot_training.py runs/vla/log.jsonl curves.png`."""

import sys
from pathlib import Path

from vla.evaluation.plots import plot_training

if __name__ == "__main__":
    plot_training(Path(sys.argv[1]), Path(sys.argv[2]))
