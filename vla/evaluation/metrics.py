"""Rates with their uncertainty, and errors of places."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054  # 97.5 % quantile of the standard normal: two-sided 95 %


def wilson_interval(successes: int, trials: int) -> tuple[float, float]:
    """95 % interval of a probability (Wilson, 1927), which holds for few trials and rates near 1 too.

    Args:
        successes: of the trials, 0 to trials.
        trials: at least 1.

    Returns:
        Lower and upper bound, each in [0, 1].
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ValueError(f"{successes} successes of {trials} trials make no rate")
    rate, spread = successes / trials, Z_95**2 / trials
    centre = (rate + spread / 2) / (1 + spread)
    half = Z_95 / (1 + spread) * math.sqrt(rate * (1 - rate) / trials + spread / (4 * trials))
    # At 0 and at all successes one bound is exact; rounding would leave it a hair inside.
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == trials else min(1.0, centre + half)
    return low, high


@dataclass(frozen=True)
class Rate:
    """How often something came true.

    Attributes:
        successes: of the trials.
        trials: how many there were.
    """

    successes: int
    trials: int

    @classmethod
    def of(cls, outcomes: Sequence[bool]) -> "Rate":
        """Count the true ones."""
        return cls(sum(outcomes), len(outcomes))

    @property
    def value(self) -> float:
        """Share in [0, 1]."""
        return self.successes / self.trials

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the share."""
        return wilson_interval(self.successes, self.trials)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{100 * self.value:.0f} % [{100 * low:.0f}, {100 * high:.0f}]"


def distance_cm(found: tuple[float, float], true: tuple[float, float]) -> float:
    """Distance of two places (x, y) given in metres, in centimetres."""
    return 100 * math.dist(found, true)


def expected_calibration_error(confidence: Sequence[float], correct: Sequence[bool], bins: int = 15) -> float:
    """Mean distance of confidence and accuracy over equal bins of confidence (arXiv:1706.04599), 0..1."""
    sure, right = np.asarray(confidence, dtype=np.float64), np.asarray(correct, dtype=np.float64)
    place = np.minimum((sure * bins).astype(int), bins - 1)
    gaps = np.bincount(place, sure - right, minlength=bins)
    return float(np.abs(gaps).sum() / max(len(sure), 1))


def risk_coverage(confidence: Sequence[float], correct: Sequence[bool]) -> list[tuple[float, float]]:
    """(share answered, share of those wrong) as ever less sure answers are given, N points."""
    order = np.argsort(-np.asarray(confidence, dtype=np.float64), kind="stable")
    wrong = np.cumsum(~np.asarray(correct, dtype=bool)[order])
    answered = np.arange(1, len(order) + 1)
    return list(zip((answered / max(len(order), 1)).tolist(), (wrong / answered).tolist(), strict=True))
