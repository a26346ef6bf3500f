"""Find the colours that a person's instruction names, in English or Japanese."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple

from sim.language.vocabulary import LANGUAGES, vocabulary

GOAL_SHAPES = ("bowl", "zone")


class NamedColors(NamedTuple):
    """Colours of the block to handle and of its goal, a bowl or zone; None where the text names none."""

    target: str | None
    goal: str | None


def colors_named(text: str) -> list[str]:
    """Return the canonical names of the colours in a text, in order of appearance, repeats kept.

    >>> colors_named("赤いブロックを青いボウルに入れて")
    ['red', 'blue']
    """
    return [color for color, _, _ in _mentions(_fold(text)) if color is not None]


def unknown_colors_named(text: str) -> list[str]:
    """Return the colour words in a text that this world has no objects of, such as "pink" or "水色"."""
    folded = _fold(text)
    return [folded[start:end] for color, start, end in _mentions(folded) if color is None]


def named_objects(text: str) -> NamedColors:
    """Return which colour belongs to the block and which to the goal, whatever their order.

    A colour belongs to the shape word that it stands before: "青いボウルに赤いブロックを入れて" names the
    goal first. Colours that stand before none ("the block that is red") fill what is still open, in order.
    """
    folded = _fold(text)
    mentions = [mention for mention in _mentions(folded) if mention[0] is not None]
    target: str | None = None
    goal: str | None = None
    loose: list[str | None] = []
    for color, _, end in mentions:
        shape = _shape_after(folded[end:])
        if shape == "block" and target is None:
            target = color
        elif shape in GOAL_SHAPES and goal is None:
            goal = color
        elif shape is None:
            loose.append(color)
    if target is None and loose:
        target = loose.pop(0)
    if goal is None and loose:
        goal = loose.pop(0)
    return NamedColors(target, goal)


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _any_of(words: Iterable[str]) -> str:
    """Match the longest word first, and Latin words only as whole words: "bored" holds no red."""
    return "|".join(
        rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)
        for word in sorted(words, key=len, reverse=True)
    )


@cache
def _color_words() -> tuple[dict[str, str | None], re.Pattern[str]]:
    words = {word: color for name in LANGUAGES for word, color in vocabulary(name).color_words.items()}
    return words, re.compile(_any_of(words))


@cache
def _shape_words() -> tuple[dict[str, str], re.Pattern[str]]:
    words = {
        word: shape
        for name in LANGUAGES
        for shape, nouns in vocabulary(name).nouns.items()
        if shape != "any"
        for noun in nouns
        for word in (noun.one, noun.many)
    }
    # Between colour and shape there may be one more word, but nothing that starts another phrase.
    return words, re.compile(rf"(?:\s*(?:[a-z]+\s+)?|[^a-zをにへで、。]{{0,5}}?)({_any_of(words)})")


def _mentions(folded: str) -> list[tuple[str | None, int, int]]:
    words, pattern = _color_words()
    return [(words[match.group()], match.start(), match.end()) for match in pattern.finditer(folded)]


def _shape_after(folded: str) -> str | None:
    words, pattern = _shape_words()
    match = pattern.match(folded)
    return words[match.group(1)] if match else None
