"""Views: what is drawn keeps to its variety, and comes back from JSON exactly."""

import json
from itertools import combinations

import numpy as np
import pytest

from sim.camera import front_camera
from sim.errors import SimError
from sim.objects import COLORS
from sim.scene import TABLE_RANGE
from sim.table import shade
from sim.view import (
    EASY_COLORS,
    ENVIRONMENTS,
    HARD_COLORS,
    HARD_PATTERNS,
    KEPT_IN_VIEW,
    SEEN_COLORS,
    VARIETIES,
    Background,
    Light,
    View,
    draw_view,
)


def test_basic_is_the_fixed_view_and_draws_nothing():
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    assert draw_view(rng) == draw_view(rng, "basic", "basic") == View()
    assert rng.bit_generator.state == state
    assert np.array_equal(View().front_camera().camera_from_world, front_camera().camera_from_world)


@pytest.mark.parametrize("background", VARIETIES)
@pytest.mark.parametrize("environment", VARIETIES)
def test_json_and_back(background, environment):
    rng = np.random.default_rng(1)
    for _ in range(5):
        view = draw_view(rng, background, environment)
        data = view.as_dict()
        assert json.loads(json.dumps(data)) == data
        assert View.from_dict(json.loads(json.dumps(data))) == view


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("light"),
        lambda data: data.update(eye_shift=[0, 0]),
        lambda data: data["background"].update(pattern="tartan"),
        lambda data: data["background"].update(texture="x"),
        lambda data: data["background"].update(colors=[[1, 2]]),
        lambda data: data["light"].update(color="red"),
    ],
)
def test_malformed_views_are_refused(change):
    data = View().as_dict()
    change(data)
    with pytest.raises(SimError, match=r"malformed view|unknown pattern"):
        View.from_dict(data)


def test_unknown_varieties_are_refused():
    with pytest.raises(SimError, match=r"unknown variety of views 'hrad'.*'hard'"):
        draw_view(np.random.default_rng(0), "basic", "hrad")


def test_unseen_cloths_are_not_seen():
    for first, second in combinations((SEEN_COLORS, EASY_COLORS), 2):
        assert min(np.abs(np.subtract(a, b)).max() for a in first for b in second) > 20
    rng = np.random.default_rng(2)
    for background, patterns, colors in (
        ("seen", {"plain"}, {(color,) for color in SEEN_COLORS}),
        ("easy", {"plain"}, {(color,) for color in EASY_COLORS}),
        ("hard", set(HARD_PATTERNS), set(HARD_COLORS)),
    ):
        drawn = [draw_view(rng, background, "basic").background for _ in range(200)]
        assert {cloth.pattern for cloth in drawn} == patterns
        assert {cloth.colors for cloth in drawn} == colors
    assert "plain" not in HARD_PATTERNS


@pytest.mark.parametrize("color", COLORS)
def test_objects_stand_out_on_seen_cloths(color):
    top = np.array(shade(COLORS[color][:3], Light()))
    for cloth in SEEN_COLORS:
        assert np.abs(top - cloth).max() > 50, (color, cloth)


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_environments_keep_to_their_ranges_and_the_table_in_view(environment):
    rng = np.random.default_rng(3)
    ranges = ENVIRONMENTS[environment]
    (x_low, x_high), (y_low, y_high) = TABLE_RANGE
    corners = [[x, y, 0.0] for x in (x_low, x_high) for y in (y_low, y_high)]
    kinds = set()
    for _ in range(100):
        view = draw_view(rng, "basic", environment)
        length = np.linalg.norm(view.eye_shift)
        assert any(kind.shift[0] - 1e-3 <= length <= kind.shift[1] + 1e-3 for kind in ranges)
        assert view.light.color in {tint for kind in ranges for tint in kind.tints}
        pixels = view.front_camera().pixel_from_world(np.concatenate([corners, KEPT_IN_VIEW]))
        assert pixels.min() > 0 and pixels.max() < 1
        assert 0.35 < max(view.light.on_table) < 1.25
        kinds.add(view.light.color)
    assert view.background == Background()
    assert len(kinds) == len({tint for kind in ranges for tint in kind.tints})


def test_unseen_environments_are_not_seen():
    for first, second in combinations(ENVIRONMENTS, 2):
        highest = max(kind.shift[1] for kind in ENVIRONMENTS[first])
        assert highest < min(kind.shift[0] for kind in ENVIRONMENTS[second])
    seen = ENVIRONMENTS["seen"][0]
    for kind in ENVIRONMENTS["easy"] + ENVIRONMENTS["hard"]:
        assert kind.turn[0] > seen.turn[1] and kind.ambient[1] < seen.ambient[0]
