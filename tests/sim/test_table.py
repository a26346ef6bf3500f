"""The painted table: where zones and cards lie, their colours, patterns and what they are called."""

import timeit

import numpy as np
import pytest

from sim.bullet import Bullet
from sim.camera import front_camera, look_at, side_camera, wrist_camera
from sim.objects import COLORS
from sim.symbols import symbol_image
from sim.table import Flat, paint_table, shade
from sim.view import HARD_COLORS, HARD_PATTERNS, Background, Light

DIM = Light((-0.3, 0.5, 1.0), 0.3, 0.6, (1.0, 0.5, 0.3))
WRIST = wrist_camera(np.array([0.5, 0.05, 0.15]), np.diag([1.0, -1.0, -1.0]))
ABOVE = look_at(np.array([0.5, 0.0, 1.0]), np.array([0.5, 0.0, 0.0]), np.array([-1.0, 0.0, 0.0]), fov=20.0)


def test_a_bare_table():
    painting = paint_table(front_camera(), 20, 30, Background(), Light())
    assert painting.rgb.shape == (20, 30, 3) and (painting.rgb == [217, 210, 199]).all()
    assert painting.ids.shape == (20, 30) and (painting.ids == -1).all()


@pytest.mark.parametrize("light", [Light(), DIM])
def test_zones_are_painted_as_boxes_would_be_drawn(light):
    bullet = Bullet()
    for i, color in enumerate(COLORS.values()):
        box = bullet.add_box((0.06, 0.06, 1e-5), color, (0.5, 0.0, -1e-5), 0.0, solid=False)
        zone = Flat(i, "zone", (0.5, 0.0), 0.0, 0.12, color[:3])
        painting = paint_table(front_camera(), 96, 96, Background(), light, [zone])
        frame = bullet.render(front_camera(), 96, 96, light, painting.words)
        assert ((painting.ids == i) != (frame.bodies == box)).sum() <= 3
        assert (painting.rgb[painting.ids == i] == shade(color[:3], light)).all()
        assert np.array_equal(frame.rgb[painting.ids == i], painting.rgb[painting.ids == i])
        bullet.set_pose(box, (0, 0, -50))
    bullet.close()


@pytest.mark.parametrize("camera", [front_camera(), side_camera(), WRIST])
@pytest.mark.parametrize("kind", ["zone", "card"])
def test_a_flat_covers_the_pixels_whose_rays_end_on_it(camera, kind):
    flat = Flat(3, kind, (0.55, 0.04), 0.4, 0.1, symbol="T")
    painting = paint_table(camera, 90, 120, Background(), Light(), [flat])
    x, y = np.moveaxis(camera.rays(90, 120) - flat.centre, -1, 0)
    local = np.stack([np.cos(0.4) * x + np.sin(0.4) * y, np.cos(0.4) * y - np.sin(0.4) * x])
    expected = np.abs(local).max(axis=0) <= 0.05
    assert expected.sum() > 50
    assert ((painting.ids == 3) != expected).sum() <= (0 if kind == "zone" else 0.15 * expected.sum())
    table = (painting.rgb == [217, 210, 199]).all(axis=-1)
    assert table[np.abs(local).max(axis=0) > 0.07].all()


@pytest.mark.parametrize("name", ["7", "2"])
def test_a_symbol_stands_upright_for_the_front_camera(name):
    card = Flat(0, "card", (0.5, 0.0), 0.0, 0.1, symbol=name)
    painting = paint_table(ABOVE, 400, 400, Background(), Light(), [card])
    rows, columns = np.nonzero(painting.ids == 0)
    card_picture = painting.rgb[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1, 0]
    size, _ = card_picture.shape
    margin = round(0.06 * size)
    seen = (card_picture[margin:-margin, margin:-margin] < 128).astype(float)
    expected = (symbol_image(name, seen.shape[0]) > 127).astype(float)

    def likeness(picture):
        return np.corrcoef(picture.ravel(), expected.ravel())[0, 1]

    assert likeness(seen) > 0.9
    for turned in (seen[::-1], seen[:, ::-1], seen[::-1, ::-1], np.rot90(seen), np.rot90(seen, 3), seen.T):
        assert likeness(turned) < 0.8
    # The camera above has the front camera's way up.
    for camera in (ABOVE, front_camera()):
        middle, near, right = camera.pixel_from_world(
            np.array([[0.5, 0.0, 0.0], [0.54, 0.0, 0.0], [0.5, 0.04, 0.0]])
        )
        assert near[1] > middle[1] and right[0] > middle[0]


