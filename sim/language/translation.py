"""Answers in the other language: whatever the simulator says in one it says in both."""

from __future__ import annotations

import re
from functools import cache
from itertools import product

from sim.language.vocabulary import LANGUAGES, vocabulary

PLACE = re.compile(r"\s*(x=-?[\d.]+ m, y=-?[\d.]+ m)(?:, |、)?")
"""A place in an answer, and what parts it from the next thing."""
COMMA = {"en": ", ", "ja": "、"}


def translate(answer: str, language: str) -> str:
    """Say an answer in a language; what is not among the simulator's answers stays as it is.

    Args:
        answer: as a model gives it, with places as "x=0.500 m, y=0.100 m".
        language: "en" or "ja".

    >>> translate("red block x=0.623 m, y=-0.200 m", "ja")
    '赤いブロック x=0.623 m, y=-0.200 m'
    """
    for source in LANGUAGES:
        found = answer if source == language else _translate(answer, source, language)
        if found is not None and found != answer:
            return found
    return answer


def _translate(answer: str, source: str, target: str) -> str | None:
    phrases = _phrases(source, target)
    if answer in phrases:
        return phrases[answer]
    if places := PLACE.findall(answer):
        names = [part for part in PLACE.split(answer)[::2] if part]
        if len(names) != len(places) or not all(name in phrases for name in names):
            return None
        pairs = zip(names, places, strict=True)
        return COMMA[target].join(f"{phrases[name]} {place}" for name, place in pairs)
    for kind, template in vocabulary(source).steps.items():
        pattern = re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+)", re.escape(template))
        match = re.fullmatch(pattern, answer)
        if match and all(part in phrases for part in match.groups()):
            said = {role: phrases[part] for role, part in match.groupdict().items()}
            return vocabulary(target).steps[kind].format(**said)
    return None


@cache
def _phrases(source: str, target: str) -> dict[str, str]:
    """Every answer that is one word or names one thing."""
    words = [vocabulary(source), vocabulary(target)]
    first, second = words
    sizes, colors = ["", *first.size_adjectives], ["", *first.adjectives]
    pairs: dict[str, str] = {}
    for size, color, shape in product(sizes, colors, first.nouns):
        before, after = (
            language.join(
                language.size_adjectives[size][0] if size else "",
                language.adjectives[color][0] if color else "",
                language.nouns[shape][0].one,
            )
            for language in words
        )
        pairs[before] = after
    for symbol in first.symbols:
        signs = [language.symbols[symbol][1] for language in words]
        cards = [
            language.card_answers[language.symbols[symbol][0]].format(sign=sign)
            for language, sign in zip(words, signs, strict=True)
        ]
        pairs |= {signs[0]: signs[1], cards[0]: cards[1]}
    for table, other in (
        (first.color_answers, second.color_answers),
        (first.size_answers, second.size_answers),
        (first.replies, second.replies),
    ):
        pairs |= {table[key]: other[key] for key in table}
    for count in range(len(first.numbers)):
        pairs |= {first.number(count, shape): second.number(count) for shape in first.nouns}
    return pairs
