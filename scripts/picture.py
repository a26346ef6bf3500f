"""Save a picture of the simulated table to ask about: `python scripts/picture.py scene.png [seed]`."""

import sys

import gymnasium
import numpy as np
from PIL import Image

import sim


def main(path: str, seed: int = 33) -> None:
    """Render one random still scene and write it as a picture."""
    env = gymnasium.make(sim.TASKS["place_in_bowl"], image_size=256)
    pixels, scene = env.unwrapped.sample_still(np.random.default_rng(seed))  # type: ignore[attr-defined]
    Image.fromarray(pixels["front"]).save(path)
    print(f"{path}: " + ", ".join(item["name"] for item in scene["objects"]))
    env.close()


if __name__ == "__main__":
    main(sys.argv[1], *(int(value) for value in sys.argv[2:3]))
