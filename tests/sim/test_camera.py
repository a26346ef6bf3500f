"""Cameras: the way to a pixel and back, and agreement with what is drawn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.bullet import Bullet
from sim.camera import (
    FAR,
    IMAGE_LEFT_IS_POSITIVE_Y,
    front_camera,
    look_at,
    picture_places,
    side_camera,
    wrist_camera,
)
from sim.scene import TABLE_RANGE
from sim.view import Light

DOWN = np.diag([1.0, -1.0, -1.0])  # world_from_hand of a hand that points down
CAMERAS = {
    "front": front_camera(),
    "moved": front_camera((0.1, -0.1, 0.08), (0.02, 0.01, 0.0)),
    "side": side_camera(),
    "wrist": wrist_camera(np.array([0.5, 0.05, 0.2]), DOWN),
}
FIXED = [CAMERAS["front"], CAMERAS["side"]]


@pytest.fixture(scope="module")
def bullet():
    """An engine to draw single bodies with."""
    engine = Bullet()
    yield engine
    engine.close()


@given(st.floats(*TABLE_RANGE[0]), st.floats(*TABLE_RANGE[1]), st.floats(0.0, 0.1), st.floats(0.4, 2.5))
def test_project_and_back(x, y, height, aspect):
    for camera in CAMERAS.values():
        pixel = camera.pixel_from_world(np.array([x, y, height]), aspect)
        assert np.allclose(camera.table_from_pixel(pixel, height, aspect), [x, y], atol=1e-9)


def test_projecting_by_hand():
    camera = look_at(
        np.array([0.5, 0.0, 2.0]), np.array([0.5, 0.0, 0.0]), np.array([-1.0, 0.0, 0.0]), fov=90.0
    )
    points = np.array([[0.5, 0.0, 0.0], [0.5, 1.0, 0.0], [-0.5, 0.0, 0.0], [0.5, 0.5, 1.0]])
    assert np.allclose(camera.pixel_from_world(points), [[0.5, 0.5], [0.75, 0.5], [0.5, 0.25], [0.75, 0.5]])
    assert np.allclose(camera.pixel_from_world(points[1:3], aspect=2.0), [[0.625, 0.5], [0.5, 0.25]])
    assert np.allclose(camera.pixel_from_world(points[1:3], aspect=0.5), [[0.75, 0.5], [0.5, 0.375]])
    assert np.allclose(camera.depth(points), [2, 2, 2, 1])
    assert np.allclose(camera.eye, [0.5, 0.0, 2.0])


@pytest.mark.parametrize("camera", FIXED)
def test_the_table_and_the_hand_are_in_view(camera):
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    corners = np.array([[x, y, 0.0] for x in (x_low, x_high) for y in (y_low, y_high)])
    raised = np.array([[x, y, 0.3] for x in (0.35, 0.65) for y in (-0.25, 0.25)])
    pixels = camera.pixel_from_world(np.concatenate([corners, raised]))
    assert pixels.min() > 0.02 and pixels.max() < 0.98


@pytest.mark.parametrize("camera", FIXED)
def test_a_pixel_names_a_place_to_a_centimetre(camera):
    points = camera.rays(96, 96)[20:80, 20:80]
    assert np.linalg.norm(np.diff(points, axis=0), axis=-1).max() < 0.015
    assert np.linalg.norm(np.diff(points, axis=1), axis=-1).max() < 0.010


def test_left_in_the_picture():
    left, right = front_camera().pixel_from_world(np.array([[0.5, 0.1, 0.0], [0.5, -0.1, 0.0]]))
    assert (left[0] < right[0]) == IMAGE_LEFT_IS_POSITIVE_Y
    near, ahead = side_camera().pixel_from_world(np.array([[0.4, 0.0, 0.0], [0.6, 0.0, 0.0]]))
    assert near[0] < ahead[0]


def test_above_the_horizon_there_is_no_table():
    tilted = look_at(
        np.array([0.0, 0.0, 0.5]), np.array([1.0, 0.0, 0.5]), np.array([0.0, 0.0, 1.0]), fov=60.0
    )
    points, depth = tilted.rays(8, 12), tilted.table_depth(8, 12)
    assert points.shape == (8, 12, 2) and depth.shape == (8, 12)
    assert np.isnan(points[:4]).all() and np.isnan(depth[:4]).all()
    assert np.isfinite(points[4:]).all() and (depth[4:] > 0).all()


@pytest.mark.parametrize("name", CAMERAS)
@pytest.mark.parametrize(("height", "width"), [(96, 96), (120, 160), (160, 90)])
def test_rays_end_where_bodies_are_drawn(bullet, name, height, width):
    """A slab whose top is the table plane is drawn in just those pixels whose rays end on it, and as deep."""
    camera, half, thickness = CAMERAS[name], 0.08, 1e-5
    slab = bullet.add_box((half, half, thickness), (1, 0, 0, 1), (0.52, 0.03, -thickness), 0.0, solid=False)
    frame = bullet.render(camera, height, width, Light())
    bullet.set_pose(slab, (0, 0, -50))
    points = camera.rays(height, width)
    expected = np.abs(points - [0.52, 0.03]).max(axis=-1) < half
    drawn = frame.bodies == slab
    assert drawn.sum() > 100 and (drawn != expected).sum() <= 4
    both = drawn & expected
    assert np.abs(frame.depth() - camera.table_depth(height, width))[both].max() < 2e-4
    table = np.minimum(np.nan_to_num(camera.table_depth(height, width)), FAR)
    assert np.allclose(frame.depth()[~drawn], table[~drawn])


def test_a_pixel_is_deprojected_to_a_millimetre(bullet):
    """The middle of a small thing's pixels in a fine picture lies where the thing does."""
    camera, size, half = front_camera(), 512, 0.01
    thing = bullet.add_box((half, half, 1e-5), (1, 0, 0, 1), (0, 0, -50), 0.0, solid=False)
    for x, y in [(0.36, -0.24), (0.5, 0.0), (0.64, 0.21), (0.41, 0.13)]:
        bullet.set_pose(thing, (x, y, 0.0))
        rows, columns = np.nonzero(bullet.render(camera, size, size, Light()).bodies == thing)
        place = picture_places(rows, columns, size, size).mean(axis=0)
        assert np.linalg.norm(camera.table_from_pixel(place) - [x, y]) < 1e-3
    bullet.set_pose(thing, (0, 0, -50))
