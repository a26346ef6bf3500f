"""Moments of a task: the hand anywhere, perhaps with the target in it, posed rather than simulated.

An expert is a function of the scene alone, so it knows the right action of any state. A demonstration shows
the states along one path through one scene; each moment is another scene, and the hand where few paths lead.
"""

from dataclasses import dataclass, replace

import numpy as np

from sim.objects import SHAPES, ObjectSpec, height_of, width_of
from sim.robots.panda import MAX_YAW_RAD
from sim.scene import WORKSPACE, Layout
from sim.still import FINGER_GAP, HELD_HEIGHT, OPEN_WIDTH

CARRYING = (
    "pick_up",
    "place_in_bowl",
    "place_on_plate",
    "place_on_card",
    "move_near",
    "stack",
    "put_in_drawer",
    "swap",
    "sort_by_color",
    "stack_three",
)
"""Tasks in which the target is lifted upright."""
TURNING = ("place_upright",)
"""Tasks in which the hand turns."""
HELD_PROBABILITY = 0.3
ALOFT_PROBABILITY = 0.3  # of the hand anywhere, where nothing is held
TARGET_PROBABILITY = 0.6  # of the hand at the target, where it is at an object
CLOSED_PROBABILITY = 0.2
HEIGHT = (0.016, 0.30)  # m, of the fingertips
ABOVE = (-0.02, 0.12)  # m, of the fingertips above the top of an object that they are at
SPREAD = 0.03  # m, beside its middle
GRASP_DEPTH = 0.02  # m, of the fingertips below the top of what they hold


@dataclass(frozen=True)
class Moment:
    """A state before it is posed.

    Args:
        layout: the objects, with what is held where the hand is.
        hand: x, y, z of the fingertips, m.
        opening: of the gripper, 0 closed to 1 open.
        yaw: of the hand, rad.
        held: name of the object in it.
    """

    layout: Layout
    hand: tuple[float, float, float]
    opening: float
    yaw: float
    held: str | None


def draw_moment(rng: np.random.Generator, task: str, layout: Layout) -> Moment:
    """Draw where the hand is, in a scene of a task."""
    specs = {spec.name: spec for spec in layout.objects}
    target = specs[layout.target]
    yaw = float(rng.uniform(-MAX_YAW_RAD, MAX_YAW_RAD)) if task in TURNING and rng.random() < 0.5 else 0.0
    if task in CARRYING and rng.random() < HELD_PROBABILITY:
        aim = specs.get(layout.goal or "")
        hand = _anywhere(rng, HELD_HEIGHT)
        half = height_of(target.shape, target.size) / 2
        if aim is not None and rng.random() < 0.5:
            hand = _at(rng, aim, (half + 0.01, half + 0.12))
        depth = 0.012 if target.shape == "bottle" else max(half, GRASP_DEPTH)
        middle = hand + np.array([0.0, 0.0, depth - half])
        held = replace(target, position=_point(middle), orientation=(0.0, 0.0, 0.0, 1.0))
        objects = tuple(held if spec is target else spec for spec in layout.objects)
        opening = (width_of(target.shape, target.size) - FINGER_GAP) / OPEN_WIDTH
        return Moment(replace(layout, objects=objects), _point(hand), opening, yaw, target.name)
    opening = 0.0 if rng.random() < CLOSED_PROBABILITY else 1.0
    if rng.random() < ALOFT_PROBABILITY:
        return Moment(layout, _point(_anywhere(rng, HEIGHT)), opening, yaw, None)
    aim = target
    if rng.random() > TARGET_PROBABILITY:
        aim = layout.objects[int(rng.integers(len(layout.objects)))]
    return Moment(layout, _point(_at(rng, aim, ABOVE)), opening, yaw, None)


def _anywhere(rng: np.random.Generator, height: tuple[float, float]) -> np.ndarray:
    (x_low, x_high), (y_low, y_high) = WORKSPACE
    return rng.uniform((x_low, y_low, height[0]), (x_high, y_high, height[1]))


def _at(rng: np.random.Generator, spec: ObjectSpec, above: tuple[float, float]) -> np.ndarray:
    x, y, z = spec.position
    part, lies = SHAPES[spec.shape].part, np.hypot(*spec.orientation[:2]) > 0.1
    height = 0.0 if lies or part == "flat" else height_of(spec.shape, spec.size)
    top = z + (height / 2 if part == "movable" else height)
    hand = np.array([*rng.normal((x, y), 2 * SPREAD if lies else SPREAD), top + rng.uniform(*above)])
    hand[2] = np.clip(hand[2], *HEIGHT)
    return hand


def _point(hand: np.ndarray) -> tuple[float, float, float]:
    x, y, z = hand.tolist()
    return x, y, z
