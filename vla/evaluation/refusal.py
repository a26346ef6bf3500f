"""Whether a policy itself thinks that an instruction can be carried out, and what it misses if not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sim.language import Description, parse_instruction
from sim.language.vocabulary import ANY, vocabulary
from vla.text.prompt import clean_instruction, language_of

if TYPE_CHECKING:
    from vla.inference.engine import Engine

REFUSE_FROM = 0.5
"""Confidence in "no" from which an instruction is refused."""
ABSENT = {"en": "there is no {it} on the table", "ja": "テーブルの上に{it}はありません"}
IMPOSSIBLE = {"en": "that cannot be done here", "ja": "それはここではできません"}


def refusal(engine: Engine, picture: NDArray[np.uint8], instruction: str) -> str | None:
    """Ask a policy whether it can do what it is told.

    Args:
        engine: the policy.
        picture: uint8[H, H, 3], what it sees.
        instruction: in English or Japanese.
    Returns:
        Why not, in the instruction's language; None if it can.
    """
    language = language_of(instruction)
    words = vocabulary(language)
    question = words.questions["feasible"][0].format(instruction=clean_instruction(instruction))
    (answer,) = engine.ask(np.stack([picture]), [question])
    if answer.text != words.replies["no"] or answer.confidence < REFUSE_FROM:
        return None
    request = parse_instruction(instruction)
    for named in (request.target, request.goal, request.third):
        if named is not None and not _sees(engine, picture, named, language):
            return ABSENT[language].format(it=_phrase(named, language))
    return IMPOSSIBLE[language]


def _sees(engine: Engine, picture: NDArray[np.uint8], named: Description, language: str) -> bool:
    words, phrase = vocabulary(language), _phrase(named, language)
    template = words.questions["existence"][0]
    (answer,) = engine.ask(np.stack([picture]), [template.format(it=phrase, a_it=words.with_article(phrase))])
    return answer.text != words.replies["no"]


def _phrase(named: Description, language: str) -> str:
    words = vocabulary(language)
    if named.symbol is not None:
        category, sign, _ = words.symbols[named.symbol]
        return words.card_answers[category].format(sign=sign)
    size = words.size_adjectives[named.size][0] if named.size else ""
    color = words.adjectives[named.color][0] if named.color else ""
    nouns = words.nouns.get(named.shape or ANY, words.nouns[ANY])
    return words.join(size, color, nouns[0].one)
