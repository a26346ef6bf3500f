"""Questions about where things are: to each other, on the table, and next to what."""

from __future__ import annotations

from math import dist, hypot

from sim.language.families.base import (
    POINT,
    Question,
    Rng,
    at_item,
    empty_place,
    is_on_scale,
)
from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.references import draw_reference, references_to, write_reference
from sim.language.truth import SceneView, is_pulled_out
from sim.language.vocabulary import Phrasing, pick

PAIRS = 3  # pairs of objects looked at for one that differs clearly in place
REASONED = 0.35  # share of objects asked for that are told by what must be reasoned out, where one can be
NOTHING = 0.2  # share of places asked about that hold nothing
NEAREST_MARGIN = 0.03  # m, by which the nearest object is nearer than the next one
HAND_MARGIN = 0.05  # m, the same from the gripper, which hovers over the table


def ask_relation(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask how two objects lie to each other, as yes or no or as "which one"."""
    words = naming.words
    items = [item for item in view.resting if naming.is_namable(item)]
    if len(items) < 2:
        return None
    kind = pick(rng, ("left", "right", "near_robot", "near_camera"))
    before = view.is_left if kind in ("left", "right") else view.is_nearer
    for _ in range(PAIRS):
        first, second = pick(rng, items), pick(rng, items)
        if before(first, second) or before(second, first):
            break
    else:
        return None
    holds = before(first, second) == (kind in ("left", "near_camera"))
    which = rng.random() < 0.5
    text = words.draw_question(rng, f"which_{kind}" if which else kind, phrasing).format(
        it=naming.phrase(rng, first), other=naming.phrase(rng, second)
    )
    answer = naming.answer(first if holds else second) if which else words.replies["yes" if holds else "no"]
    return Question(text, answer, None, "relation", words.name)


def ask_location(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask where an object is; the answer is a place on the table, so nothing that is held up."""
    items = [item for item in view.resting if naming.is_namable(item) and _has_one_place(item)]
    if not items:
        return None
    words = naming.words
    item, phrase = pick(rng, items), None
    if not view.basic and not view.hidden and view.holding is None and rng.random() < REASONED:
        references = [each for other in items for each in references_to(view, other)]
        if references:
            chosen = draw_reference(references, rng)
            item, phrase = view.by_name[chosen.name], write_reference(chosen, view, words, rng)
    text = words.draw_question(rng, "location", phrasing).format(it=phrase or naming.phrase(rng, item))
    return Question(text, None, (item.x, item.y), "location", words.name)


def _has_one_place(item: Item) -> bool:
    """Whether an object is at one place, which can be written down."""
    return is_on_scale(item.x, item.y) and not is_pulled_out(item)


def ask_inventory(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask for everything on the table with its place, in an order that says nothing."""
    words = naming.words
    if not view.resting or not all(_has_one_place(item) for item in view.resting):
        return None
    if len({naming.answer(item) for item in view.resting}) < len(view.resting):
        return None
    items = [view.resting[index] for index in rng.permutation(len(view.resting))]
    answer = words.captions["join"]["comma"].join(f"{naming.answer(item)} {POINT}" for item in items)
    places = tuple((item.x, item.y) for item in items)
    text = words.draw_question(rng, "inventory", phrasing)
    return Question(text, answer, None, "inventory", words.name, places)


def ask_color_at(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask what is at a place: an object that nothing else covers, or nothing."""
    words = naming.words
    if rng.random() < NOTHING:
        place, answer = empty_place(view, rng), words.replies["nothing"]
    else:
        if not view.resting:
            return None
        item = pick(rng, view.resting)
        place, answer = at_item(view, item, rng), naming.answer(item)
    if place is None:
        return None
    text = words.draw_question(rng, "color_at", phrasing).format(point=POINT)
    return Question(text, answer, place, "color_at", words.name)


def ask_nearest(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask which object is nearest to another one, or to the gripper."""
    words = naming.words
    # A drawer is where it slides, so nobody could say how near it is.
    if view.hidden or any(item.shape == "drawer" for item in view.all):
        return None
    if rng.random() < 0.5:
        if view.holding is not None:
            return None
        found = _nearest_to_hand(view)
        text = words.draw_question(rng, "nearest_gripper", phrasing)
    else:
        items = [item for item in view.resting if naming.is_namable(item)]
        if not items:
            return None
        item = pick(rng, items)
        found = _nearest_to(view, item)
        text = words.draw_question(rng, "nearest", phrasing).format(it=naming.phrase(rng, item))
    if found is None or not naming.is_namable(found):
        return None
    return Question(text, naming.answer(found), None, "nearest", words.name)


def _nearest_to(view: SceneView, item: Item) -> Item | None:
    """The object whose middle, and whose side, is clearly the nearest."""
    others = [other for other in view.resting if other is not item]
    gaps = [hypot(other.x - item.x, other.y - item.y) for other in others]
    sides = [gap - other.width / 2 for gap, other in zip(gaps, others, strict=True)]
    best = _clearly_least(gaps, NEAREST_MARGIN)
    if best is None or best != _clearly_least(sides, NEAREST_MARGIN):
        return None
    return others[best]


def _nearest_to_hand(view: SceneView) -> Item | None:
    """The object that is clearly the nearest to the fingertips, in space and as seen from above."""
    level = [hypot(item.x - view.hand[0], item.y - view.hand[1]) for item in view.resting]
    sides = [gap - item.width / 2 for gap, item in zip(level, view.resting, strict=True)]
    space = [dist((item.x, item.y, item.z), view.hand) for item in view.resting]
    best = _clearly_least(level, HAND_MARGIN)
    if best is None or any(_clearly_least(gaps, NEAREST_MARGIN) != best for gaps in (sides, space)):
        return None
    return view.resting[best]


def _clearly_least(values: list[float], margin: float) -> int | None:
    """Index of the least value, if the next one is further by the margin."""
    if len(values) < 2:
        return None
    order = sorted(range(len(values)), key=values.__getitem__)
    return order[0] if values[order[1]] - values[order[0]] > margin else None
