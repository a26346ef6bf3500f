"""How far a checkpoint's plans lie from the expert's, by task, on frames that it did not learn from.

Usage: scripts/plan_errors.py CHECKPOINT DATASET [--frames N] [--held-out]
Where a policy goes is decided by its plan, so this says in minutes what rollouts say in an hour. Moments are
looked at where the dataset has any, else demonstrations; of a dataset that was learned from only the episodes
that training holds out.
"""

from collections import defaultdict
from pathlib import Path

import numpy as np
import tyro

from vla.data.mixture import HELD_OUT_EVERY
from vla.data.reader import DemonstrationDataset
from vla.data.vqa import next_place
from vla.evaluation.metrics import distance_cm
from vla.inference.engine import Engine
from vla.model.processing_vla import square_image

BATCH = 64
FAR_CM = 3.0
"""Beyond the half of most objects: another place is meant."""


def main(
    checkpoint: tyro.conf.Positional[Path],
    dataset: tyro.conf.Positional[Path],
    frames: int = 1500,
    held_out: bool = False,
) -> None:
    """Print a table of plan errors by task.

    Args:
        checkpoint: folder of a trained model that plans.
        dataset: folder of a recording.
        frames: how many are drawn, seed 0.
        held_out: only of the episodes that training holds out.
    """
    data, engine = DemonstrationDataset(dataset), Engine.load(checkpoint)
    chosen = ~data.is_still
    is_moment = data.episode_ends - data.episode_starts == 1
    if (chosen & is_moment).any():
        chosen &= is_moment
    if held_out:
        chosen &= data.episode_index % HELD_OUT_EVERY == HELD_OUT_EVERY - 1
    rows = np.random.default_rng(0).permutation(np.flatnonzero(chosen))[:frames]
    errors: dict[str, list[float]] = defaultdict(list)
    everything: list[float] = []
    for start in range(0, len(rows), BATCH):
        part = [int(row) for row in rows[start : start + BATCH]]
        pictures = {
            camera: np.stack([square_image(data.image(row, camera), size) for row in part])
            for camera, size in engine.config.image_sizes.items()
        }
        told = [data.instruction(row) for row in part]
        chunks = engine.act(pictures["front"], data.states[part], told, pictures.get("wrist"))
        for row, chunk in zip(part, chunks, strict=True):
            scene = data.scene(row)
            assert chunk.plan is not None
            error = distance_cm(chunk.plan, next_place(scene))
            errors[scene["task"]].append(error)
            everything.append(error)
    print(f"| task | frames | median error | over {FAR_CM:g} cm |\n|---|---|---|---|")
    for task, found in [*sorted(errors.items()), ("all", everything)]:
        far = float(np.mean(np.array(found) > FAR_CM))
        print(f"| {task} | {len(found)} | {np.median(found):.1f} cm | {100 * far:.0f} % |")


if __name__ == "__main__":
    tyro.cli(main)
