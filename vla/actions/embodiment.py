"""What a model must know of a robot to read its state and move it; it is kept in the model's config.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vla.actions.stats import Quantiles
from vla.errors import DataError


@dataclass(frozen=True)
class Embodiment:
    """A robot, as one dataset shows it.

    Attributes:
        name: of the robot.
        action: statistics of its actions; as many numbers as an action has.
        state: statistics of its state.
        plans: whether its decisions begin with a place on the table, if the model makes plans: recordings
            without true scenes do not say where the hand goes.
        cameras: camera of the model -> camera of the robot, where they have other names.
        renderer: what drew its pictures.
    """

    name: str
    action: Quantiles
    state: Quantiles
    plans: bool = True
    cameras: Mapping[str, str] = field(default_factory=dict)
    renderer: str = "tiny"  # the first checkpoint does not name its own; there was but one

    @classmethod
    def from_dict(cls, name: str, facts: Mapping[str, Any]) -> Embodiment:
        """Read an entry of `VLAConfig.embodiments`."""
        others = {key: facts[key] for key in ("plans", "cameras", "renderer") if key in facts}
        return cls(name, Quantiles.from_dict(facts["action"]), Quantiles.from_dict(facts["state"]), **others)

    @property
    def tokens_per_action(self) -> int:
        """Tokens of an action: `terminate`, and one for each number."""
        return 1 + self.action.dim

    def camera(self, name: str) -> str:
        """The robot's camera that stands for one of the model's."""
        return self.cameras.get(name, name)

    def scale_states(self, states: ArrayLike, length: int) -> NDArray[np.float32]:
        """States as a model reads them.

        Args:
            states: float[..., S], the robot's own units.
            length: numbers that the model reads, zeros behind a robot's fewer ones; 0 if it reads none.
        Returns:
            float32[..., length] in [-1, 1], or float32[..., S] where none are read.
        Raises:
            DataError: these are not the robot's, or it has more numbers than the model reads.
        """
        came = np.shape(states)[-1]
        if came != self.state.dim:
            raise DataError(f"states have {came} numbers; those of robot {self.name!r} have {self.state.dim}")
        scaled = self.state.normalise(states)
        spare = length - self.state.dim
        if length and spare < 0:
            raise DataError(
                f"states of robot {self.name!r} have {self.state.dim} numbers; the model reads {length}"
            )
        return np.pad(scaled, [(0, 0)] * (scaled.ndim - 1) + [(0, max(spare, 0))])
