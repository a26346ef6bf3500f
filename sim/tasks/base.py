"""What a task is: a way to lay out a scene, and a test of success on the truth about it."""

from abc import ABC, abstractmethod
from dataclasses import replace
from typing import ClassVar

import numpy as np

from sim.objects import ObjectSpec, Shape
from sim.scene import Layout, Scene, Spot, draw_counts, draw_objects, draw_spots


class Task(ABC):
    """A task about one block, the target, and sometimes one place to bring it to, the goal.

    Attributes:
        name: as in `sim.TASKS`.
        goal_shape: bowl or zone; None for a task without a goal.
        any_block: whether every block of a scene could be the target; if not, only the first one drawn can.
    """

    name: ClassVar[str]
    goal_shape: ClassVar[Shape | None] = None
    any_block: ClassVar[bool] = True

    def layout(
        self,
        rng: np.random.Generator,
        target_color: str | None,
        goal_color: str | None,
        single_goal: bool = False,
    ) -> Layout:
        """Draw a scene; number, colours, target and places of the objects are independent of each other.

        The draws do not depend on the colours asked for: with one seed, asking for the colour of another
        block that stands there gives the same picture with another target, where any block may be the target.

        Args:
            rng: source of the draw.
            target_color: colour of the target; None: drawn.
            goal_color: colour of the goal; None: drawn.
            single_goal: nothing but the goal has its shape, so that an instruction may leave out its colour.
        Returns:
            The scene.
        """
        counts = draw_counts(rng, self.goal_shape)
        if single_goal and self.goal_shape:
            counts[self.goal_shape] = 1
        objects = draw_objects(rng, self.spots(rng, counts))
        target = self._claim(objects, "block", target_color)
        goal = self._claim(objects, self.goal_shape, goal_color) if self.goal_shape else None
        order = rng.permutation(len(objects))
        return Layout(
            tuple(objects[i] for i in order),
            objects[target].name,
            None if goal is None else objects[goal].name,
        )

    def spots(self, rng: np.random.Generator, counts: dict[Shape, int]) -> list[Spot]:
        """Draw a place for every object."""
        return draw_spots(rng, [shape for shape, count in counts.items() for _ in range(count)])

    @abstractmethod
    def is_success(self, scene: Scene) -> bool:
        """Whether the task is done in this scene."""

    def _claim(self, objects: list[ObjectSpec], shape: Shape, color: str | None) -> int:
        """Index of the object of a shape that plays the part, recoloured in place if `color` asks for it."""
        alike = [i for i, item in enumerate(objects) if item.shape == shape]
        first = alike[0]
        if color is None:
            return first
        owner = next((i for i in alike if objects[i].color == color), None)
        if owner is not None and self.any_block:
            return owner
        if owner is not None:
            objects[owner] = replace(objects[owner], color=objects[first].color)
        objects[first] = replace(objects[first], color=color)
        return first
