"""Read a person's instruction in English or Japanese: which objects it names, and for what part."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from sim.language.roles import Mention, assign_roles
from sim.language.vocabulary import ANY, LANGUAGES, vocabulary


@dataclass(frozen=True)
class Description:
    """What a text says of an object; None where it says nothing.

    Attributes:
        shape: a key of `sim.objects.SHAPES`; None also where it only says "object".
        color: a key of COLORS.
        size: "small" or "large".
        symbol: of a card.
    """

    shape: str | None = None
    color: str | None = None
    size: str | None = None
    symbol: str | None = None


@dataclass(frozen=True)
class Request:
    """The objects that an instruction names, by the part they play; None where it names none."""

    target: Description | None = None
    goal: Description | None = None
    third: Description | None = None


def parse_instruction(text: str) -> Request:
    """Return which objects an instruction names and what they are for.

    Parts are told by English prepositions and Japanese particles, whatever the order:
    "青いボウルに赤いブロックを入れて" names the goal first. What is not understood is left out.

    >>> parse_instruction("put the red one in the blue bowl").goal
    Description(shape='bowl', color='blue', size=None, symbol=None)
    """
    folded = _fold(text)
    mentions = _mentions(folded)
    roles = assign_roles(folded, [Mention(start, end) for _, start, end in mentions])
    described = [_described(description) for description, _, _ in mentions]
    parts = [described[index] if index is not None else None for index in roles]
    return Request(*parts)


def fits(description: Description, scene_object: Mapping[str, Any]) -> bool:
    """Whether an object of a scene is as described."""
    wanted = (description.shape, description.color, description.size, description.symbol)
    found = (scene_object.get(key) for key in ("shape", "color", "size", "symbol"))
    return all(value in (None, own) for value, own in zip(wanted, found, strict=True))


def colors_named(text: str) -> list[str]:
    """Return the canonical names of the colours in a text, in order of appearance, repeats kept.

    >>> colors_named("赤いブロックを青いボウルに入れて")
    ['red', 'blue']
    """
    return [atom.value for atom in _atoms(_fold(text)) if atom.kind == "color" and atom.value is not None]


def unknown_colors_named(text: str) -> list[str]:
    """Return the colour words in a text that this world has no objects of, such as "gray" or "白".

    Cards are white, so "the white card" names nothing unknown.
    """
    folded = _fold(text)
    return [
        folded[atom.start : atom.end]
        for atom in _atoms(folded)
        if atom.kind == "color" and atom.value is None and not _CARD_FOLLOWS.match(folded, atom.end)
    ]


_CARD_FOLLOWS = re.compile(r"\s*(い|色?の)?\s*(card|カード)")


@dataclass(frozen=True)
class _Atom:
    """One word that says something of an object: its colour, size, shape, symbol, or "one"."""

    kind: str
    value: Any
    start: int
    end: int


# What may stand between two words about one object, by language: English one further adjective, but nothing
# that starts another phrase; Japanese a few characters without a particle.
_STOP = (
    "the|a|an|in|into|inside|on|onto|to|by|near|beside|against|"
    "with|and|or|of|off|for|from|at|up|over|until|then"
)
_BEFORE_NOUN = re.compile(rf"[\s,]*(?!(?:{_STOP})\s)(?:[a-z]+\s+)?|[^a-z0-9をにへではがと、。・]{{0,5}}?")
_AFTER_NOUN = re.compile(
    r"\s+(?:that|which)\s+(?:is|are)\s+(?:the\s+)?|\s+(?:in|of)\s+|\s+colou?red\s+|で(?=[^、。]*もの|[^、。]*やつ)"
)
_ON_CARD = re.compile(
    r"\s+(?:with|showing|that shows|that has|bearing|of)\s+(?:the\s+|an?\s+)?|\s+|\s*-\s*"
    r"|の(?:絵の|マークの|印の)?|が(?:描|書|か)かれた"
)


def _mentions(folded: str) -> list[tuple[dict[str, Any], int, int]]:
    """Group the words about each object: what is said of it, and where that begins and ends."""
    found: list[tuple[dict[str, Any], int, int]] = []
    for atom in _atoms(folded):
        if found:
            said, start, end = found[-1]
            if atom.kind not in said and _belongs(said, atom, folded[end : atom.start], folded[atom.end :]):
                said[atom.kind] = atom.value
                found[-1] = (said, start, atom.end)
                continue
        if atom.kind == "one" and not found:
            continue
        found.append(({atom.kind: atom.value}, atom.start, atom.end))
    return [mention for mention in found if set(mention[0]) != {"one"}]


def _belongs(said: dict[str, Any], atom: _Atom, gap: str, after: str) -> bool:
    """Whether a word is about the object before it."""
    if atom.kind == "symbol" or "symbol" in said:
        card = said.get("shape") == "card" or (atom.kind == "shape" and atom.value == "card")
        about = atom.kind in ("symbol", "shape") and card
        return about and (gap == "" or _ON_CARD.fullmatch(gap) is not None)
    if "shape" in said or "one" in said:
        return atom.kind in ("color", "size") and _AFTER_NOUN.fullmatch(gap) is not None
    return _BEFORE_NOUN.fullmatch(gap) is not None


def _described(said: dict[str, Any]) -> Description:
    shape = said.get("shape")
    if shape == ANY:
        shape = None
    symbol = said.get("symbol")
    if symbol is not None:
        return Description("card", symbol=symbol)
    if shape == "card":
        return Description("card", size=said.get("size"))
    return Description(shape, said.get("color"), said.get("size"))


def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", text).lower()


def _any_of(words: Iterable[str]) -> str:
    """Match the longest word first, and Latin words only as whole words: "bored" holds no red."""
    return "|".join(
        rf"(?<![a-z]){re.escape(word)}(?![a-z])" if word.isascii() else re.escape(word)
        for word in sorted(words, key=len, reverse=True)
    )


@cache
def _lexicon() -> tuple[dict[str, tuple[str, Any]], re.Pattern[str]]:
    """Every word understood -> (kind, meaning), and a pattern that finds the longest of them."""
    words: dict[str, tuple[str, Any]] = {}
    for name in LANGUAGES:
        language = vocabulary(name)
        words |= {word: ("size", size) for word, size in language.size_words.items()}
        words |= {word: ("color", color) for word, color in language.color_words.items()}
        words |= {word: ("shape", shape) for word, shape in language.shape_words.items()}
        for symbol, (category, sign, _) in language.symbols.items():
            if category == "pictures":
                words[sign] = ("symbol", symbol)
    words |= {"one": ("one", None), "ones": ("one", None)}
    # 月 or 木 may be part of another word, so that a picture counts only where its noun phrase can end.
    return words, re.compile(f"{_SYMBOL}|{_any_of(words)}")


_DIGIT_WORDS = {
    word: str(number)
    for number, word in enumerate(
        ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine"), start=1
    )
}
_DIGIT = "[1-9]|" + "|".join(_DIGIT_WORDS)
_LETTER = "[abcdehkt]"
# Digits and letters name cards only where they are introduced as such: "number 3", "b card", "数字の3".
# The letter a must be called a letter, for "a card" is any card.
_SYMBOL = (
    rf"(?<![a-z])(?:number|digit|no\.)\s+(?P<digit>{_DIGIT})(?![a-z0-9])"
    rf"|(?<![a-z])letter\s+(?P<letter>{_LETTER})(?![a-z])"
    rf"|(?<![a-z0-9])(?P<before>{_DIGIT}|{_LETTER})(?:(?<!a)(?=\s+card)|(?=のカード|が書かれたカード|がかかれたカード))"
    r"|(?:(?<=card with the )"
    r"|(?:(?<=card with a )|(?<=card with an )|(?<=card with )|(?<=card showing ))(?!an?\s))"
    rf"(?P<after>{_DIGIT}|{_LETTER})(?![a-z0-9])"
    r"|(?:数字|番号|文字|アルファベット)の(?P<named>[1-9abcdehkt])(?![a-z0-9])"
)


def _atoms(folded: str) -> list[_Atom]:
    words, pattern = _lexicon()
    atoms = []
    for match in pattern.finditer(folded):
        sign = match.lastgroup and match.group(match.lastgroup)
        if sign:
            digit = _DIGIT_WORDS.get(sign, sign)
            atoms.append(_Atom("symbol", digit.upper(), match.start(), match.end()))
        else:
            kind, value = words[match.group()]
            atoms.append(_Atom(kind, value, match.start(), match.end()))
    return atoms
