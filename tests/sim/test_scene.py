"""Scenes: objects keep apart, and each task's success is what its words say."""

import math
from itertools import combinations

import numpy as np
import pytest

from sim.layout import Kind, draw_spots, is_free
from sim.objects import BOWL_HEIGHT, COLORS, DRAWER_TRAVEL, SHAPES, upright
from sim.scene import WORKSPACE
from sim.still import draw_still
from sim.tasks import TASK_CLASSES
from sim.tasks.pick_up import LIFT_HEIGHT
from sim.tasks.push import PUSH_LENGTH
from sim.variations import SPLITS, slots

SEEN = SPLITS["seen"]


def layouts(task, count, split="seen"):
    """Layouts of a task at seeds from 0."""
    made = TASK_CLASSES[task]()
    return [
        made.layout(np.random.default_rng(seed), SPLITS[split], slots(SPLITS[split])) for seed in range(count)
    ]


@pytest.mark.parametrize(
    ("task", "split"),
    [
        (name, split)
        for name, task in TASK_CLASSES.items()
        for split in ("basic", "seen")
        if task.shapes(SPLITS[split])
    ],
)
def test_objects_keep_apart_and_names_tell_them_apart(task, split):
    for layout in layouts(task, 30, split):
        names = [item.name for item in layout.objects]
        assert len(set(names)) == len(names)
        parts = [name for name in (layout.target, layout.goal, layout.third) if name]
        assert len(parts) == min(len(TASK_CLASSES[task].roles), 3) and set(parts) <= set(names)
        movable = [item for item in layout.objects if SHAPES[item.shape].part == "movable"]
        assert len(movable) <= 4
        for first, second in combinations(layout.objects, 2):
            if "drawer" in (first.shape, second.shape) or {first.name, second.name} == set(parts):
                continue  # drawers have room of another form, and a task may put its own two close
            if task == "swap" and "zone" in (first.shape, second.shape):
                continue  # its blocks stand on zones
            kinds = [Kind(item.shape, item.size) for item in (first, second)]
            distance = math.dist(first.position[:2], second.position[:2])
            assert distance >= sum(kind.clearance for kind in kinds) - 1e-9


def test_objects_lie_in_the_workspace_and_colours_are_independent():
    all_layouts = layouts("pick_up", 120)
    first_is_target = sum(layout.objects[0].name == layout.target for layout in all_layouts)
    assert first_is_target < 60
    for layout in all_layouts:
        for item in layout.objects:
            for value, (low, high) in zip(item.position, WORKSPACE, strict=False):
                assert low <= value <= high


def test_target_colours_are_even():
    rng = np.random.default_rng(0)
    task, kit = TASK_CLASSES["reach"](), slots(SPLITS["basic"])
    targets = [task.layout(rng, SPLITS["basic"], kit).target for _ in range(600)]
    for color in tuple(COLORS)[:6]:
        assert 65 <= targets.count(f"{color} block") <= 140


def test_small_and_large_ones_of_a_colour_stand_together():
    pairs = 0
    for layout in layouts("pick_up", 200):
        alike = [
            (a, b)
            for a, b in combinations(layout.objects, 2)
            if (a.shape, a.color) == (b.shape, b.color) and a.shape != "card"
        ]
        assert all({a.size, b.size} == {"small", "large"} for a, b in alike)
        pairs += len(alike)
    assert pairs >= 5


def test_push_distance():
    for layout in layouts("push", 40):
        target, zone = (
            next(item for item in layout.objects if item.name == name)
            for name in (layout.target, layout.goal)
        )
        assert PUSH_LENGTH[0] <= abs(target.position[1] - zone.position[1]) <= PUSH_LENGTH[1]
        assert abs(target.position[0] - zone.position[0]) <= 0.02


def test_too_many_objects_do_not_fit():
    with pytest.raises(ValueError, match="do not fit on the table"):
        draw_spots(np.random.default_rng(0), [Kind("bowl")] * 12)


def test_nothing_stands_where_a_drawer_slides():
    spots, _ = draw_spots(np.random.default_rng(0), [Kind("drawer")])
    inwards = -math.copysign(0.1 + DRAWER_TRAVEL / 2, spots[0].y)
    assert not is_free(spots, Kind("block"), spots[0].x, spots[0].y + inwards)


