"""Typing mistakes, to train on and to measure with."""

import re

import numpy as np

SHORTEST = 4  # letters of a word that is mistyped: shorter ones would become another word


def mistype(text: str, rng: np.random.Generator) -> str:
    """Mistype one word: leave a letter out, write it twice, or exchange two neighbours.

    Args:
        text: a sentence; one without a long enough word of Latin letters, as in Japanese, stays as it is.
        rng: source of the draws.
    """
    words = list(re.finditer(rf"[A-Za-z]{{{SHORTEST},}}", text))
    if not words:
        return text
    word = words[int(rng.integers(len(words)))]
    at = word.start() + int(rng.integers(len(word.group()) - 1))
    first, second = text[at], text[at + 1]
    mistyped = (second, first + first + second, second + first)[int(rng.integers(3))]
    return text[:at] + mistyped + text[at + 2 :]
