"""Faults of actions and states: numbers, units, bounds, dead dimensions, a shift in time, the gripper."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from vla.data.doctor.motion import (
    MIN_STEPS,
    Motion,
    lagged,
    measure_motion,
    responses,
    shift_in_words,
    standardised,
)
from vla.data.doctor.recording import Finding, Recording, listed

OUTSIDE = 1.1
"""Largest size of a normalised action; a rounding or an overshoot stays below."""
EXTREME = 0.995
"""Quantile that stands for the largest size, so that one glitch is no unit."""
TINY, OWN_UNIT = 0.3, (0.5, 2.0)
"""Actions below the one that move the state by about as much as they say are in metres or radians."""
BOUND_SHARE = 0.05
"""Share of values exactly at the bounds from which on they are asked about; fast experts have 0.4."""
CLIPPED, SPREAD = 1.2, 4.0
"""How much further than its value explains an action at the bound moves; at full speed it is 0.97 to 1.01.
The second is added, divided by the root of the number of steps inside: noise and detours in few steps."""
MIN_RESPONSES = 20
"""Steps that a median needs."""
DEAD = 1e-4
"""Range below which an action never varies."""
TRAVELS, OFTEN, MOVES = 2.0, (3, 0.2), 0.05
"""A state dimension is driven if three episodes and a fifth of all move it by twice a usual step, for jitter
returns and a knock is rare, and on average by a twentieth of what moves most; in ours a third do at least."""
WRONG_SIGN = -0.3
"""Correlation of the gripper's command and what its opening is next; right ones have 0.9, wrong ones -0.9."""
GRIPPER_FRAMES = 4
"""Frames within which a gripper has followed its command."""
LATE = 0.2
"""Part of a gripper's motion after these frames that a constant command does not explain."""


def action_faults(recording: Recording) -> Iterator[Finding]:
    """Examine actions and states."""
    motion = measure_motion(recording)
    yield from _not_finite(recording)
    yield from _unnormalised(recording, motion)
    yield from _clipped(recording, motion)
    yield from _dead(recording)
    yield from _shifted(recording, motion)
    yield from _gripper_sign(recording)


def _not_finite(recording: Recording) -> Iterator[Finding]:
    for key, values in (("action", recording.actions), ("observation.state", recording.states)):
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if len(bad):
            yield Finding(
                "not_finite",
                f"{key}, {recording.episodes(bad)}",
                f"{len(bad)} frames hold values that are not a number or infinite, the first is frame "
                f"{bad[0]}; allowed are none",
                "leave these frames or their episodes out: one of them makes the loss not a number",
            )


def _unnormalised(recording: Recording, motion: Motion) -> Iterator[Finding]:
    acting = recording.actions[~recording.dataset.is_still & recording.is_finite]
    if not len(acting):
        return
    sizes = np.quantile(np.abs(acting), EXTREME, axis=0)
    names = recording.action_names
    large = np.flatnonzero(sizes > OUTSIDE).tolist()
    if large:
        yield Finding(
            "unnormalised_actions",
            f"action dimensions {listed([names[place] for place in large])}",
            f"they reach {listed([f'{sizes[place]:.3g}' for place in large])}; allowed is {OUTSIDE}",
            "divide each dimension by the largest step that the robot is asked for (degrees and joint "
            "angles, too), so that actions lie in [-1, 1], and note the scale beside the data",
        )
    gains = {}
    for pair in motion.pairs:
        inner, _, _ = responses(recording, pair, motion.lag)
        if len(inner) >= MIN_RESPONSES and not pair.is_target:
            gains[pair.action] = float(np.median(np.abs(inner)))
    own = [place for place, gain in gains.items() if sizes[place] < TINY and OWN_UNIT[0] < gain < OWN_UNIT[1]]
    if own:
        yield Finding(
            "unnormalised_actions",
            f"action dimensions {listed([names[place] for place in own])}",
            f"they reach only {listed([f'{sizes[place]:.3g}' for place in own])}, and the state moves by "
            f"{listed([f'{gains[place]:.2g}' for place in own])} times as much: the state's own unit, such "
            f"as metres; normalised actions reach {TINY} or move it by another factor than {OWN_UNIT[0]} to "
            f"{OWN_UNIT[1]}",
            "divide each dimension by the largest step that the robot is asked for, so that full speed is 1",
        )


