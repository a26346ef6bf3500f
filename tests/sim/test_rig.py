"""A picture's colours are gathered from all of a pixel, what is where in it from one place."""

import numpy as np
import pytest

import sim.rig
from sim.env import TabletopEnv

SIZE = 48


@pytest.mark.parametrize("camera", ["front", "wrist", "side"])
def test_colours_are_means_and_the_rest_is_as_drawn_once(monkeypatch, camera):
    env = TabletopEnv("pick_up", cameras=(camera,))
    env.reset(seed=3)
    shot = env._rig.take(camera, SIZE, SIZE)
    rgb, segmentation, depth = shot.rgb, shot.segmentation, shot.depth
    # The painted table is kept by size, so that a new scene has to be begun.
    monkeypatch.setattr(sim.rig, "_SAMPLES", 1)
    env.reset(seed=3)
    coarse, fine = (env._rig.take(camera, size, size) for size in (SIZE, 2 * SIZE))
    env.close()
    squares = fine.rgb.reshape(SIZE, 2, SIZE, 2, 3).astype(float)
    assert np.abs(rgb - squares.mean(axis=(1, 3))).max() <= 0.5
    assert np.abs(rgb.astype(float) - coarse.rgb).max() > 30  # at edges
    assert np.array_equal(segmentation, coarse.segmentation)
    assert np.allclose(depth, coarse.depth, atol=1e-4)