def test_flats_out_of_view_or_behind_the_camera_are_left_out():
    flats = [Flat(i, "card", (x, 0.0), 0.1, 0.1, symbol="H") for i, x in enumerate((-3.0, 0.3, 0.55, 4.0))]
    tilted = look_at(
        np.array([0.3, 0.0, 0.1]), np.array([1.0, 0.0, 0.05]), np.array([0.0, 0.0, 1.0]), fov=75.0
    )
    painting = paint_table(tilted, 64, 64, Background(), Light(), flats)
    assert set(np.unique(painting.ids)) == {-1, 2}
    assert (painting.ids[: 64 * 2 // 5] == -1).all()


def test_later_flats_lie_on_earlier_ones():
    zone, card = Flat(0, "zone", (0.5, 0.0), 0.0, 0.14), Flat(1, "card", (0.5, 0.0), 0.0, 0.06, symbol="1")
    ids = paint_table(front_camera(), 96, 96, Background(), Light(), [zone, card]).ids
    assert (ids == 1).sum() > 15 and (ids == 0).sum() > (ids == 1).sum()
    assert not (paint_table(front_camera(), 96, 96, Background(), Light(), [card, zone]).ids == 1).any()


@pytest.mark.parametrize("pattern", HARD_PATTERNS)
def test_patterns_repeat_stay_on_the_table_and_keep_to_their_colours(pattern):
    colors = HARD_COLORS[0]
    cloth = Background(pattern, colors, period=0.1, angle=0.0, seed=4)
    rgb = paint_table(ABOVE, 200, 200, cloth, Light()).rgb.astype(int)
    low, high = np.minimum(*np.array(colors)), np.maximum(*np.array(colors))
    assert (rgb >= low).all() and (rgb <= high).all() and rgb.std() > 4
    front, points = paint_table(front_camera(), 96, 96, cloth, Light()).rgb, front_camera().rays(96, 96)
    inside = np.abs(points - [0.5, 0.0]).max(axis=-1) < 0.1
    pixel = np.floor(ABOVE.pixel_from_world(np.dstack([points, np.zeros((96, 96))])) * 200).astype(int)
    above = rgb[np.clip(pixel[..., 1], 0, 199), np.clip(pixel[..., 0], 0, 199)]
    error = np.abs(above - front).mean(axis=-1)[inside].mean()
    assert error < 0.5 * np.abs(above - above[inside].mean(axis=0)).mean(axis=-1)[inside].mean() + 1
    turned = paint_table(ABOVE, 200, 200, Background(pattern, colors, 0.1, 0.7, 4), Light()).rgb
    assert not np.array_equal(turned, rgb)
    again = paint_table(ABOVE, 200, 200, cloth, Light()).rgb
    assert np.array_equal(again, rgb)


def test_light_tints_the_cloth():
    rgb = paint_table(front_camera(), 8, 8, Background(), DIM).rgb[0, 0].astype(float)
    expected = np.array([217, 210, 199]) * DIM.on_table / np.array(Light().on_table)
    assert np.allclose(rgb, expected, atol=0.5)


def test_painting_for_a_moving_camera_is_quick():
    zone = Flat(0, "zone", (0.5, 0.0), 0.0, 0.12)
    seconds = timeit.repeat(
        lambda: paint_table(WRIST, 96, 96, Background(), Light(), [zone]), number=10, repeat=5
    )
    assert min(seconds) / 10 < 2e-3
