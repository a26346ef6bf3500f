"""Experts for pushing: come down astride the object with open fingers, then drag it along between them."""

import numpy as np

from sim.experts.base import OPEN, Point, Subgoal, funnel
from sim.objects import height_of, width_of
from sim.scene import Scene, SceneObject, find

PUSH_HEIGHT = 0.02  # m, of the fingertips above the table
_OPEN_HALF = 0.04  # m, from the middle of the hand to an open finger
_ACROSS = 0.016  # m, the hand's lead across the way; under half a block, so that the finger stays behind it
_PUSH_SPEED = 0.7  # of a full action: a faster finger turns the block
_ASTRIDE = (0.02, 0.028, 0.015)  # m, error in x, y, z within which a block is between the fingers
_LAG = 0.02  # m, that it may fall behind the fingers
_DEPTH = 0.014  # m, that a finger may lie deeper in an object, a turned tee, than its width says
_FINGER = 0.013  # m, thickness of the finger that comes between the two
_NARROW_GAP = 0.007  # m, between the object and a finger that shall not need much room


def push(scene: Scene) -> Subgoal:
    """Towards having the target on the goal."""
    return _drag(scene, np.array(find(scene, scene["goal"])["position"]))


def push_to_block(scene: Scene) -> Subgoal:
    """Towards having the target beside the goal, a finger between them, nearly closed to be narrow."""
    target, goal = find(scene, scene["target"]), find(scene, scene["goal"])
    place = np.array(goal["position"])
    apart = (_width(target) + _width(goal)) / 2 + 2 * _NARROW_GAP + _FINGER
    place[1] += apart if target["position"][1] > place[1] else -apart
    return _drag(scene, place, _NARROW_GAP)


def _width(item: SceneObject) -> float:
    return width_of(item["shape"], item["size"])


def _drag(scene: Scene, place: Point, gap: float | None = None) -> Subgoal:
    """Towards having the target at a place, float64[3] in m, by a push along y.

    Args:
        scene: the truth.
        place: x, y, z in m.
        gap: m, between the object and each finger while it is pushed; None: as the open fingers leave it.
    """
    gripper = np.array(scene["gripper"]["position"])
    item = find(scene, scene["target"])
    block = np.array(item["position"])
    block[2] = PUSH_HEIGHT
    error = block - gripper
    room = _OPEN_HALF - _width(item) / 2
    astride = (_ASTRIDE[0], room + _LAG, _ASTRIDE[2])
    if not bool((np.abs(error) < astride).all()):
        ceiling = 0.06 + height_of(item["shape"], item["size"]) / 2
        goal = block + funnel(float(np.hypot(*error[:2])), free=0.008, slope=2.0, ceiling=ceiling)
        return Subgoal(goal, OPEN)
    gap = room if gap is None else gap
    command = min(2 * (_width(item) / 2 + gap) / _OPEN_HALF - 1, OPEN)
    # The finger behind the block is its gap away or more, so the hand leads by that much.
    lead = (gap + _DEPTH) * np.clip((place[1] - block[1]) / 0.01, -1.0, 1.0)
    # The finger drags the block along by friction, so the hand goes ahead of it across the way, too.
    across = np.clip(place[0] - block[0], -_ACROSS, _ACROSS)
    position = np.array([block[0] + across, place[1] + lead, PUSH_HEIGHT])
    return Subgoal(position, command, speed=(1.0, _PUSH_SPEED, 1.0))
