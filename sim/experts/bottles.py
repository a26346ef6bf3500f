"""Experts for bottles: knock one over, stand one up."""

import numpy as np

from sim.experts.base import CLOSED, OPEN, Point, Subgoal, funnel
from sim.experts.place import leave
from sim.objects import BOTTLE_HEIGHT, BOTTLE_STOPPER, axis_of
from sim.scene import Scene, SceneObject, find
from sim.tasks.conditions import UPRIGHT_RAD, is_released, tilt

_SIDE = 0.055  # m, beside the bottle: where the closed fingers start to sweep
_SWEEP_HEIGHT = 0.08  # m, of the fingertips: near the top
_BEHIND = 0.06  # m, how far past the bottle they go
_BESIDE = 0.02  # m, error along x within which the fingers are in line with the bottle
_IN_PLACE = (0.008, 0.012, 0.008)  # m, error of the fingertips in x, y, z at which they close on a stopper
_HANGS_RAD = 0.5  # tilt of a hanging bottle below which it is set down
_TURN_ERROR = 0.05  # rad
_SLIPPED = 0.025  # m, of the fingertips from the stopper: a bottle held elsewhere does not swing down
_SWING_HEIGHT = 0.13  # m, of the fingertips, where the bottle hangs free
_FOOT_CLEAR = 0.006  # m, of the foot above the table when the hand lets go
_LOWEST = 0.016  # m, of the fingertips


def knock_over(scene: Scene) -> Subgoal:
    """Towards the target lying: sweep against it from the middle of the table outwards."""
    gripper = np.array(scene["gripper"]["position"])
    bottle = np.array(find(scene, scene["target"])["position"])
    outwards = 1.0 if bottle[1] > 0 else -1.0
    x_error = bottle[0] - gripper[0]
    beside = outwards * (bottle[1] - gripper[1])  # how far the hand is on the inner side
    in_line = abs(x_error) < _BESIDE and gripper[2] < _SWEEP_HEIGHT + 0.015
    if in_line and beside < _SIDE + 0.02:
        return Subgoal(np.array([bottle[0], bottle[1] + outwards * _BEHIND, _SWEEP_HEIGHT]), CLOSED)
    start = np.array([bottle[0], bottle[1] - outwards * _SIDE, _SWEEP_HEIGHT])
    sideways = float(np.hypot(*(start - gripper)[:2]))
    return Subgoal(start + funnel(sideways, free=0.015, slope=2.0, ceiling=0.10), CLOSED)


def place_upright(scene: Scene) -> Subgoal:
    """Towards the target standing: lift it by its round stopper, let it swing down, set it on its foot."""
    gripper = np.array(scene["gripper"]["position"])
    yaw = scene["gripper"]["tilt"][2]
    bottle = find(scene, scene["target"])
    if is_released(scene, bottle):
        if tilt(bottle) < UPRIGHT_RAD:
            return leave(scene, bottle)
        stopper = stopper_of(bottle)
        stopper[2] = max(stopper[2], _LOWEST)
        turn = _heading(bottle)
        error = stopper - gripper
        in_place = bool((np.abs(error) < _IN_PLACE).all()) and abs(turn - yaw) < _TURN_ERROR
        goal = stopper + funnel(float(np.hypot(*error[:2])), free=0.005, slope=2.0, ceiling=0.08)
        return Subgoal(goal, CLOSED if in_place else OPEN, turn=turn)
    if float(np.linalg.norm(stopper_of(bottle) - gripper)) > _SLIPPED:
        return Subgoal(gripper, OPEN, turn=yaw)
    if tilt(bottle) > _HANGS_RAD:
        return Subgoal(np.array([*gripper[:2], _SWING_HEIGHT]), CLOSED, turn=yaw)
    foot = bottle["position"][2] - BOTTLE_HEIGHT / 2
    if foot < _FOOT_CLEAR:
        return Subgoal(gripper, OPEN, turn=yaw)
    return Subgoal(np.array([*gripper[:2], gripper[2] - foot + _FOOT_CLEAR / 2]), CLOSED, turn=yaw)


def _heading(bottle: SceneObject) -> float:
    """Turn of the hand, in [-pi/2, pi/2], at which its fingers close across a lying bottle."""
    x, y, _ = axis_of(bottle["orientation"])
    return float(np.arctan(y / x)) if abs(x) > 1e-6 else 0.0


def stopper_of(bottle: SceneObject) -> Point:
    """Middle of a bottle's stopper, float64[3] in m, however it lies."""
    axis = np.array(axis_of(bottle["orientation"]))
    return np.array(bottle["position"]) + axis * (BOTTLE_HEIGHT / 2 - BOTTLE_STOPPER)
