"""Expert for reach: glide over the object and down onto it."""

import numpy as np

from sim.experts.base import OPEN, Subgoal, funnel
from sim.scene import Scene, find
from sim.tasks.conditions import half_height


def reach(scene: Scene) -> Subgoal:
    """Towards the top of the target."""
    gripper = np.array(scene["gripper"]["position"])
    item = find(scene, scene["target"])
    goal = np.array(item["position"])
    goal[2] += half_height(item) + 0.005
    sideways = float(np.hypot(*(goal - gripper)[:2]))
    return Subgoal(goal + funnel(sideways, free=0.02, slope=1.0, ceiling=0.06), OPEN)
