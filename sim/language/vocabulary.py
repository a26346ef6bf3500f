"""The words of each language, read once from en.yaml and ja.yaml."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import yaml

from sim.errors import unknown_name

LANGUAGES = ("en", "ja")

T = TypeVar("T")


@dataclass(frozen=True)
class Noun:
    """One word for a shape, with its plural (the same word in Japanese)."""

    one: str
    many: str


@dataclass(frozen=True)
class Vocabulary:
    """One language: its words, and its templates grouped by what they say.

    Attributes:
        adjectives: colour -> ways to write it before a noun; repeated entries are drawn more often.
        color_answers: colour -> the word used as an answer.
        color_words: every word understood -> its canonical colour, or None for a colour this world lacks.
        nouns: shape ("block", "bowl", "zone", "any") -> words, repeated by weight; answers use the first.
        replies: "yes", "no", "nothing" -> the word.
        numbers: the word for 0, 1, 2, ...
        instructions, held_out: task -> templates; questions: kind -> templates; captions: part -> templates.
    """

    name: str
    articles: bool
    adjectives: Mapping[str, Sequence[str]]
    color_answers: Mapping[str, str]
    color_words: Mapping[str, str | None]
    nouns: Mapping[str, Sequence[Noun]]
    replies: Mapping[str, str]
    numbers: Sequence[str]
    colour_words: Sequence[str]
    instructions: Mapping[str, Sequence[str]]
    held_out: Mapping[str, Sequence[str]]
    questions: Mapping[str, Sequence[str]]
    captions: Mapping[str, Any]

    def phrase(self, rng: np.random.Generator, shape: str, color: str) -> str:
        """Draw a phrase for an object, without article: "red cube", "赤いブロック"."""
        return self.join(pick(rng, self.adjectives[color]), pick(rng, self.nouns[shape]).one)

    def answer(self, shape: str, color: str) -> str:
        """The one phrase for an object that is used as an answer."""
        return self.join(self.adjectives[color][0], self.nouns[shape][0].one)

    def join(self, adjective: str, noun: str) -> str:
        """Put an adjective before a noun."""
        return f"{adjective} {noun}" if self.articles else adjective + noun

    def with_article(self, phrase: str) -> str:
        """Add the indefinite article where the language has one."""
        if not self.articles:
            return phrase
        return f"an {phrase}" if phrase[0] in "aeiou" else f"a {phrase}"


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """Draw one of the choices, all equally likely (ten times faster than Generator.choice)."""
    return choices[int(rng.random() * len(choices))]


@cache
def _load(language: str) -> Vocabulary:
    text = Path(__file__).with_name(f"{language}.yaml").read_text(encoding="utf-8")
    raw = yaml.safe_load(text)
    words: dict[str, str | None] = dict.fromkeys(raw["other_colors"])
    for color, entry in raw["colors"].items():
        for word in (*entry["adjectives"], entry["answer"], *entry.get("also", ())):
            words[word] = color
    return Vocabulary(
        name=language,
        articles=raw["articles"],
        adjectives={color: tuple(entry["adjectives"]) for color, entry in raw["colors"].items()},
        color_answers={color: entry["answer"] for color, entry in raw["colors"].items()},
        color_words=words,
        nouns={
            shape: tuple(Noun(one, many) for one, (many, weight) in entries.items() for _ in range(weight))
            for shape, entries in raw["shapes"].items()
        },
        replies=raw["replies"],
        numbers=tuple(raw["numbers"]),
        colour_words=tuple(raw["colour_words"]),
        instructions=_tuples(raw["instructions"]),
        held_out=_tuples(raw["held_out"]),
        questions=_tuples(raw["questions"]),
        captions=raw["captions"],
    )


def _tuples(groups: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    return {name: tuple(templates) for name, templates in groups.items()}


def vocabulary(language: str) -> Vocabulary:
    """Return the words of a language.

    Raises:
        SimError: the language is not one of LANGUAGES.
    """
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    return _load(language)
