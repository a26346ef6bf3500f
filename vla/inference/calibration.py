"""How probably an answer is right, and when "I don't know" is the better one.

What a model makes of an answer is no share of right answers. Its log-odds, divided by a temperature and moved
by an offset, are: one pair for each kind of answer, fitted on scenes that it did not learn from (Platt, 1999;
Guo et al., arXiv:1706.04599).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vla.text.prompt import language_of
from vla.types import Answer

UNKNOWN = {"en": "i don't know", "ja": "わかりません"}
"""What the model is taught to say, in each language, of what a picture does not tell."""
YES, NO = ("yes", "はい"), ("no", "いいえ")
TARGET_ACCURACY = 0.95
"""Of the answers that are not held back, on the scenes that the threshold is chosen on."""
EDGE = 1e-6
"""Likelihoods are kept so far from 0 and 1."""
TEMPERATURES = np.geomspace(0.25, 8.0, 51)
OFFSETS = np.linspace(-5.0, 5.0, 101)


def kind_of(answer: Answer) -> str:
    """Kind of an answer: unknown, yes or no, a place, words with places in them, or words alone."""
    if answer.text in UNKNOWN.values():
        return "unknown"
    if answer.text in (*YES, *NO):
        return "yes or no"
    if answer.point is not None:
        return "place"
    return "inventory" if answer.places else "words"


@dataclass(frozen=True)
class Calibration:
    """From likelihoods to probabilities of being right.

    Attributes:
        scales: kind of answer -> temperature and offset; one that is missing is left as it is.
        threshold: an answer that is less probably right than this is held back.
    """

    scales: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    threshold: float = 0.0

    @classmethod
    def from_dict(cls, values: Mapping[str, Any] | None) -> Calibration:
        """As `as_dict` wrote it; None is no calibration."""
        if values is None:
            return cls()
        scales = {kind: (float(pair[0]), float(pair[1])) for kind, pair in values["scales"].items()}
        return cls(scales, float(values["threshold"]))

    def as_dict(self) -> dict[str, Any]:
        """Plain data for config.json."""
        return {
            "scales": {kind: list(pair) for kind, pair in self.scales.items()},
            "threshold": self.threshold,
        }

    def confidence(self, answer: Answer) -> float:
        """Probability that an answer is right, from its likelihood."""
        if kind_of(answer) not in self.scales:
            return answer.likelihood
        temperature, offset = self.scales[kind_of(answer)]
        return float(_sigmoid(_log_odds(answer.likelihood) / temperature + offset))

    def trusts(self, answer: Answer) -> bool:
        """Whether an answer need not be held back."""
        return answer.confidence >= self.threshold or kind_of(answer) == "unknown"

    def hold_back(self, answer: Answer, question: str) -> Answer:
        """The answer, or "I don't know" in the question's language if it is too probably wrong."""
        if self.trusts(answer):
            return answer
        return replace(answer, text=UNKNOWN[language_of(question)], point=None, places=(), guess=answer.text)


def fit(answers: Sequence[Answer], correct: Sequence[bool]) -> Calibration:
    """Fit a temperature and an offset to each kind of answer, then choose the threshold.

    Args:
        answers: N of them, to questions about scenes that were not learned from.
        correct: N, whether each is right.
    """
    kinds = np.array([kind_of(answer) for answer in answers])
    odds = _log_odds([answer.likelihood for answer in answers])
    right = np.array(correct)
    scales = {}
    for kind in sorted(set(kinds.tolist())):
        scales[kind] = _fit_scale(odds[kinds == kind], right[kinds == kind])
    fitted = Calibration(scales)
    confidence = np.array([fitted.confidence(answer) for answer in answers])
    asked = kinds != "unknown"  # which cannot be held back any further
    return Calibration(scales, choose_threshold(confidence[asked], right[asked]))


def choose_threshold(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The lowest confidence above which TARGET_ACCURACY is reached; if it never is, the highest one."""
    if not len(confidence):
        return 0.0
    order = np.argsort(-confidence, kind="stable")
    accuracy = np.cumsum(correct[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(accuracy >= TARGET_ACCURACY)
    if len(enough) and enough[-1] == len(order) - 1:
        return 0.0
    return round(float(confidence[order[enough[-1] if len(enough) else 0]]), 4)


def _fit_scale(odds: NDArray[np.float64], correct: NDArray[np.bool_]) -> tuple[float, float]:
    """Temperature and offset of the grid under which N answers, right or wrong, are most probable."""
    losses = np.empty((len(TEMPERATURES), len(OFFSETS)))
    sign = np.where(correct, -1.0, 1.0)
    for row, temperature in enumerate(TEMPERATURES):
        moved = odds[:, None] / temperature + OFFSETS
        losses[row] = np.logaddexp(0.0, sign[:, None] * moved).sum(axis=0)
    best = np.unravel_index(losses.argmin(), losses.shape)
    return round(float(TEMPERATURES[best[0]]), 4), round(float(OFFSETS[best[1]]), 4)


def _log_odds(likelihood: ArrayLike) -> NDArray[np.float64]:
    chance = np.clip(np.asarray(likelihood, dtype=np.float64), EDGE, 1 - EDGE)
    return np.log(chance / (1 - chance))


def _sigmoid(odds: ArrayLike) -> NDArray[np.float64]:
    return 1 / (1 + np.exp(-np.asarray(odds, dtype=np.float64)))
