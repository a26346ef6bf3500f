"""Franka Emika Panda with its gripper, hand pointing down, moved by displacements of its fingertips."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sim.bullet import SUBSTEP_S, SUBSTEPS_PER_STEP, Bullet, quaternion_from_rpy, rotate, rpy_from_quaternion

CONTROL_HZ = 5
POSITION_SCALE_M = 0.05  # metres of an action of 1, in one control period
ROTATION_SCALE_RAD = 0.25  # radians of an action of 1, in one control period
# Box of commanded fingertip positions, m in the base frame: within reach, and never into the table.
REACH = np.array([[0.28, 0.72], [-0.36, 0.36], [0.015, 0.45]])
MAX_TILT_RAD = 0.5
MAX_YAW_RAD = 1.6

_URDF = Path(__file__).parent.parent / "assets" / "panda.urdf"
_HOME = (0.0, 0.1, 0.0, -2.2, 0.0, 2.3, 0.785398)  # rad; elbow up, fingertips about 0.5 m ahead
_DOWN = (1.0, 0.0, 0.0, 0.0)  # quaternion xyzw of a hand that points down, its fingers opening along y
_FINGER_TRAVEL = 0.04  # m, each finger
_STEPS_PER_ACTION = round(1 / (CONTROL_HZ * SUBSTEP_S * SUBSTEPS_PER_STEP))
_SHARES = np.arange(1, _STEPS_PER_ACTION + 1) / _STEPS_PER_ACTION  # of an action's way, after each step
_ARM_FORCE = (87.0,) * 4 + (12.0,) * 3  # N m, the maker's limits
_FINGER_FORCE = 20.0  # N
_COUPLING_FORCE = 50.0  # N
_ARM_GAIN, _FINGER_GAIN = 0.4, 0.1  # share of the position error removed in a substep
_FINGER_FRICTION = 1.5
_FINGER_SPINNING = 0.0  # m: what resists turning between the fingertips is the object's own


class Panda:
    """The arm.

    | state | meaning | unit |
    |---|---|---|
    | x, y, z | point between the fingertips, base frame | m |
    | roll, pitch, yaw | rotation of the hand away from pointing straight down | rad |
    | gripper | opening, 0 closed to 1 open (8 cm) | - |

    Args:
        bullet: the engine to load the arm into, base at the origin.
    """

    state_names: tuple[str, ...] = ("x", "y", "z", "roll", "pitch", "yaw", "gripper")

    def __init__(self, bullet: Bullet) -> None:
        self._bullet = bullet
        self.body = bullet.load_urdf(_URDF)
        joints, links = bullet.joints_and_links(self.body)
        self._arm = [joints[f"panda_joint{i}"] for i in range(1, 8)]
        self._fingers = [joints["panda_finger_joint1"], joints["panda_finger_joint2"]]
        self._finger_links = {links["panda_leftfinger"], links["panda_rightfinger"]}
        self._tcp = links["tcp"]
        # As in the real hand, one drive moves both fingers: what they hold stays in the middle.
        bullet.couple(self.body, self._fingers[0], self._fingers[1], _COUPLING_FORCE)
        for link in self._finger_links:
            bullet.set_friction(self.body, link, lateral=_FINGER_FRICTION, spinning=_FINGER_SPINNING)
        self.tilt: tuple[float, ...] = (0.0, 0.0, 0.0)

    def reset(self, position: NDArray[np.float64], opening: float = 1.0, yaw: float = 0.0) -> None:
        """Teleport the fingertips to `position` (m, base frame), hand down: `opening` 0 to 1, `yaw` rad."""
        self.tilt = (0.0, 0.0, yaw)
        self._bullet.set_joints(self.body, self._arm, _HOME)
        fingers = [opening * _FINGER_TRAVEL] * 2
        self._bullet.set_joints(self.body, self._fingers, fingers)
        self.pose([*self._solve(position).tolist(), *fingers], self.tilt)

    def withdraw(self) -> None:
        """Teleport the hand up, away from everything on the table."""
        self.pose([*_HOME, 0.0, 0.0], (0.0, 0.0, 0.0))

    def pose(self, joints: Sequence[float], tilt: Sequence[float]) -> None:
        """Teleport arm (7, rad) and fingers (2, m), to hold still with the hand commanded to `tilt` (rad)."""
        self.tilt = tuple(tilt)
        self._bullet.set_joints(self.body, self._arm + self._fingers, joints)
        self._drive(joints[:7], sum(joints[7:]) / (2 * _FINGER_TRAVEL))

    def act(self, action: NDArray[np.float32]) -> None:
        """Carry out one action, float32[7] in [-1, 1], for one control period.

        The position target starts from where the fingertips are, so that an action means the same whatever
        came before. The rotation target starts from the last one, so that a touched hand rights itself.
        """
        action64 = np.clip(np.asarray(action, dtype=np.float64), -1, 1)
        position = np.array(self._bullet.link_pose(self.body, self._tcp)[0])
        position = np.clip(position + POSITION_SCALE_M * action64[:3], REACH[:, 0], REACH[:, 1])
        limit = np.array([MAX_TILT_RAD, MAX_TILT_RAD, MAX_YAW_RAD])
        self.tilt = tuple(np.clip(self.tilt + ROTATION_SCALE_RAD * action64[3:6], -limit, limit).tolist())
        start = self._bullet.joint_positions(self.body, self._arm)
        goal = self._solve(position)
        opening = (action64[6] + 1) / 2
        # Straight in joint space, so that blocks are touched gently.
        for arm in (start + np.outer(_SHARES, goal - start)).tolist():
            self._drive(arm, opening)
            self._bullet.step()

    def state(self) -> NDArray[np.float32]:
        """Proprioception, float32[7]; see the class for its entries."""
        position, orientation = self._bullet.link_pose(self.body, self._tcp)
        rpy = rpy_from_quaternion(rotate(orientation, _DOWN))
        opening = self._bullet.joint_positions(self.body, self._fingers).sum() / (2 * _FINGER_TRAVEL)
        return np.array([*position, *rpy, np.clip(opening, 0, 1)], dtype=np.float32)

    def joints(self) -> list[float]:
        """Positions of the arm's joints (7, rad) and of the fingers (2, m)."""
        joints: list[float] = self._bullet.joint_positions(self.body, self._arm + self._fingers).tolist()
        return joints

    def hand_pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position float64[3] (m) between the fingertips and rotation float64[3, 3], world_from_hand."""
        position, (x, y, z, w) = self._bullet.link_pose(self.body, self._tcp)
        rotation = np.array(
            [
                [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
                [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
                [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
            ]
        )
        return np.array(position), rotation

    def holds(self, body: int) -> bool:
        """Whether both fingers touch a body."""
        return self._finger_links <= self._bullet.touching_links(self.body, body)

    def _solve(self, position: NDArray[np.float64]) -> NDArray[np.float64]:
        """Arm joints float64[7] (rad) that bring the fingertips to `position` with the commanded rotation."""
        orientation = rotate(quaternion_from_rpy(self.tilt), _DOWN)
        joints = self._bullet.inverse_kinematics(self.body, self._tcp, position.tolist(), orientation)
        return np.array(joints[:7])

    def _drive(self, arm: Sequence[float], opening: float) -> None:
        self._bullet.drive(
            self.body,
            self._arm + self._fingers,
            [*arm, opening * _FINGER_TRAVEL, opening * _FINGER_TRAVEL],
            [*_ARM_FORCE, _FINGER_FORCE, _FINGER_FORCE],
            [_ARM_GAIN] * 7 + [_FINGER_GAIN] * 2,
        )
