"""What experts share: memoryless steering, so that any state, whatever led to it, has its right action.

Each expert is a function of the truth in `info["scene"]` alone and says where the fingertips should go
next: a `Subgoal`. Steering there is proportional and saturates axis by axis, so that an axis of the action
depends on the same axis of the error only, which is easier to learn than keeping the direction; heights
follow a funnel, high while the hand is off to the side and low where it is in place. Only where an
object must be taken along its length do experts turn the hand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sim.robots.panda import POSITION_SCALE_M, ROTATION_SCALE_RAD
from sim.scene import START_HEIGHT, WORKSPACE, GripperState, Scene

OPEN, CLOSED = 1.0, -1.0
STRAY_TO_OBJECT = 0.6  # share of places to stray to that are at an object
STRAY_SPREAD, STRAY_HEIGHT = 0.02, 0.03  # m: how far beside it, and above its middle

Point = NDArray[np.float64]


@dataclass(frozen=True)
class Subgoal:
    """Where the hand goes next.

    Attributes:
        position: float64[3], of the fingertips, m, robot base frame.
        command: of the gripper, in [-1, 1].
        speed: largest displacement along x, y and z, as a share of a full action.
        turn: of the hand about the vertical, rad.
        destination: where the hand is led in the end, if first it goes another way; float64[3], m.
    """

    position: Point
    command: float
    speed: tuple[float, float, float] = (1.0, 1.0, 1.0)
    turn: float = 0.0
    destination: Point | None = None


def steer(gripper: GripperState, subgoal: Subgoal) -> NDArray[np.float32]:
    """Action float32[7] that brings the gripper towards a subgoal."""
    limit = np.array(subgoal.speed)
    step = np.clip((subgoal.position - gripper["position"]) / POSITION_SCALE_M, -limit, limit)
    turn = np.clip((subgoal.turn - gripper["tilt"][2]) / ROTATION_SCALE_RAD, -1, 1)
    return np.array([*step, 0.0, 0.0, turn, subgoal.command], dtype=np.float32)


def funnel(sideways: float, free: float, slope: float, ceiling: float) -> Point:
    """Offset float64[3] (m) above the final place: 0 up to `free` m sideways, then `slope` to `ceiling`."""
    return np.array([0.0, 0.0, np.clip(slope * (sideways - free), 0.0, ceiling)])


def stray(scene: Scene, rng: np.random.Generator) -> Point:
    """A place where the hand has nothing to do, float64[3] in m: at an object, or anywhere aloft."""
    others = [item for item in scene["objects"] if item["name"] != scene["gripper"]["holding"]]
    if others and rng.random() < STRAY_TO_OBJECT:
        x, y, z = others[int(rng.integers(len(others)))]["position"]
        return np.array([x, y, z]) + rng.normal(0.0, STRAY_SPREAD, 3) + [0.0, 0.0, STRAY_HEIGHT]
    low, high = np.array([*WORKSPACE, (STRAY_HEIGHT, START_HEIGHT[1])]).T
    return np.array(rng.uniform(low, high))


def perturb(action: NDArray[np.float32], noise: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Add Gaussian noise of deviation `noise` to the displacement of an action, float32[7], and clip it."""
    noisy = action.copy()
    noisy[:3] = np.clip(noisy[:3] + noise * rng.standard_normal(3), -1, 1)
    return noisy
