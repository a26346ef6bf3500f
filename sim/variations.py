"""Splits: what a scene, a view and an instruction may be drawn from, after RT-2's table of generalisation.

`basic` and `seen` are for training; every other split holds something that no training data hold
(docs/evaluation.md says what, tests/sim/test_variations.py proves it).
"""

from dataclasses import dataclass
from typing import Literal

from sim.errors import unknown_name
from sim.objects import BASIC_COLORS, COLORS, HELD_OUT_PAIRS, MOVABLE, SHAPES, UNSEEN_EASY, UNSEEN_HARD
from sim.symbols import EMERGENT_SYMBOLS, SYMBOLS

SEEN_SYMBOLS = tuple(name for name in SYMBOLS if name not in EMERGENT_SYMBOLS)
Novelty = Literal["basic", "seen", "easy", "hard"]


@dataclass(frozen=True)
class Split:
    """What may be drawn.

    Args:
        targets: movable shapes that the task may be about.
        movable: movable shapes that may stand beside it.
        colors: of all objects.
        plain: only blocks, bowls and zones of medium size, as in the first release.
        held_out_pair: whether the target's colour and shape are a pair that training never shows.
        symbols: on the card that an instruction names.
        background, environment: how new the table cloth, and camera and light, are.
        phrasing: of instructions: templates that training uses, or held-out ones.
        language: of instructions, unless the caller asks for another one.
        reference: how an instruction names the target: by its name, or by what must be reasoned out.
        feasible: whether instructions can be carried out.
        tasks: that offer this split; empty: all that have such objects.
    """

    targets: tuple[str, ...] = MOVABLE
    movable: tuple[str, ...] = MOVABLE
    colors: tuple[str, ...] = tuple(COLORS)
    plain: bool = False
    held_out_pair: bool = False
    symbols: tuple[str, ...] = SEEN_SYMBOLS
    background: Novelty = "seen"
    environment: Novelty = "seen"
    phrasing: Literal["train", "held_out"] = "train"
    language: str = "en"
    reference: Literal["plain", "reasoning"] = "plain"
    feasible: bool = True
    tasks: tuple[str, ...] = ()

    def colors_of(self, shape: str) -> tuple[str, ...]:
        """Colours of objects that are not the target: never of a held-out pair."""
        return tuple(color for color in self.colors if (color, shape) not in HELD_OUT_PAIRS)

    def target_colors_of(self, shape: str) -> tuple[str, ...]:
        """Colours that the target may have in this shape."""
        if self.held_out_pair:
            return tuple(color for color in self.colors if (color, shape) in HELD_OUT_PAIRS)
        return self.colors_of(shape)


_REASONING_TASKS = ("reach", "pick_up", "place_in_bowl", "place_on_plate", "place_on_card", "move_near")

SPLITS: dict[str, Split] = {
    "basic": Split(
        targets=("block",),
        movable=("block",),
        colors=BASIC_COLORS,
        plain=True,
        background="basic",
        environment="basic",
        tasks=("reach", "push", "pick_up", "place_in_bowl"),
    ),
    "seen": Split(),
    "unseen_objects_easy": Split(targets=UNSEEN_EASY),
    "unseen_objects_hard": Split(targets=UNSEEN_HARD),
    "unseen_backgrounds_easy": Split(background="easy"),
    "unseen_backgrounds_hard": Split(background="hard"),
    "unseen_environments_easy": Split(environment="easy"),
    "unseen_environments_hard": Split(environment="hard"),
    "unseen_pairs": Split(held_out_pair=True),
    "paraphrases": Split(phrasing="held_out"),
    "japanese": Split(language="ja"),
    "symbols": Split(symbols=EMERGENT_SYMBOLS, tasks=("place_on_card",)),
    "reasoning": Split(reference="reasoning", symbols=SYMBOLS, tasks=_REASONING_TASKS),
    "infeasible": Split(feasible=False),
}
TRAINING_SPLITS = ("basic", "seen")
"""Splits that recipes may record."""


def find_split(name: str) -> Split:
    """The split of that name.

    Raises:
        SimError: there is none.
    """
    if name not in SPLITS:
        raise unknown_name("split", name, SPLITS)
    return SPLITS[name]


def slots(split: Split) -> dict[tuple[str, str], int]:
    """How many bodies of each (shape, size) an environment of this split holds; flat things need none."""
    if split.plain:
        return {("block", "medium"): 4, ("bowl", "medium"): 2}
    unseen = UNSEEN_EASY + (UNSEEN_HARD if split.targets == UNSEEN_HARD else ())
    counts = {(shape, "medium"): 2 for shape in (*MOVABLE, *unseen, "bowl", "plate", "drawer", "button")}
    counts[("block", "medium")] = 4
    several = [shape for shape in MOVABLE if len(SHAPES[shape].sizes) > 1]
    return counts | {(shape, size): 1 for shape in several for size in ("small", "large")}
