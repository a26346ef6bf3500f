"""What stands on the table: how a scene is drawn at random, and the truth about it as plain JSON data."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from sim.objects import (
    BLOCK_SIZE,
    BOWL_RADIUS,
    COLORS,
    SHAPES,
    SLOTS,
    ZONE_SIZE,
    ZONE_THICKNESS,
    ObjectSpec,
    Shape,
)

# Objects are put here, within reach and in view: m in the robot base frame, x ahead of it, y to its left.
WORKSPACE = ((0.35, 0.65), (-0.25, 0.25))
# Place answers are written on this scale (m, x then y): the workspace and room for what is pushed or carried.
TABLE_RANGE = ((0.30, 0.70), (-0.30, 0.30))
START_HEIGHT = (0.12, 0.30)  # m, fingertips above the table when an episode starts
MAX_BLOCK_YAW = 0.3  # rad
EXTRA_PROBABILITY = 0.3  # that an object stands there which the task does not need

# Room around a centre (m): the fingers, open 8 cm and 1.2 cm thick each, fit between two neighbours.
_CLEARANCE: dict[Shape, float] = {"block": 0.045, "bowl": 0.085, "zone": 0.065}
_MARGIN: dict[Shape, float] = {
    "block": 0.0,
    "bowl": BOWL_RADIUS - BLOCK_SIZE / 2,
    "zone": (ZONE_SIZE - BLOCK_SIZE) / 2,
}
_HEIGHT: dict[Shape, float] = {"block": BLOCK_SIZE / 2, "bowl": 0.0, "zone": ZONE_THICKNESS / 2}


class SceneObject(TypedDict):
    """An object as it is now: `position` x, y, z in m in the robot base frame (see ObjectSpec)."""

    name: str
    shape: Shape
    color: str
    position: list[float]
    visible: bool


class GripperState(TypedDict):
    """The gripper as it is now: `position` in m, `opening` 0 closed to 1 open, `holding` an object's name."""

    position: list[float]
    opening: float
    holding: str | None


class Scene(TypedDict):
    """The truth about the world at one moment, and about the task in it."""

    task: str
    instruction: str
    target: str
    goal: str | None
    is_success: bool
    objects: list[SceneObject]
    gripper: GripperState


@dataclass(frozen=True)
class Layout:
    """A scene before the robot moves.

    Args:
        objects: in an order that says nothing about their parts in the task.
        target: name of the block that the instruction is about.
        goal: name of the bowl or zone it shall go to, if the task has one.
    """

    objects: tuple[ObjectSpec, ...]
    target: str
    goal: str | None


def find(scene: Scene, name: str) -> SceneObject:
    """The object of that name."""
    return next(item for item in scene["objects"] if item["name"] == name)


def draw_counts(rng: np.random.Generator, goal_shape: Shape | None) -> dict[Shape, int]:
    """Draw how many objects of each shape stand on the table of a task whose goal has this shape."""
    extras = rng.random(2) < EXTRA_PROBABILITY
    return {
        "block": int(rng.integers(2, SLOTS["block"] + 1)),
        "bowl": int(extras[0]) + (goal_shape == "bowl"),
        "zone": max(int(extras[1]), int(goal_shape == "zone")),
    }


Spot = tuple[Shape, float, float]  # shape, x, y


def is_free(spots: Sequence[Spot], shape: Shape, x: float, y: float) -> bool:
    """Whether an object at (x, y) keeps its distance from those already placed."""
    return all(np.hypot(x - a, y - b) >= _CLEARANCE[shape] + _CLEARANCE[other] for other, a, b in spots)


def draw_spots(
    rng: np.random.Generator,
    shapes: Sequence[Shape],
    start: Callable[[np.random.Generator], list[Spot]] | None = None,
    allowed: Callable[[list[Spot], Shape, float, float], bool] | None = None,
) -> list[Spot]:
    """Draw places for objects, uniform over the workspace and apart from each other.

    Args:
        rng: source of the draw.
        shapes: of the objects, in order.
        start: draws the places of the first few objects, where a task is particular about them.
        allowed: a further condition of a task on each later place, given those so far.
    Returns:
        A place for each of `shapes`.
    """
    while True:
        spots = start(rng) if start else []
        for shape in sorted(shapes[len(spots) :], key=lambda shape: -_CLEARANCE[shape]):
            for _ in range(30):
                x, y = (
                    float(rng.uniform(low + _MARGIN[shape], high - _MARGIN[shape])) for low, high in WORKSPACE
                )
                if is_free(spots, shape, x, y) and (allowed is None or allowed(spots, shape, x, y)):
                    spots.append((shape, x, y))
                    break
        if len(spots) == len(shapes):
            break
    # Large objects were placed first, for they are hard to fit: give the places back in the order asked for.
    ordered = []
    for shape in shapes:
        spot = next(spot for spot in spots if spot[0] == shape)
        spots.remove(spot)
        ordered.append(spot)
    return ordered


def draw_objects(rng: np.random.Generator, spots: Sequence[Spot]) -> list[ObjectSpec]:
    """Draw the colours, distinct within a shape, and the rotations of objects that stand at `spots`."""
    colors = {shape: [list(COLORS)[i] for i in rng.permutation(len(COLORS))] for shape in SHAPES}
    objects = []
    for shape, x, y in spots:
        yaw = float(rng.uniform(-MAX_BLOCK_YAW, MAX_BLOCK_YAW)) if shape == "block" else 0.0
        objects.append(ObjectSpec(shape, colors[shape].pop(), (x, y, _HEIGHT[shape]), yaw))
    return objects
