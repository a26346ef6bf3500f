"""What the environment asks of a robot."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class Robot(Protocol):
    """An arm with a gripper that obeys displacement actions at the control frequency."""

    body: int
    state_names: tuple[str, ...]
    tilt: tuple[float, ...]

    def reset(self, position: NDArray[np.float64], opening: float = 1.0, yaw: float = 0.0) -> None:
        """Teleport the fingertips to `position` (m, base frame), hand down: `opening` 0 to 1, `yaw` rad."""

    def withdraw(self) -> None:
        """Teleport the hand up, away from everything on the table."""

    def pose(self, joints: Sequence[float], tilt: Sequence[float]) -> None:
        """Teleport all joints (rad or m), to hold still with the hand commanded to roll, pitch and yaw."""

    def joints(self) -> list[float]:
        """Positions of all joints, rad or m, as `pose` takes them."""

    def act(self, action: NDArray[np.float32]) -> None:
        """Carry out one action, float32[7] in [-1, 1], for one control period."""

    def state(self) -> NDArray[np.float32]:
        """Proprioception, float32[len(state_names)]."""

    def hand_pose(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Position float64[3] (m) between the fingertips and rotation float64[3, 3], world_from_hand."""

    def holds(self, body: int) -> bool:
        """Whether both fingers touch a body."""
