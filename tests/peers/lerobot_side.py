"""What the real `lerobot` package does in the peers' tests; runs in its own environment, without vla.

Usage: lerobot_side.py write EPISODES.npz OUT     writes a dataset with a camera stored as video
       lerobot_side.py read DATASET               prints what it finds there, as JSON
"""

import json
import sys
from pathlib import Path

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset

CAMERA = "observation.images.top"


def write(source: str, out: str) -> None:
    """Write the episodes of a file made by `test_lerobot.py`."""
    data = np.load(source)
    size, state, action = data["images"].shape[1], data["states"].shape[1], data["actions"].shape[1]
    features = {
        CAMERA: {"dtype": "video", "shape": (size, size, 3), "names": ["height", "width", "channels"]},
        "observation.state": {"dtype": "float32", "shape": (state,), "names": None},
        "action": {"dtype": "float32", "shape": (action,), "names": None},
    }
    dataset = LeRobotDataset.create(
        "somebody/demos", int(data["fps"]), features, root=out, robot_type=str(data["robot"])
    )
    for episode in np.unique(data["episodes"]):
        for frame in np.flatnonzero(data["episodes"] == episode):
            dataset.add_frame(
                {
                    CAMERA: data["images"][frame],
                    "observation.state": data["states"][frame],
                    "action": data["actions"][frame],
                    "task": str(data["task"]),
                }
            )
        dataset.save_episode()
    dataset.finalize()


def read(root: str) -> None:
    """Open a dataset that vla wrote."""
    dataset = LeRobotDataset("somebody/demos", root=root)
    first = dataset[0]
    shapes = {key: list(value.shape) for key, value in first.items() if hasattr(value, "shape")}
    facts = {"frames": len(dataset), "episodes": dataset.num_episodes, "fps": dataset.fps}
    print(json.dumps(facts | {"task": first["task"], "shapes": shapes, "name": Path(root).name}))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
