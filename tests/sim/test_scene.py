"""Scenes: objects keep apart, and each task's success is what its words say."""

import math
from itertools import combinations

import numpy as np
import pytest

from sim.objects import BLOCK_SIZE, BOWL_HEIGHT, COLORS, bowl_mesh
from sim.tasks import TASK_CLASSES
from sim.tasks.pick_up import LIFT_HEIGHT
from sim.tasks.push import PUSH_LENGTH


@pytest.mark.parametrize("task", TASK_CLASSES)
def test_objects_keep_apart_and_the_target_is_unique(task):
    goal_shape = TASK_CLASSES[task].goal_shape
    for seed in range(40):
        layout = TASK_CLASSES[task]().layout(np.random.default_rng(seed), None, None)
        names = [item.name for item in layout.objects]
        assert len(set(names)) == len(names) and names.count(layout.target) == 1
        assert 2 <= sum(item.shape == "block" for item in layout.objects) <= 4
        assert (layout.goal in names) if goal_shape else (layout.goal is None)
        for first, second in combinations(layout.objects, 2):
            distance = math.dist(first.position[:2], second.position[:2])
            assert distance >= (0.13 if "bowl" in (first.shape, second.shape) else 0.09)


def test_target_colours_are_even():
    rng = np.random.default_rng(0)
    targets = [TASK_CLASSES["reach"]().layout(rng, None, None).target for _ in range(600)]
    for color in COLORS:
        assert 65 <= targets.count(f"{color} block") <= 140


def test_push_distance():
    for seed in range(40):
        layout = TASK_CLASSES["push"]().layout(np.random.default_rng(seed), None, None)
        block, zone = (
            next(item for item in layout.objects if item.name == name)
            for name in (layout.target, layout.goal)
        )
        assert PUSH_LENGTH[0] <= abs(block.position[1] - zone.position[1]) <= PUSH_LENGTH[1]
        assert abs(block.position[0] - zone.position[0]) <= 0.02


def make_scene(task, block, *, goal=(0.5, 0.1, 0.0), gripper=(0.4, 0.0, 0.2), holding=None):
    """A scene with one red block and, where the task has a goal, a blue bowl or zone."""
    shape = TASK_CLASSES[task].goal_shape
    objects = [{"name": "red block", "shape": "block", "color": "red", "position": block, "visible": True}]
    if shape:
        objects.append(
            {"name": f"blue {shape}", "shape": shape, "color": "blue", "position": goal, "visible": True}
        )
    return {
        "task": task,
        "instruction": "",
        "target": "red block",
        "goal": f"blue {shape}" if shape else None,
        "is_success": False,
        "objects": objects,
        "gripper": {"position": gripper, "opening": 1.0, "holding": holding},
    }


BASE = BLOCK_SIZE / 2


@pytest.mark.parametrize(
    ("task", "arguments", "expected"),
    [
        ("reach", {"block": (0.5, 0, BASE), "gripper": (0.5, 0.03, 0.05)}, True),
        ("reach", {"block": (0.5, 0, BASE), "gripper": (0.5, 0.04, 0.05)}, False),
        ("pick_up", {"block": (0.5, 0, BASE + LIFT_HEIGHT), "holding": "red block"}, True),
        ("pick_up", {"block": (0.5, 0, BASE + LIFT_HEIGHT)}, False),
        ("pick_up", {"block": (0.5, 0, BASE + LIFT_HEIGHT - 0.01), "holding": "red block"}, False),
        ("push", {"block": (0.53, 0.12, BASE)}, True),
        ("push", {"block": (0.53, 0.06, BASE)}, False),
        ("push", {"block": (0.5, 0.1, 0.1), "holding": "red block"}, False),
        ("place_in_bowl", {"block": (0.51, 0.1, 0.026)}, True),
        ("place_in_bowl", {"block": (0.51, 0.1, 0.026), "holding": "red block"}, False),
        ("place_in_bowl", {"block": (0.51, 0.1, BOWL_HEIGHT + BASE)}, False),
        ("place_in_bowl", {"block": (0.58, 0.1, BASE)}, False),
    ],
)
def test_success(task, arguments, expected):
    assert TASK_CLASSES[task]().is_success(make_scene(task, **arguments)) is expected


def test_the_bowl_is_a_closed_fan_of_outward_faces():
    vertices, triangles = bowl_mesh()
    assert triangles.max() == len(vertices) - 1
    corners = vertices[triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    outer = (corners[:, :, 2].max(axis=1) > 0.03) & (corners[:, :, 2].min(axis=1) == 0.0)
    assert (np.einsum("ij,ij->i", normals[outer], corners[outer].mean(axis=1) * (1, 1, 0)) > 0).all()
    floor = np.isclose(corners[:, :, 2].max(axis=1), corners[:, :, 2].min(axis=1))
    assert (normals[floor, 2] > 0).all()
