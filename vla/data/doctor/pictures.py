"""Faults of pictures: blank, over-exposed, frozen, out of step with the state."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vla.data.doctor.motion import Motion, lagged, measure_motion, shift_in_words
from vla.data.doctor.recording import Finding, Recording

MOST_PICTURES = 20_000
"""Pictures of a camera that are looked at, in whole episodes: 10 seconds at 96 pixels."""
FLAT = 2.0
"""Standard deviation of pixels, of 255, below which a picture shows nothing; ours have 15 and more."""
DARK, BRIGHT, EXPOSED = 8, 250, 0.95
"""Levels of a pixel's colours, of 255, and share of pixels below or above them in a picture that shows too
little; ours have 0.13, a white or black background behind everything leaves 0.9."""
STILL_SHARE = 0.25
"""Of a state dimension's spread: moves of less may not show at few pixels."""
FROZEN = (3, 5)
"""Moves in a row that no pixel shows: five, or all of an episode's from three on. A wrist camera that carries
something over a plain table shows the same picture twice or thrice."""
REPEATED_SHARE = 0.05
"""Share of demonstrations' frames that repeat all of the one before; ours never do."""
EXPLAINED, PICTURE_MARGIN, MIN_MOVES = 0.6, 0.15, 100
"""Correlation of motion and change of picture that a shift needs, how much better than none it is, and moves
that it needs: a fixed camera has 0.65 to 0.8 without a shift, chance 0.5 over 70 moves of a wrist camera."""


@dataclass(frozen=True)
class Seen:
    """What the pictures of one camera are like; P of them.

    Attributes:
        frames: int64[P].
        spreads: float64[P], standard deviation over pixels and colours, of 255.
        dark, bright: float64[P], share of pixels.
        changes: float64[P], mean difference to the next picture of the episode, of 255; NaN if there is none.
    """

    frames: np.ndarray
    spreads: np.ndarray
    dark: np.ndarray
    bright: np.ndarray
    changes: np.ndarray


def picture_faults(recording: Recording) -> Iterator[Finding]:
    """Examine the pictures of every camera."""
    frames = looked_at(recording)
    motion = measure_motion(recording)
    cameras = {camera: look(recording, camera, frames) for camera in recording.dataset.cameras}
    for camera, seen in cameras.items():
        yield from _blank(recording, camera, seen)
        yield from _frozen(recording, camera, seen)
        yield from _shifted(recording, motion, camera, seen)
    if cameras:
        yield from _repeated(recording, np.max([seen.changes for seen in cameras.values()], axis=0), frames)


