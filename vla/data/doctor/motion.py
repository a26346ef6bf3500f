"""How the states of a recording follow its actions: which dimension, when and how far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vla.data.doctor.recording import Recording

MIN_STEPS = 50
"""Steps that a correlation needs: of 30, chance alone gives 0.5 among as many dimensions and lags."""
MAX_LAG = 5
"""Frames of shift that are tried: a second at 5 fps, and more than a camera or a bus delays."""
FOLLOWS = 0.5
"""Correlation from which on a state dimension follows an action; ours have 0.75 and more."""
LAG_MARGIN = 0.1
"""How much better a shift must explain the motion than none, and one standard error more: in ours a shift of
one frame makes 0.4."""
INNER = (0.1, 0.95)
"""Part of the bound within which actions tell how far one moves: below it noise does, above it the bound."""


@dataclass(frozen=True)
class Pair:
    """A state dimension that follows an action dimension.

    Attributes:
        action, state: the dimensions.
        is_target: whether the action is where to be, rather than how far to move.
        scores: float64[L], correlation of the command and the state's change at each lag; of a move its size,
            of a target 0 where it goes the other way.
    """

    action: int
    state: int
    is_target: bool
    scores: np.ndarray


@dataclass(frozen=True)
class Motion:
    """How the states of a recording follow its actions.

    Attributes:
        lags: int64[L] in frames; at lag k a change of state is explained by the action k frames later.
        steps: number of steps that a correlation is of.
        pairs: what follows what, grippers left out; empty where nothing does.
    """

    lags: np.ndarray
    steps: int
    pairs: list[Pair]

    @property
    def scores(self) -> np.ndarray:
        """float64[L], mean correlation over the pairs."""
        return np.mean([pair.scores for pair in self.pairs], axis=0)

    @property
    def margin(self) -> float:
        """How much better than lag 0 another one must be."""
        return LAG_MARGIN + float(1 / np.sqrt(self.steps))

    @property
    def lag(self) -> int:
        """Frames by which the actions are late; 0 unless another lag is clearly better."""
        if not self.pairs:
            return 0
        scores = self.scores
        best = int(np.argmax(scores))
        clearly = scores[best] > scores[self.lags == 0][0] + self.margin
        return int(self.lags[best]) if clearly else 0


def lagged(recording: Recording, lag: int) -> tuple[np.ndarray, np.ndarray]:
    """Which steps have a frame `lag` later in their demonstration.

    Returns:
        bool[T] of the steps, and int64[that many] the frames.
    """
    dataset, steps = recording.dataset, recording.steps
    frames = steps + lag
    inside = (frames >= dataset.episode_starts[steps]) & (frames < dataset.episode_ends[steps])
    return inside, frames[inside]


def measure_motion(recording: Recording) -> Motion:
    """Find the state dimension that follows each action dimension, and when.

    An action is how far to move, or where to be; of the latter the increments are compared. These must go the
    state's way: where what is executed is not what is recorded but noisier, the next label goes against it.
    """
    increments = np.full(recording.actions.shape, np.nan)
    later = np.flatnonzero(recording.dataset.episode_starts < np.arange(len(recording.dataset)))
    with np.errstate(invalid="ignore"):  # infinite values are a fault of their own
        increments[later] = recording.actions[later].astype(np.float64) - recording.actions[later - 1]
    commands = (recording.actions.astype(np.float64), increments)
    lags, tables = [], []
    for lag in range(-MAX_LAG, MAX_LAG + 1):
        inside, frames = lagged(recording, lag)
        if inside.sum() >= MIN_STEPS:
            lags.append(lag)
            changes = recording.changes[inside]
            moves, targets = (_correlations(command[frames], changes) for command in commands)
            tables.append([np.abs(moves), np.maximum(targets, 0.0)])
    if 0 not in lags:
        return Motion(np.array([0]), 1, [])
    scores = np.array(tables)  # [L, 2, A, S]
    grippers = [action for action, _ in recording.grippers]
    pairs = []
    for action in set(range(scores.shape[2])) - set(grippers):
        best = np.unravel_index(np.argmax(scores[:, :, action]), scores[:, :, action].shape)
        if scores[:, :, action][best] >= FOLLOWS:
            _, kind, state = map(int, best)
            pairs.append(Pair(action, state, kind == 1, scores[:, kind, action, state]))
    return Motion(np.array(lags), len(recording.steps), pairs)


def _correlations(commands: np.ndarray, changes: np.ndarray) -> np.ndarray:
    """Correlation of float64[T, A] and float64[T, S] as float64[A, S]; 0 of what never varies."""
    usable = np.isfinite(commands).all(axis=1)
    if usable.sum() < MIN_STEPS:
        return np.zeros((commands.shape[1], changes.shape[1]))
    left, right = (standardised(values[usable]) for values in (commands, changes))
    correlations: np.ndarray = left.T @ right / len(left)
    return correlations


def standardised(values: np.ndarray) -> np.ndarray:
    """Columns of float64[T, D] with mean 0 and standard deviation 1; 0 of what never varies."""
    centred = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.where(spread > 1e-9, centred / np.maximum(spread, 1e-9), 0.0)


def shift_in_words(lag: int) -> tuple[str, str]:
    """What a shift is and what undoes it, e.g. "2 frames late" and "2 frames earlier"."""
    frames = f"{abs(lag)} frame{'s' * (abs(lag) > 1)}"
    return (f"{frames} late", f"{frames} earlier") if lag > 0 else (f"{frames} early", f"{frames} later")


def responses(recording: Recording, pair: Pair, lag: int) -> tuple[np.ndarray, np.ndarray, float]:
    """How far the state moves for an action of 1.

    Returns:
        Of the steps whose action is clearly inside its bounds, float64[...]; of those exactly at a bound,
        float64[...]; and the share of the latter among all steps.
    """
    inside, frames = lagged(recording, lag)
    finite = recording.is_finite[frames]
    actions = recording.actions[frames[finite], pair.action].astype(np.float64)
    changes = recording.changes[inside, pair.state][finite]
    sizes = np.abs(actions) / np.abs(actions).max()
    is_bound = (actions == actions.min()) | (actions == actions.max())
    is_inner = ~is_bound & (sizes > INNER[0]) & (sizes < INNER[1])
    is_bound &= sizes > INNER[0]
    ratios = changes / np.where(actions == 0, 1.0, actions)
    return ratios[is_inner], ratios[is_bound], float(is_bound.mean())
