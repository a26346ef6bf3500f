"""Experts that put an object somewhere: grasp, lift, carry, lower and let go."""

from collections.abc import Sequence

import numpy as np

from sim.experts.base import CLOSED, OPEN, Subgoal, funnel
from sim.experts.pick_up import grasp
from sim.objects import BOWL_HEIGHT, PLATE_HEIGHT, PLATE_THICKNESS, width_of
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import (
    NEAR_DISTANCE,
    half_height,
    is_inside_bowl,
    is_on_card,
    is_on_plate,
    is_on_table,
    is_on_top,
)

_RELEASE_ERROR = (0.016, 0.016, 0.02)  # m in x, y, z: good enough for bowls, plates and cards
_FINE_ERROR = (0.006, 0.006, 0.008)  # for towers
_NEAR_ERROR = (0.01, 0.01, 0.012)  # beside another object
_CLEAR_ABOVE_RIM = 0.013  # m, of the lower edge above the rim of a bowl
CLEAR = 0.004  # m, of the lower edge above what it is put on
_AWAY_HEIGHT = 0.10  # m, that the hand rises above what it has let go of
_NEAR = (0.082, 0.102)  # m, between the middles of two things that are near: fingers open between small ones
_GAP = 0.025  # m, between larger ones
_CARRY_HEIGHT = 0.06  # m, above the release height while still to the side
_SLIDE = 0.025  # m, that something put on the table need not be lifted for


def carry(
    scene: Scene,
    name: str,
    place: Sequence[float],
    bottom: float,
    error: tuple[float, float, float] = _RELEASE_ERROR,
    ceiling: float = _CARRY_HEIGHT,
) -> Subgoal:
    """Towards an object standing at a place, released.

    Args:
        scene: the truth.
        name: of the object.
        place: x, y in m.
        bottom: height in m of the object's lower edge at which the hand lets go.
        error: of the fingertips in x, y, z (m) within which it lets go.
        ceiling: m, above the release height, of the way there.
    """
    if scene["gripper"]["holding"] != name:
        return grasp(scene, name)
    item = find(scene, name)
    gripper = np.array(scene["gripper"]["position"])
    # The hand goes where the object must go, less how the object hangs in it.
    held = np.array(item["position"]) - gripper
    release = np.array([place[0], place[1], bottom + half_height(item)]) - held
    off = release - gripper
    if bool((np.abs(off) < error).all()):
        return Subgoal(release, OPEN)
    sideways = float(np.hypot(*off[:2]))
    goal = release + funnel(sideways, free=min(error[0], error[1]) * 0.9, slope=1.5, ceiling=ceiling)
    # Up first: sideways motion is held back until the object has cleared the others.
    risen = (item["position"][2] - half_height(item) - 0.01) / 0.05
    slides = 2.0 - sideways / _SLIDE if bottom <= CLEAR else 0.0
    goal[:2] = gripper[:2] + off[:2] * np.clip(max(risen, slides), 0.0, 1.0)
    return Subgoal(goal, CLOSED, destination=release)


def leave(scene: Scene, item: SceneObject) -> Subgoal:
    """Straight up, away from what has been put down."""
    x, y, _ = scene["gripper"]["position"]
    return Subgoal(np.array([x, y, item["position"][2] + _AWAY_HEIGHT]), OPEN)


def place_in_bowl(scene: Scene) -> Subgoal:
    """Towards having the target in the goal and the hand free."""
    return put_in_bowl(scene, scene["target"], find(scene, scene["goal"]))


def put_in_bowl(scene: Scene, name: str, bowl: SceneObject) -> Subgoal:
    """Towards having an object in a bowl and the hand free."""
    item = find(scene, name)
    if scene["gripper"]["holding"] != name and is_inside_bowl(item, bowl):
        return leave(scene, item)
    return carry(scene, name, bowl["position"], BOWL_HEIGHT + _CLEAR_ABOVE_RIM)


def place_on_plate(scene: Scene) -> Subgoal:
    """Towards having the target on the goal and the hand free."""
    item, plate = find(scene, scene["target"]), find(scene, scene["goal"])
    if scene["gripper"]["holding"] != item["name"] and is_on_plate(item, plate):
        return leave(scene, item)
    ceiling = _CARRY_HEIGHT + PLATE_HEIGHT
    return carry(scene, item["name"], plate["position"], PLATE_THICKNESS + CLEAR, ceiling=ceiling)


def place_on_card(scene: Scene) -> Subgoal:
    """Towards having the target on the goal and the hand free."""
    item, card = find(scene, scene["target"]), find(scene, scene["goal"])
    if scene["gripper"]["holding"] != item["name"] and is_on_card(item, card):
        return leave(scene, item)
    return carry(scene, item["name"], card["position"], CLEAR)


def stack(scene: Scene) -> Subgoal:
    """Towards having the target on top of the goal and the hand free."""
    assert scene["goal"] is not None
    return put_on_top(scene, scene["target"], scene["goal"])


def put_on_top(scene: Scene, upper: str, lower: str) -> Subgoal:
    """Towards having one object on top of another and the hand free."""
    item, base = find(scene, upper), find(scene, lower)
    if scene["gripper"]["holding"] != upper and is_on_top(item, base):
        return leave(scene, item)
    top = base["position"][2] + half_height(base)
    return carry(scene, upper, base["position"], top + CLEAR, _FINE_ERROR)


def move_near(scene: Scene) -> Subgoal:
    """Towards having the target near the goal, on the side that it comes from."""
    item, goal = find(scene, scene["target"]), find(scene, scene["goal"])
    way = np.array(item["position"][:2]) - goal["position"][:2]
    apart = (width_of(item["shape"], item["size"]) + width_of(goal["shape"], goal["size"])) / 2 + _GAP
    apart = float(np.clip(apart, *_NEAR))
    place = np.array(goal["position"][:2]) + way * (apart / max(float(np.hypot(*way)), 1e-6))
    if scene["gripper"]["holding"] != item["name"] and is_on_table(item) and np.hypot(*way) < NEAR_DISTANCE:
        return leave(scene, item)
    return carry(scene, item["name"], place.tolist(), CLEAR, _NEAR_ERROR)
