"""Meshes: closed, turned outwards and of few triangles; bodies made of them; steady normals."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.bullet import Box, Bullet, Cylinder, Sphere, fastest_renderer
from sim.camera import front_camera
from sim.errors import SimError
from sim.meshes import extrude, lathe, sphere, steady_normals
from sim.view import Light

numbers = st.floats(-1, 1, allow_nan=False, width=32)
CYLINDER = lathe([(0, -0.03), (0.02, -0.03), (0.02, 0.03), (0, 0.03)], 16)
RING = lathe([(0.02, -0.01), (0.04, -0.01), (0.04, 0.01), (0.02, 0.01), (0.02, -0.01)], 16)
TEE = np.array([(-3, 1), (-1, 1), (-1, -3), (1, -3), (1, 1), (3, 1), (3, 3), (-3, 3)]) * 0.01
SQUARE = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * 0.01


def volume(mesh):
    """Volume inside, m^3: positive only if the triangles face outwards."""
    vertices, triangles = mesh
    return np.linalg.det(vertices[triangles]).sum() / 6


@pytest.mark.parametrize(
    ("mesh", "expected", "most"),
    [
        (CYLINDER, 8 * np.sin(np.pi / 8) * 0.02**2 * 0.06, 64),
        (RING, 8 * np.sin(np.pi / 8) * (0.04**2 - 0.02**2) * 0.02, 128),
        (sphere(0.02), 0.88 * 4 / 3 * np.pi * 0.02**3, 80),
        (extrude(TEE, 0.03), 20e-4 * 0.03, 28),
        (extrude(SQUARE, 0.02), 0.02**3, 12),
    ],
)
def test_meshes_are_closed_and_face_outwards(mesh, expected, most):
    vertices, triangles = mesh
    assert volume(mesh) == pytest.approx(expected, rel=0.02)
    assert len(triangles) <= most and triangles.max() < len(vertices)
    corners = np.round(vertices[triangles], 9) + 0.0
    edges = [
        (tuple(a), tuple(b)) for face in corners for a, b in zip(face, np.roll(face, -1, 0), strict=True)
    ]
    assert len(set(edges)) == len(edges) and {(b, a) for a, b in edges} == set(edges)
    assert (
        np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).min()
        > 0
    )


def test_meshes_lie_about_the_origin():
    for vertices, _ in (CYLINDER, RING, sphere(0.02), extrude(SQUARE, 0.02)):
        assert np.allclose(vertices.max(axis=0), -vertices.min(axis=0), atol=1e-6)
    assert np.allclose(np.linalg.norm(sphere(0.02)[0], axis=1), 0.02)


def test_an_open_profile():
    vertices, triangles = lathe([(0.045, 0), (0.065, 0.035), (0.059, 0.035), (0.039, 0.006), (0, 0.006)], 14)
    assert len(triangles) == 14 * 7
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    floor = np.isclose(corners[:, :, 2].max(axis=1), 0.006) & np.isclose(corners[:, :, 2].min(axis=1), 0.006)
    assert floor.sum() == 14 and (normals[floor, 2] > 0).all()


@pytest.mark.parametrize("polygon", [SQUARE[::-1], SQUARE[[0, 2, 1, 3]]])
def test_polygons_the_wrong_way_round_are_refused(polygon):
    with pytest.raises(ValueError, match="not anticlockwise"):
        extrude(polygon, 0.02)


@given(st.lists(st.tuples(numbers, numbers, numbers), min_size=1, max_size=20))
def test_normals_stay_and_keep_their_direction(rows):
    normals = np.array(rows, dtype=np.float64)
    normals = normals[np.linalg.norm(normals, axis=1) > 1e-3]
    steady = steady_normals(normals)
    length = np.sqrt((steady * steady).sum(axis=1, dtype=np.float32))
    assert np.array_equal(steady * (np.float32(1) / length)[:, None], steady)
    exact = normals / np.linalg.norm(normals, axis=1, keepdims=True)
    assert np.abs(steady - exact).max(initial=0) < 1e-5


@pytest.fixture
def bullet():
    """An engine with a table."""
    engine = Bullet()
    engine.add_unseen_box((0.9, 0.9, 0.05), (0.3, 0.0, -0.05))
    yield engine
    engine.close()


def test_bodies_of_every_solid_come_to_rest_on_the_table(bullet):
    """What each stands on is as far below its middle as its solid says: kinds of part do not mix up."""
    bottle = [Cylinder(0.02, 0.08, (0, 0, -0.02)), Sphere(0.015, (0, 0, 0.035)), Box((0.01, 0.01, 0.01))]
    prism = extrude(TEE, 0.03)
    bodies = [
        (CYLINDER, [Cylinder(0.02, 0.06)], 0.03),
        (sphere(0.02), [Sphere(0.02)], 0.02),
        (CYLINDER, bottle, 0.06),
        (prism, prism[0], 0.015),
        (prism, [Box((0.03, 0.01, 0.015), (0, 0.02, 0)), Box((0.01, 0.03, 0.015))], 0.015),
    ]
    ids = [
        bullet.add_mesh(*mesh, (1, 0, 0, 1), (0.5, 0.15 * i - 0.3, height + 0.003), solid, 0.05)
        for i, (mesh, solid, height) in enumerate(bodies)
    ]
    for _ in range(60):
        bullet.step()
    for i, (body, (_, _, height)) in enumerate(zip(ids, bodies, strict=True)):
        position, orientation = bullet.pose(body)
        assert np.allclose(position, [0.5, 0.15 * i - 0.3, height], atol=1e-3)
        assert abs(orientation[3]) > 0.999


def test_what_is_not_drawn_comes_back_as_it_was(bullet):
    body = bullet.add_mesh(*CYLINDER, (0.2, 0.5, 0.9, 1), (0.5, 0, 0.03), [Cylinder(0.02, 0.06)])
    before = bullet.render(front_camera(), 64, 64, Light())
    bullet.set_drawn(body, False)
    assert not (bullet.render(front_camera(), 64, 64, Light()).bodies == body).any()
    bullet.set_drawn(body, True)
    after = bullet.render(front_camera(), 64, 64, Light())
    assert (before.bodies == body).any() and np.array_equal(before.rgb, after.rgb)


def test_turned_meshes_are_drawn_alike_every_time(bullet):
    for i, mesh in enumerate((CYLINDER, RING, sphere(0.02), extrude(TEE, 0.03))):
        body = bullet.add_mesh(*mesh, (1, 0, 0, 1), (0.5, 0.1 * i - 0.2, 0.05), [Sphere(0.02)], 0.05)
        bullet.set_pose(body, (0.5, 0.1 * i - 0.2, 0.05), (0.1 * i, 0.3, 0.2, 0.9))
    first, *others = (bullet.render(front_camera(), 96, 96, Light()).rgb for _ in range(5))
    assert all(np.array_equal(first, other) for other in others)


def test_unknown_renderers_and_the_choice_of_one():
    with pytest.raises(SimError, match=r"unknown renderer 'tny'.*'tiny'"):
        Bullet("tny")
    engine = Bullet("auto")
    assert engine.renderer == fastest_renderer()
    engine.close()


@pytest.mark.slow
def test_egl_draws_the_same_bodies_in_the_same_pixels():
    code = """
