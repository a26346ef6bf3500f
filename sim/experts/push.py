"""Expert for push: come down astride the block with open fingers, then drag it along between them."""

import numpy as np

from sim.experts.base import OPEN, Subgoal, funnel
from sim.objects import BLOCK_SIZE
from sim.scene import Scene, find

PUSH_HEIGHT = BLOCK_SIZE / 2  # m, of the fingertips above the table
_FINGER_GAP = 0.02  # m, from the block to a finger when the block is midway between the two
_ACROSS = 0.016  # m, the hand's lead across the way; under half a block, so that the finger stays behind it
_PUSH_SPEED = 0.7  # of a full action: a faster finger turns the block
_ASTRIDE = (0.02, 0.028, 0.015)  # m, error in x, y, z within which the block is between the fingers


def push(scene: Scene) -> Subgoal:
    """Towards having the target on the goal."""
    assert scene["goal"] is not None
    gripper = np.array(scene["gripper"]["position"])
    block = np.array(find(scene, scene["target"])["position"])
    zone = np.array(find(scene, scene["goal"])["position"])
    error = block - gripper
    if not bool((np.abs(error) < _ASTRIDE).all()):
        goal = block + funnel(float(np.hypot(*error[:2])), free=0.008, slope=2.0, ceiling=0.08)
        return Subgoal(goal, OPEN)
    # The finger behind the block is its gap away, so the hand leads by that much.
    lead = _FINGER_GAP * np.clip((zone[1] - block[1]) / 0.01, -1.0, 1.0)
    # The finger drags the block along by friction, so the hand goes ahead of it across the way, too.
    across = np.clip(zone[0] - block[0], -_ACROSS, _ACROSS)
    position = np.array([block[0] + across, zone[1] + lead, PUSH_HEIGHT])
    return Subgoal(position, OPEN, speed=(1.0, _PUSH_SPEED, 1.0))
