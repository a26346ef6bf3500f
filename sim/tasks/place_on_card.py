"""Place on card: put an object onto the card with the symbol that is named."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np

from sim.layout import Kind
from sim.scene import Scene, find
from sim.tasks.base import LOW, Task
from sim.tasks.conditions import is_on_card, is_released


class PlaceOnCard(Task):
    """Done when the object lies on the card and the hand has let go: "put the red block on the star"."""

    name: ClassVar[str] = "place_on_card"
    roles: ClassVar[tuple[tuple[str, ...], ...]] = (LOW, ("card",))
    lifts: ClassVar[bool] = True

    def others(self, rng: np.random.Generator, slots: Mapping[tuple[str, str], int]) -> Sequence[Kind]:
        """One or two more cards, so that the symbol must be read."""
        return [Kind("card")] * int(rng.integers(1, 3))

    def is_success(self, scene: Scene) -> bool:
        """Whether the target lies on the goal, released."""
        target = find(scene, scene["target"])
        return is_released(scene, target) and is_on_card(target, find(scene, scene["goal"]))