import numpy as np
from sim.bullet import Bullet, Sphere
from sim.camera import front_camera
from sim.errors import SimError
from sim.meshes import sphere
from sim.view import Light
frames = []
for renderer in ("tiny", "egl"):
    bullet = Bullet(renderer)
    bullet.add_box((0.05, 0.05, 0.02), (1, 0, 0, 1), (0.5, 0.1, 0.02), 0.0)
    bullet.add_mesh(*sphere(0.03), (0, 0, 1, 1), (0.5, -0.1, 0.03), [Sphere(0.03)])
    frames.append(bullet.render(front_camera(), 96, 128, Light()))
    print(renderer, "has drawn", flush=True)
tiny, egl = frames
deep = np.abs(tiny.depth() - egl.depth()).max() < 2e-3
print("differ:", (tiny.bodies != egl.bodies).sum(), deep, tiny.bodies.max())
"""
    trial = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    # Without EGL's libraries the plugin ends the process, or none is found; nothing else may.
    if trial.returncode:
        assert "tiny has drawn" in trial.stdout, trial.stderr
        assert "Traceback" not in trial.stderr or "SimError" in trial.stderr, trial.stderr
        pytest.skip("EGL does not work here")
    count, deep, highest = trial.stdout.split("differ:")[1].split()[:3]
    assert int(count) <= 2 and deep == "True" and highest == "1"
