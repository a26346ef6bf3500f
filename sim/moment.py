"""Moments of a task: the hand anywhere, perhaps with something in it, posed rather than simulated.

An expert is a function of the scene alone, so it knows the right action of any state. A demonstration shows
the states along one path through one scene; each moment is another scene, and the hand where few paths lead.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from sim.objects import (
    BOTTLE_HEIGHT,
    BOTTLE_STOPPER,
    SHAPES,
    ObjectSpec,
    axis_of,
    grip_width_of,
    height_of,
    width_of,
)
from sim.robots.panda import MAX_YAW_RAD
from sim.scene import WORKSPACE, Layout
from sim.still import FINGER_GAP, HELD_HEIGHT, OPEN_WIDTH, put
from sim.tasks.base import Task
from sim.tasks.swap import FREE

TURNING = ("place_upright",)
"""Tasks in which the hand turns."""
HELD_PROBABILITY = 0.3
ALOFT_PROBABILITY = 0.3  # of the hand anywhere, where nothing is held
NEXT_PROBABILITY = 0.6  # of the hand at what is to be moved next, where it is at an object
CLOSED_PROBABILITY = 0.2
LEFT_PROBABILITY, LEFT_SPREAD = 0.35, 0.006  # of the open hand still above (m) what has been put down last
DONE_PROBABILITY = 0.5  # of a step of several
HEIGHT = (0.016, 0.30)  # m, of the fingertips
ABOVE = (-0.02, 0.12)  # m, of the fingertips above the top of an object that they are at
SPREAD = 0.03  # m, beside its middle
PUT_SPREAD = 0.003  # m, of what has been put on something
ASIDE_SPREAD, MARK_SPREAD = 0.02, 0.01  # m, of a block put aside, or where another one stood
ASTRAY_PROBABILITY, ASTRAY_SPREAD = 0.4, 0.03  # of a block (m) put down near a wrong place
WRONG_TOWER_PROBABILITY = 0.2
MIRRORED_PROBABILITY = 0.3  # of a swap that begins with the second block
MIN_APART = 0.06  # m, between the middles of two blocks
SWING_HEIGHT, SWING_RAD = 0.16, 0.1  # m, of the fingertips, and how far a bottle in them swings
SLIPPED_PROBABILITY, SLIPPED = 0.25, (0.03, 0.08)  # of a bottle held this far (m) from its stopper
TURN_SPREAD = 0.03  # rad, of the hand about the right turn
_DEPTH, _BOTTLE_DEPTH = 0.02, 0.012  # m, of the fingertips below the top of what they hold, at least


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


def draw_moment(rng: np.random.Generator, task: Task, layout: Layout) -> Moment:
    """Draw what is done already of a task of several steps, and where the hand is."""
    layout, subject, place, last = _advance(rng, task.name, layout)
    turns = task.name in TURNING
    yaw = float(rng.uniform(-MAX_YAW_RAD, MAX_YAW_RAD)) if turns and rng.random() < 0.5 else 0.0
    if turns and rng.random() < HELD_PROBABILITY:
        return _tipped(rng, layout, subject)
    if task.lifts and rng.random() < HELD_PROBABILITY:
        half = height_of(subject.shape, subject.size) / 2
        hand = _anywhere(rng, HELD_HEIGHT)
        if place is not None and rng.random() < 0.5:
            hand = _at(rng, place, (half + 0.01, half + 0.12))
        depth = _BOTTLE_DEPTH if subject.shape == "bottle" else max(half, _DEPTH)
        middle = _point(hand + np.array([0.0, 0.0, depth - half]))
        layout = _moved(layout, replace(subject, position=middle, orientation=(0.0, 0.0, 0.0, 1.0)))
        opening = (grip_width_of(subject.shape, subject.size) - FINGER_GAP) / OPEN_WIDTH
        return Moment(layout, _point(hand), opening, yaw, subject.name)
    if last is not None and rng.random() < LEFT_PROBABILITY:
        return Moment(layout, _point(_at(rng, _top(last), ABOVE, LEFT_SPREAD)), 1.0, yaw, None)
    opening = 0.0 if rng.random() < CLOSED_PROBABILITY else 1.0
    if rng.random() < ALOFT_PROBABILITY:
        return Moment(layout, _point(_anywhere(rng, HEIGHT)), opening, yaw, None)
    if rng.random() > NEXT_PROBABILITY:
        subject = layout.objects[int(rng.integers(len(layout.objects)))]
    spread = 2 * SPREAD if _lies(subject) else SPREAD
    return Moment(layout, _point(_at(rng, _top(subject), ABOVE, spread)), opening, yaw, None)


def _tipped(rng: np.random.Generator, layout: Layout, bottle: ObjectSpec) -> Moment:
    """A lying bottle in the hand: swinging down below its stopper, or held too far along."""
    lies = np.array(axis_of(bottle.orientation))
    foot, radius = BOTTLE_HEIGHT - BOTTLE_STOPPER, width_of("bottle", bottle.size) / 2
    hand = np.array([0.0, 0.0, rng.uniform(radius, SWING_HEIGHT)])
    hand[:2] = (np.array(bottle.position) + lies * (BOTTLE_HEIGHT / 2))[:2] + rng.normal(0.0, SPREAD, 2)
    along, width = 0.0, grip_width_of("bottle", bottle.size)
    reach = np.hypot(foot, radius)
    # The foot's edge is on the table as long as the hand is no higher than this.
    rests = np.arctan2(radius, foot) + np.arccos(min(hand[2] / reach, 1.0)) if hand[2] < reach else 0.0
    angle = min(float(rests + abs(rng.normal(0.0, SWING_RAD))), np.pi / 2)
    if rng.random() < SLIPPED_PROBABILITY:
        along, width, angle = rng.uniform(*SLIPPED), 2 * radius, np.pi / 2
    axis = lies * np.sin(angle) + np.array([0.0, 0.0, np.cos(angle)])
    middle = hand + axis * (along - BOTTLE_HEIGHT / 2 + BOTTLE_STOPPER)
    sine, cosine = float(np.sin(angle / 2)), float(np.cos(angle / 2))
    turned = (-float(lies[1]) * sine, float(lies[0]) * sine, 0.0, cosine)
    tipped = replace(bottle, position=_point(middle), orientation=turned)
    yaw = float(np.arctan(lies[1] / lies[0]) + rng.normal(0.0, TURN_SPREAD))
    opening = (width - FINGER_GAP) / OPEN_WIDTH
    return Moment(_moved(layout, tipped), _point(hand), opening, yaw, bottle.name)


def _advance(
    rng: np.random.Generator, task: str, layout: Layout
) -> tuple[Layout, ObjectSpec, tuple[float, float, float] | None, ObjectSpec | None]:
    """Do some steps of a task.

    Returns:
        The layout then, what is to be moved next, the place (m) that it goes onto, if any, and what has been
        put down last, if anything.
    """
    specs = {spec.name: spec for spec in layout.objects}
    target, goal, third = (specs.get(name or "") for name in (layout.target, layout.goal, layout.third))
    assert target is not None
    if task == "stack_three" and goal is not None and third is not None:
        if rng.random() < WRONG_TOWER_PROBABILITY:  # of two or three of them, seldom the right one
            lower, *others = [(third, goal, target)[i] for i in rng.permutation(3)]
            for upper in others[: int(rng.integers(1, 3))]:
                lower = _on_top(rng, upper, lower)
                layout = _moved(layout, lower)
            return layout, lower, None, None
        if rng.random() > DONE_PROBABILITY:
            return layout, goal, _top(third), None
        goal = _on_top(rng, goal, third)
        return _moved(layout, goal), target, _top(goal), goal
    if task == "sort_by_color":
        bowls = {spec.color: spec for spec in layout.objects if spec.shape == "bowl"}
        blocks = [spec for spec in layout.objects if spec.shape == "block" and spec.color in bowls]
        *others, subject = [blocks[i] for i in rng.permutation(len(blocks))]
        last = None
        for block in others:
            if rng.random() < DONE_PROBABILITY:
                last = put(block, bowls[block.color], rng)
                layout = _moved(layout, last)
        return layout, subject, _top(bowls[subject.color]), last
    if task == "swap" and goal is not None:
        return _swap_partly(rng, layout, target, goal)
    return layout, target, None if goal is None else _top(goal), None


def _swap_partly(
    rng: np.random.Generator, layout: Layout, target: ObjectSpec, goal: ObjectSpec
) -> tuple[Layout, ObjectSpec, tuple[float, float, float], ObjectSpec | None]:
    """One block aside, the other one where it stood; or one of them where it does not belong."""
    first, second = (goal, target) if rng.random() < MIRRORED_PROBABILITY else (target, goal)
    places = [layout.marks[name] for name in (FREE, first.name, second.name)]
    steps, last = int(rng.integers(3)), None
    if steps >= 1:
        first = last = _near(rng, first, places[0], ASIDE_SPREAD)
    if steps == 2:
        second = last = _near(rng, second, places[1], MARK_SPREAD)
    if rng.random() < ASTRAY_PROBABILITY:
        block, other = (first, second) if rng.random() < 0.5 else (second, first)
        astray = _near(rng, block, places[int(rng.integers(3))], ASTRAY_SPREAD)
        if math.dist(astray.position[:2], other.position[:2]) > MIN_APART:
            first, second = (astray, second) if block is first else (first, astray)
            last = astray
    layout = _moved(_moved(layout, first), second)
    return layout, second if steps == 1 else first, (*places[steps], 0.0), last


def _on_top(rng: np.random.Generator, upper: ObjectSpec, lower: ObjectSpec) -> ObjectSpec:
    x, y, top = _top(lower)
    place = (*rng.normal((x, y), PUT_SPREAD).tolist(), top + height_of(upper.shape, upper.size) / 2)
    return replace(upper, position=place)


def _near(
    rng: np.random.Generator, spec: ObjectSpec, place: tuple[float, float], spread: float
) -> ObjectSpec:
    x, y = rng.normal(place, spread).tolist()
    return replace(spec, position=(x, y, spec.position[2]))


def _moved(layout: Layout, moved: ObjectSpec) -> Layout:
    objects = tuple(moved if spec.name == moved.name else spec for spec in layout.objects)
    return replace(layout, objects=objects)


def _lies(spec: ObjectSpec) -> bool:
    return bool(np.hypot(*spec.orientation[:2]) > 0.1)


def _top(spec: ObjectSpec) -> tuple[float, float, float]:
    """Middle of an object's upper side, m."""
    x, y, z = spec.position
    part = SHAPES[spec.shape].part
    height = 0.0 if part == "flat" or _lies(spec) else height_of(spec.shape, spec.size)
    return x, y, z + (height / 2 if part == "movable" else height)


def _anywhere(rng: np.random.Generator, height: tuple[float, float]) -> np.ndarray:
    (x_low, x_high), (y_low, y_high) = WORKSPACE
    return rng.uniform((x_low, y_low, height[0]), (x_high, y_high, height[1]))


def _at(
    rng: np.random.Generator,
    place: tuple[float, float, float],
    above: tuple[float, float],
    spread: float = SPREAD,
) -> np.ndarray:
    hand = np.array([*rng.normal(place[:2], spread), place[2] + rng.uniform(*above)])
    hand[2] = np.clip(hand[2], *HEIGHT)
    return hand


def _point(hand: np.ndarray) -> tuple[float, float, float]:
    x, y, z = hand.tolist()
    return x, y, z