def looked_at(recording: Recording) -> np.ndarray:
    """The frames whose pictures are examined, int64[P]: every episode, or evenly spaced ones."""
    _, episode = np.unique(recording.dataset.episode_index, return_inverse=True)
    return np.flatnonzero(episode % -(-len(episode) // MOST_PICTURES) == 0)


def look(recording: Recording, camera: str, frames: np.ndarray) -> Seen:
    """Open some pictures of a camera one after the other."""
    episodes = recording.dataset.episode_index
    measures = np.full((len(frames), 4), np.nan)
    before, last = np.zeros((0, 0, 3), np.int16), -1
    for row, frame in enumerate(frames.tolist()):
        picture = recording.dataset.image(frame, camera).astype(np.int16)
        dark, bright = (picture.max(axis=2) < DARK).mean(), (picture.min(axis=2) > BRIGHT).mean()
        measures[row, :3] = picture.std(), dark, bright
        if frame == last + 1 and row and episodes[frame] == episodes[last]:
            measures[row - 1, 3] = np.abs(picture - before).mean()
        before, last = picture, frame
    return Seen(frames, *measures.T)


def _blank(recording: Recording, camera: str, seen: Seen) -> Iterator[Finding]:
    share = f"more than {EXPOSED:.0%} of the pixels"
    for what, bad in (
        (f"one colour (standard deviation of the pixels below {FLAT:g} of 255)", seen.spreads < FLAT),
        (f"dark ({share} below {DARK} of 255)", seen.dark > EXPOSED),
        (f"over-exposed ({share} above {BRIGHT} of 255)", seen.bright > EXPOSED),
    ):
        if bad.any():
            yield Finding(
                "blank_pictures",
                f"camera {camera}, {recording.episodes(seen.frames[bad])}",
                f"{bad.sum()} of {len(bad)} pictures are {what}; allowed are none",
                "leave these episodes out, and look at the camera's lens, light and cable",
            )
            return


def _frozen(recording: Recording, camera: str, seen: Seen) -> Iterator[Finding]:
    known = recording.is_finite & ~recording.dataset.is_still
    pairs = np.isfinite(seen.changes) & known[seen.frames]
    pairs[pairs] = known[seen.frames[pairs] + 1]
    frames = seen.frames[pairs]
    if not len(frames):
        return
    spread = recording.states[known].astype(np.float64).std(axis=0)
    moves = np.abs(recording.states[frames + 1].astype(np.float64) - recording.states[frames])
    is_moving = (moves > STILL_SHARE * np.maximum(spread, 1e-9)).any(axis=1)
    is_same = seen.changes[pairs] == 0
    _, episode = np.unique(recording.dataset.episode_index[frames], return_inverse=True)
    run = np.cumsum(~is_same | (np.diff(frames, prepend=-1) != 1))
    in_row = np.bincount(run[is_same & is_moving], minlength=run[-1] + 1)[run]
    of_all = np.bincount(episode[is_moving], minlength=episode[-1] + 1)[episode]
    is_frozen = is_same & (in_row >= np.clip(of_all, *FROZEN))
    if is_frozen.any():
        bad = frames[is_frozen]
        yield Finding(
            "frozen_camera",
            f"camera {camera}, {recording.episodes(bad)}, from frame {bad[0]} of the dataset on",
            f"the picture stays the same to the bit in up to {in_row.max()} moves of the state in a row; "
            f"allowed is less than {FROZEN[1]}",
            "leave these episodes out; find out why the camera stops (a full buffer, a dropped stream)",
        )


def _repeated(recording: Recording, changes: np.ndarray, frames: np.ndarray) -> Iterator[Finding]:
    inside = np.isfinite(changes) & recording.is_demonstration[frames]
    frames = frames[inside]
    if not len(frames):
        return
    states = recording.states
    repeated = frames[(changes[inside] == 0) & (states[frames + 1] == states[frames]).all(axis=1)]
    if len(repeated) > REPEATED_SHARE * len(frames):
        yield Finding(
            "duplicated_frames",
            recording.episodes(repeated),
            f"{len(repeated)} of {len(frames)} frames repeat in the next one, every picture and the state "
            f"to the bit; allowed is {REPEATED_SHARE:.0%}",
            "leave the copies out, or the frames in which the robot waits, and correct fps: a policy that "
            "learns them stands still",
        )


def _shifted(recording: Recording, motion: Motion, camera: str, seen: Seen) -> Iterator[Finding]:
    """The picture changes most where the state moves most, at the same time."""
    states = sorted({pair.state for pair in motion.pairs})
    if not states:
        return
    changes = np.full(len(recording.dataset), np.nan)
    changes[seen.frames] = seen.changes
    moves = np.abs(recording.changes[:, states])
    scores = {}
    for lag in motion.lags.tolist():
        inside, frames = lagged(recording, lag)
        scores[lag] = _explained(changes[frames], moves[inside])
    best = max(scores, key=lambda lag: scores[lag])
    if best and scores[best] > max(EXPLAINED, scores[0] + PICTURE_MARGIN):
        found, remedy = shift_in_words(best)
        yield Finding(
            "time_shift",
            f"camera {camera} against states",
            f"the pictures are {found}: their change goes with the state's at lag {best:+d} by "
            f"{scores[best]:.2f}, at lag 0 by {scores[0]:.2f}; allowed is {PICTURE_MARGIN} more",
            f"move the pictures {remedy} inside each episode, or stamp pictures and states by one clock",
        )


def _explained(changes: np.ndarray, moves: np.ndarray) -> float:
    """Multiple correlation of float64[T] and float64[T, D] without the part of chance; 0 of too few."""
    usable = np.isfinite(changes)
    count = int(usable.sum())
    if count < MIN_MOVES or np.ptp(changes[usable]) == 0:
        return 0.0
    design = np.column_stack([np.ones(count), moves[usable]])
    target = changes[usable] - changes[usable].mean()
    rest = target - design @ np.linalg.lstsq(design, target, rcond=None)[0]
    unexplained = rest @ rest / (count - design.shape[1]) / (target @ target / (count - 1))
    return float(np.sqrt(max(0.0, 1.0 - unexplained)))
