"""Expert for pick up, and the grasp that other experts begin with."""

import numpy as np

from sim.experts.base import CLOSED, OPEN, Subgoal, funnel
from sim.scene import Scene, find

LIFTED_HEIGHT = 0.14  # m; beyond what success asks for, so that the last steps are still at speed
_IN_PLACE = (0.014, 0.014, 0.012)  # m, error of the fingertips in x, y, z at which the gripper closes


def grasp(scene: Scene) -> Subgoal:
    """Towards closing the gripper on the target."""
    gripper = np.array(scene["gripper"]["position"])
    block = np.array(find(scene, scene["target"])["position"])
    error = block - gripper
    command = CLOSED if bool((np.abs(error) < _IN_PLACE).all()) else OPEN
    goal = block + funnel(float(np.hypot(*error[:2])), free=0.008, slope=2.0, ceiling=0.08)
    return Subgoal(goal, command)


def pick_up(scene: Scene) -> Subgoal:
    """Towards holding the target above the table."""
    if scene["gripper"]["holding"] != scene["target"]:
        return grasp(scene)
    gripper = np.array(scene["gripper"]["position"])
    return Subgoal(np.array([gripper[0], gripper[1], LIFTED_HEIGHT]), CLOSED)
