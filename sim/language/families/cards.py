"""Questions about the symbols on cards."""

from __future__ import annotations

from sim.language.families.base import CLEAR, POINT, Question, Rng, at_item
from sim.language.items import Item
from sim.language.naming import Naming
from sim.language.truth import SceneView
from sim.language.vocabulary import Phrasing, pick


def ask_symbol(view: SceneView, naming: Naming, rng: Rng, phrasing: Phrasing) -> Question | None:
    """Ask what is on a card: the only one, one told by its place, or the one at a point."""
    words = naming.words
    cards = view.of_shape("card")
    if not cards:
        return None
    kind, place = "symbol_at", None
    if rng.random() < 0.5:
        item = pick(rng, cards)
        place = at_item(view, item, rng)
        if place is None or not _is_legible(view, item):
            return None
    else:
        if view.hides("card"):
            return None
        fitting: list[tuple[str, Item]] = [(f"symbol_{kind}", item) for kind, item in view.extremes(cards)]
        if len(cards) == 1:
            fitting = [("symbol_only", cards[0])]
        if not fitting:
            return None
        kind, item = pick(rng, fitting)
        if not _is_legible(view, item):
            return None
    assert item.symbol is not None
    text = words.draw_question(rng, kind, phrasing).format(point=POINT)
    return Question(text, words.symbols[item.symbol][1], place, "symbol", words.name)


def _is_legible(view: SceneView, card: Item) -> bool:
    """Whether nothing lies on a card or stands before it."""
    return view.is_free(card, CLEAR) and not view.is_behind_hand(card)