def _clipped(recording: Recording, motion: Motion) -> Iterator[Finding]:
    """A saturated action moves the state as far as its value says, a clipped one further."""
    clipped = []
    for pair in motion.pairs:
        inner, bound, share = responses(recording, pair, motion.lag)
        if pair.is_target or share < BOUND_SHARE or min(len(inner), len(bound)) < MIN_RESPONSES:
            continue
        further = float(np.median(bound) / np.median(inner)) if np.median(inner) else 0.0
        allowed = CLIPPED + SPREAD / np.sqrt(len(inner))
        if further > allowed:
            clipped.append((recording.action_names[pair.action], share, further, allowed))
    if clipped:
        names, shares, ratios, limits = zip(*clipped, strict=True)
        yield Finding(
            "clipped_actions",
            f"action dimensions {listed(names)}",
            f"{listed([f'{share:.0%}' for share in shares])} of the values lie exactly at a bound, where "
            f"the state moves {listed([f'{ratio:.1f}' for ratio in ratios])} times as far as the action "
            f"explains; allowed is {listed([f'{limit:.1f}' for limit in limits])}",
            "scale the actions by their largest value before they are stored instead of cutting them off; "
            "what was cut off can be had again from the states",
        )


def _dead(recording: Recording) -> Iterator[Finding]:
    starts, ends = recording.starts, recording.ends
    finite = recording.is_finite & recording.is_demonstration
    whole = recording.is_finite[starts] & recording.is_finite[ends - 1]
    if not whole.any() or not len(recording.steps):
        return
    travels = recording.states[ends[whole] - 1].astype(np.float64) - recording.states[starts[whole]]
    travel, step = (np.sqrt(np.square(moves).mean(axis=0)) for moves in (travels, recording.changes))
    often = (np.abs(travels) > TRAVELS * step).sum(axis=0)
    is_driven = (often >= max(OFTEN[0], OFTEN[1] * len(travels))) & (travel > MOVES * travel.max())
    late = recording.steps - recording.dataset.episode_starts[recording.steps] >= GRIPPER_FRAMES
    for _, gripper in recording.grippers:  # a constant command moves it too, but only when an episode begins
        moves = np.abs(recording.changes[:, gripper])
        is_driven[gripper] &= moves[late].sum() > LATE * moves.sum()
    dead = np.ptp(recording.actions[finite], axis=0) < DEAD
    for action in np.flatnonzero(dead).tolist():
        state = _driven_by(recording, action)
        if state is not None and is_driven[state]:
            yield Finding(
                "dead_dimension",
                f"action dimension {recording.action_names[action]}",
                f"it is {recording.actions[finite][0, action]:.3g} in all {finite.sum()} frames, while "
                f"{often[state]} of {len(travels)} episodes move state {recording.state_names[state]} by "
                f"more than {TRAVELS:g} usual steps; allowed is {OFTEN[1]:.0%}",
                "record the command of this dimension, or write in the change of the state: a policy "
                "learns never to move it",
            )


def _driven_by(recording: Recording, action: int) -> int | None:
    """The state dimension that an action drives, by its name, else by its place; None if unknown."""
    name = recording.action_names[action]
    for candidate in (name, name.removeprefix("delta_"), name.removeprefix("d")):
        if candidate in recording.state_names:
            return recording.state_names.index(candidate)
    return action if recording.actions.shape[1] == recording.states.shape[1] else None


def _shifted(recording: Recording, motion: Motion) -> Iterator[Finding]:
    if motion.lag == 0:
        return
    found, remedy = shift_in_words(motion.lag)
    names = [recording.action_names[pair.action] for pair in motion.pairs]
    best, unshifted = (motion.scores[motion.lags == lag][0] for lag in (motion.lag, 0))
    yield Finding(
        "time_shift",
        f"actions against states, dimensions {listed(names)}",
        f"the actions are {found}: the state's change correlates with the action at lag {motion.lag:+d} by "
        f"{best:.2f}, at lag 0 by {unshifted:.2f}; allowed is {motion.margin:.2f} more",
        f"move the actions {remedy} inside each episode: frame t needs what was seen at t and what was "
        "commanded next",
    )


def _gripper_sign(recording: Recording) -> Iterator[Finding]:
    for action, state in recording.grippers:
        scores = []
        for lag in range(1, GRIPPER_FRAMES + 1):
            inside, frames = lagged(recording, lag)
            usable = recording.is_finite[frames]
            if usable.sum() >= MIN_STEPS:
                command = standardised(
                    recording.actions[recording.steps[inside][usable], action].astype(np.float64)
                )
                opening = standardised(recording.states[frames[usable], state].astype(np.float64))
                scores.append(float(np.mean(command * opening)))
        score = max(scores, key=abs, default=0.0)
        if score < WRONG_SIGN:
            yield Finding(
                "gripper_sign",
                f"action dimension {recording.action_names[action]}, state {recording.state_names[state]}",
                f"command and opening correlate by {score:.2f}; allowed is {WRONG_SIGN} and more",
                "turn the sign of one of them, so that larger means more open in both (-1 closed, +1 "
                "open): a policy trained on this opens its hand where it should close",
            )
