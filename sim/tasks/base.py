"""What a task is: a way to lay out a scene, and a test of success on the truth about it."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np

from sim.errors import SimError
from sim.language import Description, Request
from sim.layout import Kind, Spot, draw_extras, draw_kind, draw_specs, draw_spots
from sim.objects import MOVABLE, SHAPES, UNSEEN_EASY, UNSEEN_HARD, ObjectSpec
from sim.scene import Layout, Scene
from sim.variations import Split

PARTS = ("target", "goal", "third")
GRASPABLE = (*MOVABLE, *UNSEEN_EASY, *UNSEEN_HARD)
LOW = tuple(shape for shape in GRASPABLE if shape != "bottle")
FLAT_TOPPED = ("block", "cylinder", "hexagon", "wedge", "cross", "tee")


class Task(ABC):
    """A task about one object, the target, and sometimes others: where it goes, the goal, and a third.

    Attributes:
        name: as in `sim.TASKS`.
        roles: for each part (target, goal, third, then further objects) the shapes that may play it.
        any_target: whether any fitting object of a scene could play a part; if not, only those drawn for it.
        fixed_words: whether its instructions name no object.
        lifts: whether the target is carried on the way, as it stood.
    """

    name: ClassVar[str]
    roles: ClassVar[tuple[tuple[str, ...], ...]]
    any_target: ClassVar[bool] = True
    fixed_words: ClassVar[bool] = False
    lifts: ClassVar[bool] = False

    @classmethod
    def shapes(cls, split: Split) -> tuple[str, ...]:
        """Shapes that the target may have in a split; none if the task does not offer that split."""
        if split.tasks and cls.name not in split.tasks:
            return ()
        fitting = cls._role_shapes(0, split)
        return tuple(shape for shape in fitting if split.target_colors_of(shape) or shape == "card")

    @classmethod
    def _role_shapes(cls, part: int, split: Split) -> tuple[str, ...]:
        """Shapes that play a part: of movables only those of the split, all others always."""
        movable = split.targets if part == 0 else split.movable
        shapes = tuple(
            shape for shape in cls.roles[part] if SHAPES[shape].part != "movable" or shape in movable
        )
        only_fixed = all(SHAPES[shape].part != "movable" for shape in cls.roles[0])
        new_objects = split.targets != split.movable
        return () if part == 0 and only_fixed and new_objects else shapes

    def layout(
        self,
        rng: np.random.Generator,
        split: Split,
        slots: Mapping[tuple[str, str], int],
        request: Request | None = None,
    ) -> Layout:
        """Draw a scene; number, colours, target and places of the objects are independent of each other.

        With one seed, asking for another object that stands there gives the same scene with another target,
        where any could be it; asking for one that does not stand there changes the drawn target into that.

        Args:
            rng: source of the draw.
            split: what may be drawn.
            slots: how many objects of each (shape, size) can stand at once.
            request: what the objects must be like, from an instruction.
        Returns:
            The scene.
        Raises:
            SimError: the task cannot be about what is requested.
        """
        state = rng.bit_generator.state
        wanted = [None] * len(PARTS) if request is None else [getattr(request, part) for part in PARTS]
        specs, resampled = self._draw(rng, split, slots, [None] * len(PARTS))
        chosen = self._choose(specs, wanted)
        if chosen is None:
            self._check(wanted, split, slots)
            rng.bit_generator.state = state
            specs, resampled = self._draw(rng, split, slots, wanted)
            chosen = list(range(min(len(self.roles), len(PARTS))))
        parts = [specs[index] for index in chosen]
        names = [spec.name for spec in parts] + [None] * (len(PARTS) - len(chosen))
        ground = self.ground(parts)
        taken = {spec.name for spec in ground}
        specs = [spec for spec in specs if spec.name not in taken] + ground
        marks = self.marks(parts, specs)
        order = rng.permutation(len(specs))
        assert names[0] is not None
        return Layout(tuple(specs[i] for i in order), names[0], names[1], names[2], marks, resampled)

    # What a task may be particular about

    def others(self, rng: np.random.Generator, slots: Mapping[tuple[str, str], int]) -> Sequence[Kind]:
        """Objects without a part that stand there to be told apart from those that have one."""
        return []

    def start(self, rng: np.random.Generator, kinds: Sequence[Kind]) -> list[Spot]:
        """Draw the places of the first few objects."""
        return []

    def allowed(self, spots: Sequence[Spot], kind: Kind, x: float, y: float) -> bool:
        """Whether an object may stand at (x, y), given the places so far."""
        return True

    def finish(self, rng: np.random.Generator, specs: list[ObjectSpec], split: Split) -> list[ObjectSpec]:
        """Change colours, turns and joints of objects, the parts first, where the task needs them so."""
        return specs

    def ground(self, parts: Sequence[ObjectSpec]) -> list[ObjectSpec]:
        """Flat things that lie under the parts; one of the same name elsewhere is left out."""
        return []

    def marks(
        self, parts: Sequence[ObjectSpec], specs: Sequence[ObjectSpec]
    ) -> dict[str, tuple[float, float]]:
        """Places (x, y) in m that the task remembers from the start."""
        return {}

    @abstractmethod
    def is_success(self, scene: Scene) -> bool:
        """Whether the task is done in this scene."""

    # Drawing

    def _draw(
        self,
        rng: np.random.Generator,
        split: Split,
        slots: Mapping[tuple[str, str], int],
        wanted: Sequence[Description | None],
    ) -> tuple[list[ObjectSpec], int]:
        roles: list[Kind] = []
        for part in range(len(self.roles)):
            kind = self._kind(rng, split, part, wanted)
            taken = roles.count(kind) >= slots.get(kind, len(roles) + 1)
            roles.append(Kind(kind.shape) if taken else kind)
        needed = [*roles, *self.others(rng, slots)]
        kinds = needed + draw_extras(rng, split, needed, slots)
        spots, resampled = draw_spots(rng, kinds, self.start, self.allowed)
        specs = self.finish(rng, draw_specs(rng, spots, split), split)
        for part, description in enumerate(wanted[: len(self.roles)]):
            if description is not None:
                specs = _make_fit(specs, part, description)
        return _drop_rivals(specs, len(roles), wanted), resampled

    def _kind(
        self, rng: np.random.Generator, split: Split, part: int, wanted: Sequence[Description | None]
    ) -> Kind:
        shapes = self.shapes(split) if part == 0 else self._role_shapes(part, split)
        kind = draw_kind(rng, split, shapes)
        description = wanted[part] if part < len(wanted) else None
        if description is None:
            return kind
        shape = description.shape or kind.shape
        size = description.size or (kind.size if shape == kind.shape else "medium")
        if size not in SHAPES[shape].sizes:
            raise SimError(f"there is no {size} {shape}; it comes in {', '.join(SHAPES[shape].sizes)}")
        return Kind(shape, size)

    def _choose(self, specs: Sequence[ObjectSpec], wanted: Sequence[Description | None]) -> list[int] | None:
        """Indices of the objects that play the parts, or None where one that is wanted is not there."""
        chosen: list[int] = []
        for part, description in list(enumerate(wanted))[: len(self.roles)]:
            if description is None:
                chosen.append(part)
                continue
            fitting = [i for i, spec in enumerate(specs) if _fits(description, spec) and i not in chosen]
            eligible = fitting if self.any_target else [part]
            shapes = self.roles[part]
            if len(fitting) != 1 or fitting[0] not in eligible or specs[fitting[0]].shape not in shapes:
                return None
            chosen.append(fitting[0])
        return chosen if len(set(chosen)) == len(chosen) else None

    def _check(
        self, wanted: Sequence[Description | None], split: Split, slots: Mapping[tuple[str, str], int]
    ) -> None:
        """Refuse a request for what the task cannot be about, or what a split does not have."""
        in_split = {shape for shape, _ in slots} | {name for name in SHAPES if SHAPES[name].part == "flat"}
        for index, (part, description) in enumerate(zip(PARTS, wanted, strict=True)):
            if description is None:
                continue
            if index >= len(self.roles):
                named = " ".join(filter(None, (description.size, description.color, description.shape)))
                raise SimError(
                    f"task {self.name!r} has no {part}, but the instruction names one: {named}; "
                    "name the task that it is of"
                )
            allowed = [shape for shape in self.roles[index] if shape in in_split]
            shape, color = description.shape, description.color
            if shape in self.roles[index] and shape not in in_split:
                raise SimError(f"this split has no {shape}; for a {part} it has {', '.join(allowed)}")
            if shape not in (None, *allowed):
                known = ", ".join(allowed)
                raise SimError(f"the {part} of task {self.name!r} cannot be a {shape}; allowed: {known}")
            if color not in (None, *split.colors):
                raise SimError(f"this split has no {color} objects; it has {', '.join(split.colors)}")


def _fits(description: Description, spec: ObjectSpec) -> bool:
    """Whether an object is as described."""
    wanted = (description.shape, description.color, description.size, description.symbol)
    return all(
        value in (None, found)
        for value, found in zip(wanted, (spec.shape, spec.color, spec.size, spec.symbol), strict=True)
    )


def _make_fit(specs: list[ObjectSpec], part: int, description: Description) -> list[ObjectSpec]:
    """Give an object the colour and symbol that are wanted; whoever had them takes its own instead."""
    own = specs[part]
    new = replace(own, color=description.color or own.color, symbol=description.symbol or own.symbol)
    if own.shape == "card":
        new = replace(new, color=own.color)
    changed = []
    for index, spec in enumerate(specs):
        if index == part:
            spec = new
        elif spec.shape == new.shape and spec.name == new.name:
            spec = replace(spec, color=own.color, symbol=own.symbol)
        changed.append(spec)
    return changed


def _drop_rivals(
    specs: list[ObjectSpec], roles: int, wanted: Sequence[Description | None]
) -> list[ObjectSpec]:
    """Leave out objects without a part that an instruction could mean as well."""
    return [
        spec
        for index, spec in enumerate(specs)
        if index < roles or not any(description and _fits(description, spec) for description in wanted)
    ]
