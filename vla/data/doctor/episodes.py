"""Faults of whole episodes: their lengths, copies, failures, and the clock."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np

from vla.data.doctor.recording import Finding, Recording

SHORT, SHORTER = 2, 3
"""Frames of an episode that shows nothing. One that is known to succeed may be as short if one in ten of its
task is shorter than three times as long: a hand may start next to what it shall reach."""
MIN_GROUP = 5
"""Episodes of a task that its usual length can be told from."""
LONG, LONGER = 5.0, 25
"""An outlier takes five times as long as nine of ten of its task, and 25 frames longer: an expert that
has to try again takes four times."""
PILED, PILED_SHARE, PILED_FRAMES, NEAR = 3, 0.2, 10, 0.9
"""A time limit ends at least three episodes and a fifth of a task's at its one longest length, of ten frames
or more, and three times as many as have between nine tenths of it and it."""
JITTER, JUMP = 0.1, 0.5
"""Of a frame's period: how wrong the usual step may be, and how far a single one may lie from it."""


def episode_faults(recording: Recording) -> Iterator[Finding]:
    """Examine the episodes as wholes."""
    if len(recording.starts):
        yield from _short(recording)
        yield from _long(recording)
        yield from _timeouts(recording)
        yield from _duplicated(recording)
        yield from _failed(recording)
    yield from _clock(recording)


def _succeeds(recording: Recording) -> np.ndarray:
    """bool[E], demonstrations that are recorded to end in success."""
    if not recording.records_success:
        return np.zeros(len(recording.starts), bool)
    return recording.dataset.succeeds[recording.starts].astype(bool)


def _groups(recording: Recording) -> Iterator[tuple[str, np.ndarray]]:
    """Each task's demonstrations, int64[...]; all of them where tasks are not recorded."""
    names, number = np.unique(recording.tasks, return_inverse=True)
    for place, name in enumerate(names.tolist()):
        yield name, np.flatnonzero(number == place)


def _short(recording: Recording) -> Iterator[Finding]:
    lengths = recording.lengths
    usual = np.zeros(len(lengths))
    for _, group in _groups(recording):
        usual[group] = np.quantile(lengths[group], 0.1, method="higher")
    short = (lengths <= SHORT) & (~_succeeds(recording) | (lengths * SHORTER < usual))
    if short.any():
        yield Finding(
            "episode_lengths",
            recording.episodes(recording.starts[short]),
            f"{short.sum()} of {len(short)} episodes have at most {lengths[short].max()} frames, nine of "
            f"ten of their task {np.median(usual[short]):g} and more; allowed are {SHORT + 1} and more",
            "leave them out: recording was stopped as soon as it began, or began with the task done",
        )


def _long(recording: Recording) -> Iterator[Finding]:
    for name, group in _groups(recording):
        lengths = recording.lengths[group]
        most = np.quantile(lengths, 0.9, method="lower")
        long = (lengths > LONG * most) & (lengths > most + LONGER)
        if len(group) >= MIN_GROUP and long.any():
            yield Finding(
                "episode_lengths",
                recording.episodes(recording.starts[group[long]]) + (name and f", task {name}"),
                f"{long.sum()} of {len(group)} episodes have up to {lengths.max()} frames, nine of ten at "
                f"most {most}; allowed is {LONG:g} times as many",
                "look at them: cut off what follows the end of the task, or leave them out",
            )


def _timeouts(recording: Recording) -> Iterator[Finding]:
    unproven = ~_succeeds(recording)
    for name, group in _groups(recording):
        lengths = recording.lengths[group]
        longest = lengths.max()
        piled = (lengths == longest) & unproven[group]
        least = max(
            PILED, PILED_SHARE * len(group), 3 * ((lengths < longest) & (lengths > NEAR * longest)).sum()
        )
        if longest >= PILED_FRAMES and piled.sum() >= least:
            yield Finding(
                "episode_lengths",
                recording.episodes(recording.starts[group[piled]]) + (name and f", task {name}"),
                f"{piled.sum()} of {len(group)} episodes have exactly {longest} frames, the most of all, "
                f"and no success is recorded; allowed is {PILED_SHARE:.0%}",
                "look at how they end: what was stopped by a time limit has failed, and is no demonstration",
            )


def _duplicated(recording: Recording) -> Iterator[Finding]:
    first: dict[bytes, int] = {}
    copies = []
    for start, end in zip(recording.starts.tolist(), recording.ends.tolist(), strict=True):
        content = recording.actions[start:end].tobytes() + recording.states[start:end].tobytes()
        original = first.setdefault(hashlib.sha256(content).digest(), start)
        if original != start:
            copies.append((original, start))
    if copies:
        originals, repeats = np.array(copies).T
        yield Finding(
            "duplicated_episodes",
            recording.episodes(repeats),
            f"{len(copies)} of {len(recording.starts)} episodes repeat the actions and states of an earlier "
            f"one to the bit, as of {recording.episodes(originals)}; allowed are none",
            "leave the copies out: they count twice in training, and those held out are no longer unseen",
        )


def _failed(recording: Recording) -> Iterator[Finding]:
    failed = ~_succeeds(recording)
    if recording.records_success and failed.any():
        yield Finding(
            "failed_episodes",
            recording.episodes(recording.starts[failed]),
            f"{failed.sum()} of {len(failed)} episodes do not end in next.success; allowed are none",
            "leave them out, for a policy learns to fail from them; if next.success was never filled in, "
            "leave that column out",
        )


def _clock(recording: Recording) -> Iterator[Finding]:
    dataset = recording.dataset
    if "timestamp" not in dataset.info["features"]:
        return
    same = np.flatnonzero(np.diff(dataset.episode_index) == 0)
    if not len(same):
        return
    fps = float(dataset.info.get("fps") or 0)
    times = np.diff(dataset.column("timestamp")[:, 0].astype(np.float64))[same]
    usual = float(np.median(times))
    if abs(usual * fps - 1.0) > JITTER:
        yield Finding(
            "timestamps",
            "all episodes",
            f"meta/info.json says {fps:g} frames a second, the timestamps {1 / usual if usual else 0:.3g}; "
            f"allowed is a difference of {JITTER:.0%}",
            "correct fps, or the timestamps: actions are played at the rate of the recording",
        )
    skips = (np.diff(dataset.frame_index)[same] != 1) | ~(np.abs(times - usual) <= JUMP * abs(usual))
    if skips.any():
        frames = same[skips]
        yield Finding(
            "timestamps",
            f"{recording.episodes(frames)}, after frame {frames[0]} of the dataset",
            f"time or frame_index jumps {len(frames)} times, once by {np.max(np.abs(times[skips])):.3g} s "
            f"where {usual:.3g} s is usual; allowed is a step within {JUMP:.0%} of it",
            "frames were lost: divide these episodes there, or leave them out",
        )
