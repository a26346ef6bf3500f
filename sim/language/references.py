"""Expressions that must be reasoned out: clearly true of one object of a scene, and of no other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.language.items import Item
from sim.language.truth import MOVABLE, SceneView
from sim.language.vocabulary import Vocabulary, pick, vocabulary
from sim.scene import Scene

_SIZE_RANK = {"small": 0, "medium": 1, "large": 2}
_PLACE_KINDS = {
    "left": "leftmost",
    "right": "rightmost",
    "near_robot": "near_robot",
    "near_camera": "near_camera",
}


@dataclass(frozen=True)
class Reference:
    """A way to tell an object from the others by reasoning.

    Attributes:
        role: "target" or "goal": whose phrase it replaces.
        kind: a key of `references` in the YAML files.
        name: of the object that is meant.
        other: name of the object that it is compared with, if any.
        color: the colour that it does not have, if that is what is said.
        numbers: digits that it is computed from.
    """

    role: str
    kind: str
    name: str
    other: str | None = None
    color: str | None = None
    numbers: tuple[str, ...] = ()


def reasoning_references(scene: Scene) -> list[Reference]:
    """All references that single out the target or the goal of a scene's task, in a fixed order.

    Args:
        scene: `info["scene"]` of an env, before the robot has moved.
    Returns:
        Empty where everything must be told by its name, and for tasks whose instructions name no object.
    """
    if scene["task"] == "sort_by_color":
        return []
    view = SceneView(scene)
    found: list[Reference] = []
    for role in ("target", "goal"):
        name = scene["target"] if role == "target" else scene["goal"]
        if name is not None:
            found += references_to(view, view.by_name[name], role)
    return found


def references_to(view: SceneView, item: Item, role: str = "target") -> list[Reference]:
    """All references that single out an object, in a fixed order."""
    return _of_card(view, role, item) if item.shape == "card" else _of_body(view, role, item)


def draw_reference(references: Sequence[Reference], rng: np.random.Generator) -> Reference:
    """Draw one: first the kind, so that those with many variants are not the most frequent."""
    role, kind = pick(rng, sorted({(each.role, each.kind) for each in references}))
    return pick(rng, [each for each in references if (each.role, each.kind) == (role, kind)])


def _of_body(view: SceneView, role: str, item: Item) -> list[Reference]:
    # Shapes that have no word of their own cannot be told from other shapes.
    alike = [other for other in view.all if other.shape == item.shape]
    if item.shape not in vocabulary("en").nouns or len(alike) < 2:
        return []
    found = [
        Reference(role, _PLACE_KINDS[kind], item.name)
        for kind, extreme in view.extremes(alike)
        if extreme is item
    ]
    colors = [other.color for other in alike]
    if len(alike) == 2 and colors[0] != colors[1]:
        other = alike[0] if alike[1] is item else alike[1]
        found.append(Reference(role, "not_color", item.name, color=other.color))
    if colors.count(item.color) == 1:
        found += [
            Reference(role, "same_color", item.name, other=other.name)
            for other in view.all
            if other.color == item.color
            and other.shape != item.shape
            and other.shape in vocabulary("en").nouns
            and sum(third.shape == other.shape for third in view.all) == 1
        ]
    if item.shape in MOVABLE:
        rank = _SIZE_RANK[item.size]
        others = [_SIZE_RANK[other.size] for other in alike if other is not item]
        if rank > max(others):
            found.append(Reference(role, "largest", item.name))
        if rank < min(others):
            found.append(Reference(role, "smallest", item.name))
    return found


def _of_card(view: SceneView, role: str, item: Item) -> list[Reference]:
    assert item.symbol is not None
    symbols = vocabulary("en").symbols
    cards = [other.symbol for other in view.all if other.symbol is not None]
    category = symbols[item.symbol][0]
    found = []
    if len(cards) > 1 and [symbols[symbol][0] for symbol in cards].count(category) == 1:
        found.append(Reference(role, f"category_{category}", item.name))
    if category != "digits":
        return found
    value = int(item.symbol)
    found += [
        Reference(role, "sum", item.name, numbers=(str(first), str(value - first)))
        for first in range(1, value)
    ]
    if value > 1:
        found.append(Reference(role, "one_more", item.name, numbers=(str(value - 1),)))
    digits = [int(symbol) for symbol in cards if symbol.isdigit()]
    if len(digits) > 1 and value in (min(digits), max(digits)):
        kind = "largest_number" if value == max(digits) else "smallest_number"
        found.append(Reference(role, kind, item.name))
    return found


def write_reference(
    reference: Reference, view: SceneView, words: Vocabulary, rng: np.random.Generator
) -> str:
    """Draw the phrase of a reference, without article: "leftmost block", "一番左のブロック"."""
    item = view.by_name[reference.name]
    other, color, negated = "", "", ""
    if reference.other is not None:
        other = pick(rng, words.nouns[view.by_name[reference.other].shape]).one
    if reference.color is not None:
        color = pick(rng, words.adjectives[reference.color])
        negated = words.negated[reference.color]
    numbers = [words.symbols[number][2] for number in reference.numbers]
    return pick(rng, words.references[reference.kind]).format(
        noun=pick(rng, words.nouns[item.shape]).one,
        other=other,
        color=color,
        negated=negated,
        a=numbers[0] if numbers else "",
        b=numbers[1] if len(numbers) > 1 else "",
    )
