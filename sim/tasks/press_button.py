"""Press button: push a button down."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from sim.layout import Kind
from sim.scene import Scene, find
from sim.tasks.base import Task

PRESSED = 0.6  # share of a button's travel


class PressButton(Task):
    """Done when the button is down: "press the red button"."""

    name: ClassVar[str] = "press_button"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (("button",),)

    def others(self, rng: np.random.Generator, slots: Mapping[tuple[str, str], int]) -> Sequence[Kind]:
        """A second button, so that the colour must be heeded."""
        return [Kind("button")]

    def is_success(self, scene: Scene) -> bool:
        """Whether the target is pressed."""
        joint = find(scene, scene["target"])["joint"]
        return joint is not None and joint > PRESSED
