"""What tasks are about, and how far one has come, as far as one picture shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import dist, hypot

import numpy as np

from sim.language.items import Item
from sim.language.truth import LOW, LYING, MOVABLE, ON_TABLE, OPEN, PRESSED, RAISED, UPRIGHT, SceneView
from sim.objects import DRAWER_FLOOR, DRAWER_INSIDE, DRAWER_TRAVEL, UNSEEN_EASY, UNSEEN_HARD

AT_TOP = 0.03  # m between the tool point and an object's top: has reached it
AWAY = 0.06  # m: has not reached it
LIFTED = 0.08  # m from the table to the underside: has been picked up
TOUCHING, APART = 0.018, 0.04  # m between the sides of two blocks: next to each other, not
NEAR, FAR = 0.10, 0.14  # m between centres: near, not near
BESIDE_DRAWER, BEYOND_DRAWER = 0.11, 0.26  # m from a cabinet's middle, across, along its way
# Of a drawer's joint: surely opened; neither opened nor closed; surely closed.
WHOLLY_OPEN, PARTLY_OPEN, BARELY_OPEN = 0.85, 0.30, 0.07


@dataclass(frozen=True)
class Roles:
    """What plays the parts of a task: the shapes that each part is taken from."""

    target: tuple[str, ...]
    goal: tuple[str, ...] = ()
    third: tuple[str, ...] = ()


_LOW = ("block", "cylinder", "ball", "ring")
_BODIES = (*_LOW, "bottle")
_STEADY = ("block", "cylinder")
ROLES: dict[str, Roles] = {
    "reach": Roles(_BODIES),
    "push": Roles(_STEADY, ("zone",)),
    "push_to_block": Roles(_STEADY, ("block",)),
    "pick_up": Roles(_BODIES),
    "place_in_bowl": Roles(_LOW, ("bowl",)),
    "place_on_plate": Roles(_LOW, ("plate",)),
    "stack": Roles(_STEADY, ("block",)),
    "move_near": Roles(_LOW, ("block", "cylinder", "ring", "bowl", "plate")),
    "place_on_card": Roles(_LOW, ("card",)),
    "knock_over": Roles(("bottle",)),
    "place_upright": Roles(("bottle",)),
    "open_drawer": Roles(("drawer",)),
    "close_drawer": Roles(("drawer",)),
    "put_in_drawer": Roles(_LOW, ("drawer",)),
    "press_button": Roles(("button",)),
    "swap": Roles(("block",), ("block",)),
    "sort_by_color": Roles(("block",), ("block",)),
    "stack_three": Roles(("block",), ("block",), ("block",)),
}
TASKS = tuple(ROLES)

Parts = tuple[Item, ...]  # target, goal, third: as many as the task has


def can_play(task: str, parts: Parts) -> bool:
    """Whether objects can be the parts of a task, the prisms wherever a block can."""
    roles = (ROLES[task].target, ROLES[task].goal, ROLES[task].third)
    shapes = ("block" if item.shape in UNSEEN_EASY + UNSEEN_HARD else item.shape for item in parts)
    return all(shape in allowed for shape, allowed in zip(shapes, roles, strict=False))


def draw_parts(view: SceneView, task: str, rng: np.random.Generator) -> Parts | None:
    """Draw visible objects for the parts of a task, or None where there are none.

    To sort by colour is about all blocks.
    """
    if task == "sort_by_color":
        blocks = [item for item in view.all if item.shape == "block"]
        return tuple(blocks) if len(blocks) > 1 and all(item.visible for item in blocks) else None
    roles = ROLES[task]
    chosen: list[Item] = []
    for shapes in (roles.target, roles.goal, roles.third):
        if not shapes:
            break
        fitting = [item for item in view.items if item.shape in shapes and item not in chosen]
        if not fitting:
            return None
        chosen.append(fitting[int(rng.random() * len(fitting))])
    return tuple(chosen)


def is_done(view: SceneView, task: str, parts: Parts) -> bool | None:
    """Whether a task has been carried out; None where that is not plain to see in one picture.

    Where it is the episode's own task, what is plain to see must agree with the env.
    """
    done = _looks_done(view, task, parts)
    scene = view.scene
    names = tuple(item.name for item in parts)
    own = tuple(scene.get(role) for role in ("target", "goal", "third") if scene.get(role))
    same = scene.get("task") == task and (own == names or task == "sort_by_color")
    return None if same and done != scene["is_success"] else done


def _looks_done(view: SceneView, task: str, parts: Parts) -> bool | None:
    target = parts[0]
    held = view.holding == target.name
    match task:
        case "reach":
            return _has_reached(view, target)
        case "pick_up":
            return _certain(held and target.bottom > LIFTED, not held or target.bottom < LOW)
        case "place_in_bowl" | "place_on_plate" | "place_on_card" | "push":
            return False if held else view.holds(target, parts[1])
        case "push_to_block":
            return False if held else touches(target, parts[1])
        case "move_near":
            return False if held else _is_near(target, parts[1])
        case "stack":
            return _as_low(parts[1], view.is_on(target, parts[1]))
        case "stack_three":
            tower = _all([view.is_on(target, parts[1]), view.is_on(parts[1], parts[2])])
            return _as_low(parts[2], tower)
        case "knock_over" | "place_upright":
            stands = target.up > UPRIGHT and target.bottom < ON_TABLE
            lies = None if held else _certain(abs(target.up) < LYING, stands)
            return lies if task == "knock_over" or lies is None else not lies
        case "open_drawer":
            return _certain(target.joint > WHOLLY_OPEN, target.joint < PARTLY_OPEN)
        case "close_drawer":
            return _certain(target.joint < BARELY_OPEN, target.joint > PARTLY_OPEN)
        case "press_button":
            return _certain(target.joint > PRESSED, target.joint < RAISED)
        case "put_in_drawer":
            return False if held else is_in_drawer(target, parts[1])
        case "sort_by_color":
            states = [is_sorted(view, block) for block in parts]
            # Where a block has no bowl of its colour, nobody could say what it would be to be done.
            return _all(states) if all(_has_bowl(view.all, block) for block in parts) else None
    return None  # the places that a swap began with are not to be seen


def _has_reached(view: SceneView, target: Item) -> bool | None:
    if target.up < UPRIGHT and target.shape == "bottle":
        return None
    x, y, z = view.hand
    to_top = hypot(hypot(x - target.x, y - target.y), z - target.z - target.half)
    to_middle = dist((x, y, z), (target.x, target.y, target.z))
    return _certain(to_top < AT_TOP, to_top > AWAY and to_middle > AWAY)


def touches(first: Item, second: Item) -> bool | None:
    """Whether two objects on the table stand side by side, by the gap between them."""
    gap = hypot(first.x - second.x, first.y - second.y) - (first.width + second.width) / 2
    return _certain(gap < TOUCHING and max(first.bottom, second.bottom) < ON_TABLE, gap > APART)


def _is_near(target: Item, goal: Item) -> bool | None:
    gap = hypot(target.x - goal.x, target.y - goal.y)
    return _certain(gap < NEAR and max(target.bottom, goal.bottom) < ON_TABLE, gap > FAR)


def is_in_drawer(item: Item, drawer: Item) -> bool | None:
    """Whether an object lies in an open drawer; never certain of one that is closed."""
    aside = abs(item.x - drawer.x)
    along = (drawer.y - item.y) * (1 if drawer.y > 0 else -1)
    half_x, half_y = DRAWER_INSIDE
    middle = DRAWER_TRAVEL * drawer.joint
    inside = aside < half_x - 0.01 and abs(along - middle) < half_y - 0.01 and drawer.joint > OPEN
    low = item.bottom < DRAWER_FLOOR + ON_TABLE
    return _certain(inside and low, aside > BESIDE_DRAWER or along > BEYOND_DRAWER)


def _as_low(lowest: Item, stands: bool | None) -> bool | None:
    """The same, but not certain of a tower that stands on something else than the table."""
    return None if stands and lowest.bottom > ON_TABLE else stands


def _has_bowl(items: Sequence[Item], block: Item) -> bool:
    """Whether a bowl of a block's colour is among these."""
    return any(item.shape == "bowl" and item.color == block.color for item in items)


