"""Expert for place in bowl: grasp, lift, carry over the rim, lower and let go."""

import numpy as np

from sim.experts.base import CLOSED, OPEN, Subgoal, funnel
from sim.experts.pick_up import grasp
from sim.scene import Scene, find
from sim.tasks.place_in_bowl import is_inside

_RELEASE_HEIGHT = 0.068  # m; the block's lower edge is then just above the rim
_RELEASE_ERROR = (0.016, 0.016, 0.02)  # m in x, y, z
_AWAY_HEIGHT = 0.15  # m


def place_in_bowl(scene: Scene) -> Subgoal:
    """Towards having the target in the goal and the hand free."""
    assert scene["goal"] is not None
    gripper = np.array(scene["gripper"]["position"])
    target, bowl = find(scene, scene["target"]), find(scene, scene["goal"])
    if scene["gripper"]["holding"] != scene["target"]:
        if is_inside(target, bowl):
            return Subgoal(np.array([gripper[0], gripper[1], _AWAY_HEIGHT]), OPEN)
        return grasp(scene)
    release = np.array([bowl["position"][0], bowl["position"][1], _RELEASE_HEIGHT])
    error = release - gripper
    if bool((np.abs(error) < _RELEASE_ERROR).all()):
        return Subgoal(release, OPEN)
    sideways = float(np.hypot(*error[:2]))
    goal = release + funnel(sideways, free=0.015, slope=1.5, ceiling=0.06)
    # Up first: sideways motion is held back until the block has cleared the others.
    goal[:2] = gripper[:2] + error[:2] * np.clip((gripper[2] - 0.03) / 0.05, 0.0, 1.0)
    return Subgoal(goal, CLOSED)
