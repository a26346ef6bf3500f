"""The words and templates of each language, read once from the YAML files beside this one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, TypeVar

import numpy as np
import yaml

from sim.errors import unknown_name

LANGUAGES = ("en", "ja")
ANY = "any"  # the shape word that fits every object
Phrasing = Literal["train", "held_out"]
_ALTERNATIVES = re.compile(r"\(([^()]*)\)")

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
        negated: colour -> how "not of this colour" stands before a noun, where there is such a form.
        size_adjectives, size_answers, size_words: the same for sizes.
        nouns: shape, or "any" -> words, repeated by weight; answers use the first.
        shape_words: every word understood -> shape or "any".
        symbols: symbol -> (category, the sign as written, its word in sums).
        cards, signs: category -> ways to name a card, and a symbol without its card.
        card_answers: category -> the one way that answers use.
        replies: "yes", "no", "nothing", "unknown" -> the word.
        numbers: the word for 0, 1, 2, ...
        counters: shape -> its counter word, where it is not the one in `numbers`.
        steps: kind of step -> how it is said as an answer.
        references: kind -> phrases that tell an object by its place, size or company.
        instructions, held_out: task -> templates.
        questions, held_out_questions: kind -> templates, in which "(tell|show) me" stands for either.
        captions, description: part -> templates.
    """

    name: str
    articles: bool
    adjectives: Mapping[str, Sequence[str]]
    color_answers: Mapping[str, str]
    color_words: Mapping[str, str | None]
    negated: Mapping[str, str]
    size_adjectives: Mapping[str, Sequence[str]]
    size_answers: Mapping[str, str]
    size_words: Mapping[str, str]
    nouns: Mapping[str, Sequence[Noun]]
    shape_words: Mapping[str, str]
    symbols: Mapping[str, tuple[str, str, str]]
    cards: Mapping[str, Sequence[str]]
    signs: Mapping[str, Sequence[str]]
    card_answers: Mapping[str, str]
    replies: Mapping[str, str]
    numbers: Sequence[str]
    counters: Mapping[str, str]
    colour_words: Sequence[str]
    steps: Mapping[str, str]
    references: Mapping[str, Sequence[str]]
    instructions: dict[str, Sequence[str]]
    held_out: dict[str, Sequence[str]]
    questions: Mapping[str, Sequence[str]]
    held_out_questions: Mapping[str, Sequence[str]]
    captions: Mapping[str, Any]
    description: Mapping[str, Any]

    def join(self, *parts: str) -> str:
        """Put adjectives before a noun; empty parts are left out."""
        return (" " if self.articles else "").join(part for part in parts if part)

    def with_article(self, phrase: str) -> str:
        """Add the indefinite article where the language has one."""
        if not self.articles:
            return phrase
        return f"an {phrase}" if phrase[0] in "aeiou8" else f"a {phrase}"

    def number(self, count: int, shape: str = ANY) -> str:
        """A number as an answer, with the counter of the shape: "two", "2個", "2本"."""
        word = self.numbers[count]
        return word.replace(self.counter(), self.counter(shape)) if self.counter() else word

    def counter(self, shape: str = ANY) -> str:
        """The counter word of a shape; empty where the language has none."""
        return self.counters.get(shape, "" if self.articles else "個")

    def card(self, rng: np.random.Generator, symbol: str, ways: Mapping[str, Sequence[str]]) -> str:
        """Draw a phrase for a card (`ways` = cards) or its symbol (`ways` = signs)."""
        category, sign, word = self.symbols[symbol]
        return pick(rng, ways[category]).format(sign=sign, word=word)

    def draw_question(self, rng: np.random.Generator, kind: str, phrasing: Phrasing) -> str:
        """Draw a template of a kind of question and each of its alternatives; slots stay open."""
        templates = (self.questions if phrasing == "train" else self.held_out_questions)[kind]
        return _ALTERNATIVES.sub(lambda found: pick(rng, found[1].split("|")), pick(rng, templates))


def pick(rng: np.random.Generator, choices: Sequence[T]) -> T:
    """Draw one of the choices, all equally likely (ten times faster than Generator.choice)."""
    return choices[int(rng.random() * len(choices))]


@cache
def _load(language: str) -> Vocabulary:
    raw, instructions, questions = (
        yaml.safe_load(Path(__file__).with_name(f"{language}{part}.yaml").read_text(encoding="utf-8"))
        for part in ("", "_instructions", "_questions")
    )
    colors, sizes = raw["colors"], raw["sizes"]
    shape_words = dict(raw["also_shapes"])
    for shape, entries in raw["shapes"].items():
        for one, (many, _) in entries.items():
            shape_words |= {one: shape, many: shape}
    return Vocabulary(
        name=language,
        articles=raw["articles"],
        adjectives={color: tuple(entry["adjectives"]) for color, entry in colors.items()},
        color_answers={color: entry["answer"] for color, entry in colors.items()},
        color_words=dict.fromkeys(raw["other_colors"]) | _understood(colors),
        negated={color: entry.get("negated", "") for color, entry in colors.items()},
        size_adjectives={size: tuple(entry["adjectives"]) for size, entry in sizes.items()},
        size_answers={size: entry["answer"] for size, entry in sizes.items()},
        size_words=_understood(sizes),
        nouns={
            shape: tuple(Noun(one, many) for one, (many, weight) in entries.items() for _ in range(weight))
            for shape, entries in raw["shapes"].items()
        },
        shape_words=shape_words,
        symbols={
            symbol: (category, symbol.lower() if category != "pictures" else word, word)
            for category, entries in raw["symbols"].items()
            for symbol, word in entries.items()
        },
        cards={category: tuple(raw["cards"][category]) for category in raw["symbols"]},
        signs={category: tuple(raw["signs"][category]) for category in raw["symbols"]},
        card_answers=raw["card_answers"],
        replies=raw["replies"],
        numbers=tuple(raw["numbers"]),
        counters=raw["counters"],
        colour_words=tuple(raw["colour_words"]),
        steps=raw["steps"],
        references=_tuples(raw["references"]),
        instructions=_tuples(instructions["train"]),
        held_out=_tuples(instructions["held_out"]),
        questions=_tuples(questions["train"]),
        held_out_questions=_tuples(questions["held_out"]),
        captions=raw["captions"],
        description=raw["description"],
    )


def add_instructions(task: str, language: str, train: Sequence[str], held_out: Sequence[str]) -> None:
    """Teach a language how a task is asked for."""
    words = _load(language)
    words.instructions[task], words.held_out[task] = tuple(train), tuple(held_out)


def _understood(entries: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    """Every word of colours or sizes -> which one it means."""
    return {
        word: name
        for name, entry in entries.items()
        for word in (*entry["adjectives"], entry["answer"], *entry.get("also", ()))
    }


def _tuples(groups: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {name: tuple(templates) for name, templates in groups.items()}


def vocabulary(language: str) -> Vocabulary:
    """Return the words of a language.

    Raises:
        SimError: the language is not one of LANGUAGES.
    """
    if language not in LANGUAGES:
        raise unknown_name("language", language, LANGUAGES)
    return _load(language)
