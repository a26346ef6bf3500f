"""Expert for reach: glide over the block and down onto it."""

import numpy as np

from sim.experts.base import OPEN, Subgoal, funnel
from sim.objects import BLOCK_SIZE
from sim.scene import Scene, find


def reach(scene: Scene) -> Subgoal:
    """Towards the top of the target."""
    gripper = np.array(scene["gripper"]["position"])
    goal = np.array(find(scene, scene["target"])["position"])
    goal[2] += BLOCK_SIZE / 2 + 0.005
    sideways = float(np.hypot(*(goal - gripper)[:2]))
    return Subgoal(goal + funnel(sideways, free=0.02, slope=1.0, ceiling=0.06), OPEN)
