"""Phrases that tell each object of a scene apart from all others, and phrases for absent ones."""

from __future__ import annotations

from collections import Counter

import numpy as np

from sim.language.items import Item
from sim.language.truth import MOVABLE, SceneView
from sim.language.vocabulary import ANY, Vocabulary, pick
from sim.objects import HELD_OUT_PAIRS, SHAPES

SIZED = 0.2  # share of phrases that give a size though none is needed
GENERIC = 0.08  # share of phrases that say "object", where there is only one of the colour
# Share of phrases without a colour, where there is only one of the shape.
COLORLESS = {"drawer": 0.4, "button": 0.4}
COLORLESS_OTHERS = 0.08
OTHER_SIZE = 0.15  # share of absent things that differ from one that is there in size alone


class Naming:
    """Names the objects of one scene in one language.

    In scenes of the basic split every phrase is a colour and a shape, as the first agents learned it.

    Args:
        view: the scene.
        words: the language.
    """

    def __init__(self, view: SceneView, words: Vocabulary) -> None:
        self.words = words
        self.basic = view.basic
        self._view = view
        self._alike = Counter((item.shape, item.color) for item in view.all)
        self._sizes = Counter((item.shape, item.color, item.size) for item in view.all)
        self._colors = Counter(item.color for item in view.all)
        self._shapes = Counter(item.shape for item in view.all)

    def is_namable(self, item: Item) -> bool:
        """Whether words can tell an object apart from all others."""
        if item.symbol is not None:
            return True
        if item.shape not in self.words.nouns:
            return self._colors[item.color] == 1
        if self._alike[item.shape, item.color] == 1:
            return True
        return item.size != "medium" and self._sizes[item.shape, item.color, item.size] == 1

    def phrase(
        self,
        rng: np.random.Generator,
        item: Item,
        *,
        sized: bool = True,
        colored: bool = False,
        generic: bool = True,
    ) -> str:
        """Draw a phrase without article: "red cube", "small red ball", "card with the star".

        Args:
            rng: source of every draw.
            item: the object; if words cannot tell it apart, the phrase fits others too.
            sized: whether a size may be given that is not needed.
            colored: whether the colour must be given.
            generic: whether it may be called an object instead of by its shape.
        """
        words = self.words
        if item.symbol is not None:
            return words.card(rng, item.symbol, words.cards)
        if self.basic:
            return words.join(pick(rng, words.adjectives[item.color]), pick(rng, words.nouns[item.shape]).one)
        needed = self._alike[item.shape, item.color] > 1
        draws = rng.random(3)
        noun = pick(rng, words.nouns.get(item.shape, words.nouns[ANY])).one
        color = pick(rng, words.adjectives[item.color])
        size = ""
        if item.size in words.size_adjectives and (needed or (sized and draws[0] < SIZED)):
            size = pick(rng, words.size_adjectives[item.size])
        rate = COLORLESS.get(item.shape, COLORLESS_OTHERS)
        if not colored and self._shapes[item.shape] == 1 and draws[1] < rate and item.shape in words.nouns:
            color = ""
        elif generic and item.shape in MOVABLE and draws[2] < GENERIC and self._is_only(item.color):
            noun = pick(rng, words.nouns[ANY]).one
        return words.join(size, color, noun)

    def _is_only(self, color: str) -> bool:
        """Whether a colour alone tells an object apart."""
        return self._colors[color] == 1 and self._view.is_telling(color)

    def absent(self, rng: np.random.Generator, shape: str, *, sized: bool = True) -> str:
        """Draw a phrase of the same form for an object that is not on the table, in sight or not.

        Colours and shapes that never go together in training are not put together here either: else every
        such phrase would name something absent.

        Args:
            rng: source of every draw.
            shape: what it is; of a card, the symbol is absent.
            sized: whether a size may be given.
        """
        words, view = self.words, self._view
        if shape == "card":
            shown = {item.symbol for item in view.all}
            symbol = pick(rng, [name for name in words.symbols if name not in shown])
            return words.card(rng, symbol, words.cards)
        noun = pick(rng, words.nouns[shape]).one
        draws = rng.random(4)
        others = self._in_other_size(shape) if sized else []
        if others and draws[3] < OTHER_SIZE:
            size, color = pick(rng, others)
            return words.join(
                pick(rng, words.size_adjectives[size]), pick(rng, words.adjectives[color]), noun
            )
        colors = [
            color
            for color in view.colors
            if not self._alike[shape, color] and (color, shape) not in HELD_OUT_PAIRS
        ]
        nowhere = [color for color in colors if not self._colors[color] and view.is_telling(color)]
        color, size = pick(rng, words.adjectives[pick(rng, colors)]), ""
        if not self.basic:
            if sized and "small" in SHAPES[shape].sizes and draws[0] < SIZED / 2:
                size = pick(rng, words.size_adjectives[pick(rng, tuple(words.size_adjectives))])
            if not self._shapes[shape] and draws[1] < COLORLESS.get(shape, COLORLESS_OTHERS):
                color = ""
            elif nowhere and shape in MOVABLE and draws[2] < GENERIC:
                color = pick(rng, words.adjectives[pick(rng, nowhere)])
                noun = pick(rng, words.nouns[ANY]).one
        return words.join(size, color, noun)

    def _in_other_size(self, shape: str) -> list[tuple[str, str]]:
        """(size, colour) such that an object of the shape and colour is there, but only the opposite size."""
        opposite = {"small": "large", "large": "small"}
        return [
            (opposite[item.size], item.color)
            for item in self._view.items
            if item.shape == shape and item.size in opposite and self._alike[shape, item.color] == 1
        ]

    def answer(self, item: Item) -> str:
        """The one phrase for an object that is used as an answer: "red block", "star card", "red object"."""
        words = self.words
        if item.symbol is not None:
            category, sign, _ = words.symbols[item.symbol]
            return words.card_answers[category].format(sign=sign)
        sized = self._alike[item.shape, item.color] > 1 and item.size in words.size_adjectives
        size = words.size_adjectives[item.size][0] if sized else ""
        noun = words.nouns.get(item.shape, words.nouns[ANY])[0].one
        return words.join(size, words.adjectives[item.color][0], noun)