def test_stills_show_what_no_demonstration_does():
    rng = np.random.default_rng(0)
    shapes, symbols = set(), set()
    for _ in range(400):
        for item in draw_still(rng, SEEN, slots(SEEN)).layout.objects:
            shapes.add(item.shape)
            symbols.add(item.symbol)
    assert {"hexagon", "wedge", "drawer", "button"} <= shapes and not {"cross", "tee"} & shapes
    assert {"star", "3"} <= symbols


# Success, one case a line: the task, where its objects are, and whether it is done.

REST = {"block": 0.02, "bottle": 0.05}
LYING = (0.0, math.sin(math.pi / 4), 0.0, math.cos(math.pi / 4))


def thing(name, position, orientation=(0.0, 0.0, 0.0, 1.0), joint=None):
    color, shape = name.split()
    return {
        "name": name,
        "shape": shape,
        "color": color,
        "size": "medium",
        "symbol": "star" if shape == "card" else None,
        "position": list(position),
        "orientation": list(orientation),
        "joint": joint,
        "visible": True,
    }


def scene_of(task, *objects, gripper=(0.4, 0.0, 0.2), holding=None, marks=None):
    """A scene whose target, goal and third are its objects in order."""
    names = [item["name"] for item in objects] + [None] * 3
    return {
        "task": task,
        "split": "seen",
        "instruction": "",
        "feasible": True,
        "is_success": False,
        "target": names[0],
        "goal": names[1],
        "third": names[2],
        "marks": marks or {},
        "objects": list(objects),
        "gripper": {
            "position": list(gripper),
            "opening": 1.0,
            "holding": holding,
            "joints": [],
            "tilt": [0.0, 0.0, 0.0],
        },
        "view": {},
    }


def red(*position):
    return thing("red block", position)


def blue(shape, *position, **more):
    return thing(f"blue {shape}", position, **more)


MARKS = {"red block": [0.4, 0.1], "blue block": [0.5, -0.1]}


