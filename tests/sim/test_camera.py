"""Cameras: the way to a pixel and back, and agreement with what is drawn."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sim.camera import IMAGE_LEFT_IS_POSITIVE_Y, front_camera
from sim.env import TabletopEnv
from sim.scene import TABLE_RANGE


@given(st.floats(*TABLE_RANGE[0]), st.floats(*TABLE_RANGE[1]), st.floats(0.0, 0.2))
def test_project_and_back(x, y, height):
    camera = front_camera()
    pixel = camera.pixel_from_world(np.array([x, y, height]))
    assert np.allclose(camera.table_from_pixel(pixel, height), [x, y], atol=1e-9)


def test_the_table_and_the_hand_are_in_view():
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    corners = np.array([[x, y, 0.0] for x in (x_low, x_high) for y in (y_low, y_high)])
    raised = np.array([[x, y, 0.3] for x in (0.35, 0.65) for y in (-0.25, 0.25)])
    pixels = front_camera().pixel_from_world(np.concatenate([corners, raised]))
    assert pixels.min() > 0.02 and pixels.max() < 0.98


def test_left_in_the_picture():
    left, right = front_camera().pixel_from_world(np.array([[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]]))
    assert (left[0] < right[0]) == IMAGE_LEFT_IS_POSITIVE_Y


def test_drawn_blocks_lie_where_they_project():
    env = TabletopEnv("reach")
    checked = 0
    for seed in range(5):
        env.reset(seed=seed)
        env.robot.reset(np.array([0.35, 0.0, 0.4]))
        _, bodies = env._render("front", 96)
        for spec, body in zip(env._layout.objects, env._pool.bodies, strict=True):
            if spec.shape != "block":
                continue
            rows, columns = np.nonzero(bodies == body)
            if len(rows) < 40:
                continue
            column, row = env._front.pixel_from_world(np.array(spec.position)) * 96
            assert abs(columns.mean() + 0.5 - column) < 1.0 and abs(rows.mean() + 0.5 - row) < 1.0
            checked += 1
    assert checked >= 8
    env.close()