def is_sorted(view: SceneView, block: Item) -> bool | None:
    """Whether a block lies released in the bowl of its colour; never certain where there is no such bowl."""
    bowls = [item for item in view.all if item.shape == "bowl" and item.color == block.color]
    if len(bowls) != 1 or block.name == view.holding:
        return False if bowls else None
    return view.lies_in(block, bowls[0])


def _all(states: list[bool | None]) -> bool | None:
    return False if False in states else None if None in states else True


def _certain(true: bool, false: bool) -> bool | None:
    return True if true else False if false else None


def can_do(view: SceneView, task: str, parts: Parts) -> bool:
    """Whether a task can surely be carried out now: nothing lies on or in what it needs."""
    if task != "swap" and is_done(view, task, parts) is not False:
        return False
    if view.holding not in (None, parts[0].name):
        return False
    target = parts[0]
    if target.shape in MOVABLE and (target.bottom > LOW or not view.is_free(target, 0.035)):
        return False
    if task in ("knock_over", "place_upright"):
        return view.holding is None
    if target.shape == "drawer" and any(
        is_in_drawer(item, target) is not False for item in view.all if item.shape in MOVABLE
    ):
        return False
    if not goals_are_free(view, parts[1:]):
        return False
    if task == "sort_by_color":
        return all(_has_bowl(view.items, block) for block in parts)
    return True


def goals_are_free(view: SceneView, goals: Sequence[Item]) -> bool:
    """Whether nothing lies on, in or close beside what something is to be brought to."""
    for goal in goals:
        if goal.shape in ("bowl", "plate", "card") and view.contents(goal) != []:
            return False
        if goal.shape in MOVABLE and (goal.bottom > ON_TABLE or not view.is_free(goal, 0.045)):
            return False
    return True
