"""Experts for drawers and buttons."""

import numpy as np

from sim.experts.base import CLOSED, OPEN, Subgoal, funnel
from sim.experts.place import carry, leave
from sim.objects import BUTTON_HEIGHT, DRAWER_HANDLE, DRAWER_WALL_HEIGHT
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import is_released
from sim.tasks.drawers import ahead, handle_of, inside_of, is_inside_drawer

_GRIP_DEPTH = 0.014  # m, of the fingertips below the top of a handle
_IN_PLACE = (0.012, 0.014, 0.012)  # m, error of the fingertips in x, y, z at which they close on a handle
_PULL = 0.03  # m, that the hand leads a handle by
_PULL_SPEED = 0.8  # of a full action
_ASIDE = 0.004  # m: in an open drawer the fingers keep away from the handle by this much
_CLEAR = 0.012  # m, of the lower edge above a drawer's walls when the hand lets go
_PRESS_DEPTH = 0.02  # m, below the top of a button that is up


def open_drawer(scene: Scene) -> Subgoal:
    """Towards the target pulled out."""
    return _slide(scene, 1.0)


def close_drawer(scene: Scene) -> Subgoal:
    """Towards the target pushed in."""
    return _slide(scene, -1.0)


def _slide(scene: Scene, direction: float) -> Subgoal:
    """Grasp the handle, then out (1) or in (-1)."""
    gripper = np.array(scene["gripper"]["position"])
    drawer = find(scene, scene["target"])
    handle = np.array([*handle_of(drawer), DRAWER_HANDLE[1] - _GRIP_DEPTH])
    error = handle - gripper
    if not bool((np.abs(error) < _IN_PLACE).all()):
        goal = handle + funnel(float(np.hypot(*error[:2])), free=0.008, slope=2.0, ceiling=0.06)
        return Subgoal(goal, OPEN)
    if scene["gripper"]["opening"] > 0.3:  # not closed yet
        return Subgoal(handle, CLOSED)
    lead = np.array([0.0, direction * ahead(drawer) * _PULL / _PULL_SPEED, 0.0])
    return Subgoal(handle + lead, CLOSED, speed=(1.0, _PULL_SPEED, 1.0))


def put_in_drawer(scene: Scene) -> Subgoal:
    """Towards having the target in the goal and the hand free."""
    item, drawer = find(scene, scene["target"]), find(scene, scene["goal"])
    if is_released(scene, item) and is_inside_drawer(item, drawer):
        return leave(scene, item)
    x, y = inside_of(drawer)
    return carry(scene, item["name"], (x, y - ahead(drawer) * _ASIDE), DRAWER_WALL_HEIGHT + _CLEAR)


def press_button(scene: Scene) -> Subgoal:
    """Towards the target pressed down, with closed fingers."""
    gripper = np.array(scene["gripper"]["position"])
    button: SceneObject = find(scene, scene["target"])
    goal = np.array([*button["position"][:2], BUTTON_HEIGHT - _PRESS_DEPTH])
    sideways = float(np.hypot(*(goal - gripper)[:2]))
    return Subgoal(goal + funnel(sideways, free=0.01, slope=2.0, ceiling=0.10), CLOSED)
