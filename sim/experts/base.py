"""What experts share: memoryless steering, so that any state, whatever led to it, has its right action.

Each expert is a function of the truth in `info["scene"]` alone. Steering is proportional and saturates axis
by axis, so that an axis of the action depends on the same axis of the error only, which is easier to learn
than keeping the direction; heights follow a funnel, high while the hand is off to the side and low where it
is in place. Experts never turn the hand.
"""

import numpy as np
from numpy.typing import NDArray

from sim.robots.panda import POSITION_SCALE_M

OPEN, CLOSED = 1.0, -1.0

Point = NDArray[np.float64]


def steer(gripper: Point, goal: Point, command: float) -> NDArray[np.float32]:
    """Action from `gripper` towards `goal` (fingertips, m) with a gripper command in [-1, 1]."""
    step = np.clip((goal - gripper) / POSITION_SCALE_M, -1.0, 1.0)
    return np.array([*step, 0.0, 0.0, 0.0, command], dtype=np.float32)


def funnel(sideways: float, free: float, slope: float, ceiling: float) -> Point:
    """Offset float64[3] (m) above the final place: 0 up to `free` m sideways, then `slope` to `ceiling`."""
    return np.array([0.0, 0.0, np.clip(slope * (sideways - free), 0.0, ceiling)])


def perturb(action: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add Gaussian noise of deviation `noise` to the displacement of an action, float32[7], and clip it."""
    noisy = action.copy()
    noisy[:3] = np.clip(noisy[:3] + noise * rng.standard_normal(3), -1, 1)
    return noisy