@pytest.mark.parametrize(
    ("scene", "expected"),
    [
        (scene_of("reach", red(0.5, 0, 0.02), gripper=(0.5, 0.03, 0.05)), True),
        (scene_of("reach", red(0.5, 0, 0.02), gripper=(0.5, 0.04, 0.05)), False),
        (scene_of("pick_up", red(0.5, 0, 0.02 + LIFT_HEIGHT), holding="red block"), True),
        (scene_of("pick_up", red(0.5, 0, 0.02 + LIFT_HEIGHT)), False),
        (scene_of("pick_up", red(0.5, 0, 0.01 + LIFT_HEIGHT), holding="red block"), False),
        (scene_of("push", red(0.53, 0.12, 0.02), blue("zone", 0.5, 0.1, 0)), True),
        (scene_of("push", red(0.53, 0.06, 0.02), blue("zone", 0.5, 0.1, 0)), False),
        (scene_of("push", red(0.5, 0.1, 0.1), blue("zone", 0.5, 0.1, 0), holding="red block"), False),
        (scene_of("push_to_block", red(0.5, 0.07, 0.02), blue("block", 0.5, 0, 0.02)), True),
        (scene_of("push_to_block", red(0.5, 0.09, 0.02), blue("block", 0.5, 0, 0.02)), False),
        (scene_of("place_in_bowl", red(0.51, 0.1, 0.026), blue("bowl", 0.5, 0.1, 0)), True),
        (
            scene_of("place_in_bowl", red(0.51, 0.1, 0.026), blue("bowl", 0.5, 0.1, 0), holding="red block"),
            False,
        ),
        (scene_of("place_in_bowl", red(0.51, 0.1, BOWL_HEIGHT + 0.02), blue("bowl", 0.5, 0.1, 0)), False),
        (scene_of("place_in_bowl", red(0.58, 0.1, 0.02), blue("bowl", 0.5, 0.1, 0)), False),
        (scene_of("place_on_plate", red(0.52, 0.1, 0.025), blue("plate", 0.5, 0.1, 0)), True),
        (scene_of("place_on_plate", red(0.57, 0.1, 0.02), blue("plate", 0.5, 0.1, 0)), False),
        (scene_of("place_on_card", red(0.53, 0.1, 0.02), blue("card", 0.5, 0.1, 0)), True),
        (scene_of("place_on_card", red(0.56, 0.1, 0.02), blue("card", 0.5, 0.1, 0)), False),
        (scene_of("move_near", red(0.5, 0.11, 0.02), blue("bowl", 0.5, 0, 0)), True),
        (scene_of("move_near", red(0.5, 0.13, 0.02), blue("bowl", 0.5, 0, 0)), False),
        (scene_of("stack", red(0.5, 0.01, 0.06), blue("block", 0.5, 0, 0.02)), True),
        (scene_of("stack", red(0.5, 0.01, 0.06), blue("block", 0.5, 0, 0.02), holding="red block"), False),
        (scene_of("stack", red(0.5, 0.03, 0.06), blue("block", 0.5, 0, 0.02)), False),
        (scene_of("stack", red(0.5, 0.0, 0.10), blue("block", 0.5, 0, 0.02)), False),
        (scene_of("knock_over", blue("bottle", 0.5, 0, 0.02, orientation=LYING)), True),
        (scene_of("knock_over", blue("bottle", 0.5, 0, 0.05)), False),
        (scene_of("place_upright", blue("bottle", 0.5, 0, 0.05)), True),
        (scene_of("place_upright", blue("bottle", 0.5, 0, 0.05), holding="blue bottle"), False),
        (scene_of("place_upright", blue("bottle", 0.5, 0, 0.02, orientation=LYING)), False),
        (scene_of("open_drawer", blue("drawer", 0.5, -0.3, 0, joint=0.9)), True),
        (scene_of("open_drawer", blue("drawer", 0.5, -0.3, 0, joint=0.5)), False),
        (scene_of("close_drawer", blue("drawer", 0.5, -0.3, 0, joint=0.05)), True),
        (scene_of("close_drawer", blue("drawer", 0.5, -0.3, 0, joint=0.5)), False),
        (scene_of("put_in_drawer", red(0.5, -0.18, 0.03), blue("drawer", 0.5, -0.3, 0, joint=1.0)), True),
        (scene_of("put_in_drawer", red(0.5, -0.18, 0.03), blue("drawer", 0.5, -0.3, 0, joint=0.2)), False),
        (
            scene_of(
                "put_in_drawer",
                red(0.5, 0.18, 0.03),
                blue("drawer", 0.5, 0.3, 0, joint=1.0, orientation=upright(math.pi)),
            ),
            True,
        ),
        (scene_of("press_button", blue("button", 0.5, 0, 0, joint=0.8)), True),
        (scene_of("press_button", blue("button", 0.5, 0, 0, joint=0.1)), False),
        (scene_of("swap", red(0.5, -0.1, 0.02), blue("block", 0.4, 0.1, 0.02), marks=MARKS), True),
        (scene_of("swap", red(0.4, 0.1, 0.02), blue("block", 0.5, -0.1, 0.02), marks=MARKS), False),
        (
            scene_of(
                "sort_by_color",
                red(0.5, 0, 0.026),
                thing("red bowl", (0.5, 0, 0)),
                blue("block", 0.4, 0.2, 0.026),
                blue("bowl", 0.4, 0.2, 0),
            ),
            True,
        ),
        (
            scene_of(
                "sort_by_color",
                red(0.4, 0.2, 0.026),
                thing("red bowl", (0.5, 0, 0)),
                blue("block", 0.5, 0, 0.026),
                blue("bowl", 0.4, 0.2, 0),
            ),
            False,
        ),
        (
            scene_of(
                "stack_three",
                red(0.5, 0, 0.1),
                blue("block", 0.5, 0, 0.06),
                thing("green block", (0.5, 0, 0.02)),
            ),
            True,
        ),
        (
            scene_of(
                "stack_three",
                red(0.5, 0, 0.06),
                blue("block", 0.5, 0, 0.1),
                thing("green block", (0.5, 0, 0.02)),
            ),
            False,
        ),
    ],
)
def test_success(scene, expected):
    assert TASK_CLASSES[scene["task"]]().is_success(scene) is expected
