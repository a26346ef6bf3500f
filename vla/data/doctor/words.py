"""Faults of what is said: one instruction for everything, and colours that give the place away."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from vla.data.doctor.recording import Finding, Recording, listed

MIN_TOLD = 3
"""Demonstrations or moments from which on they should differ in their instruction."""
MOST_SCENES = 2_000
"""Scenes, evenly spaced, whose colours and places are compared."""
MIN_PLACES = 8
"""Places that are compared, each with others of its task."""
PERMUTATIONS = 999
"""Random orders that must all explain less: a chance of one in a thousand."""
EXPLAINED = 0.1
"""Share of the variance of places that a colour may explain beyond chance; in ours it is below 0.03."""
COLOUR = re.compile(
    r"\b(?:red|green|blue|yellow|purple|violet|orange|pink|cyan|brown|black|white|gr[ea]y)\b"
    r"|赤|緑|青|黄|紫|オレンジ|ピンク|水色|茶|黒|白|灰"
)
"""Colour words of English and Japanese, for datasets without true scenes."""


@dataclass(frozen=True)
class Places:
    """Where things are that are named by a colour; P of them, in D dimensions.

    Attributes:
        colours: P names.
        groups: P names of tasks; a colour is compared with others of the same task.
        places: float64[P, D].
        names: D names of dimensions.
        where: what the places are of.
    """

    colours: list[str]
    groups: list[str]
    places: np.ndarray
    names: list[str]
    where: str


def word_faults(recording: Recording) -> Iterator[Finding]:
    """Examine instructions and colours."""
    yield from _one_instruction(recording)
    yield from _colours(recording)


def _one_instruction(recording: Recording) -> Iterator[Finding]:
    frames = recording.first_frames.tolist()
    told = {recording.dataset.instruction(frame) for frame in frames}
    if len(frames) < MIN_TOLD or len(told) > 1:
        return
    objects = len(recording.scene(frames[0]).get("objects", []))
    held = f", while the first scene holds {objects} objects" if objects > 1 else ""
    yield Finding(
        "one_instruction",
        "all episodes",
        f"all {len(frames)} say {told.pop()!r}{held}; needed are 2 instructions",
        "record several tasks or objects, each told in its own words: a policy trained on one sentence "
        "does the same whatever it is told",
    )


def _colours(recording: Recording) -> Iterator[Finding]:
    found = _true_places(recording) or _last_states(recording)
    if found is None:
        return
    share, chance = _explained(found)
    best = int(np.argmax(share))
    beyond = share[best] - chance[:, best].mean()
    if beyond > EXPLAINED and share[best] > chance.max() + 1e-9:
        yield Finding(
            "colour_position",
            f"{found.where}, dimension {found.names[best]}",
            f"the colour explains {share[best]:.0%} of its variance, chance {chance[:, best].mean():.0%}, "
            f"over {len(found.colours)} places of {listed(sorted(set(found.colours)))}; allowed is "
            f"{EXPLAINED:.0%} more",
            "record each colour everywhere: here a policy can go by the word and need not look at the "
            "picture",
        )


def _true_places(recording: Recording) -> Places | None:
    """The targets of demonstrations and moments at their beginning, where scenes are recorded."""
    frames = recording.first_frames
    colours, groups, places = [], [], []
    for frame in frames[:: -(-len(frames) // MOST_SCENES) or 1].tolist():
        scene = recording.scene(frame)
        for item in scene.get("objects", []):
            if item.get("name") == scene.get("target") and {"color", "position"} <= set(item):
                colours.append(str(item["color"]))
                groups.append(str(scene.get("task", "")))
                places.append(item["position"][:2])
    if not places:
        return None
    return Places(colours, groups, np.array(places, np.float64), ["x", "y"], "targets of the scenes")


def _last_states(recording: Recording) -> Places | None:
    """Where demonstrations end, by the last colour in their instruction and its other words."""
    colours, groups, frames = [], [], []
    for frame in (recording.ends - 1).tolist():
        instruction = recording.dataset.instruction(frame).lower()
        named = COLOUR.findall(instruction)
        if named and recording.is_finite[frame]:
            colours.append(named[-1])
            groups.append(COLOUR.sub("_", instruction))
            frames.append(frame)
    if not frames:
        return None
    states = recording.states[frames].astype(np.float64)
    return Places(colours, groups, states, recording.state_names, "last states of the episodes")


def _explained(found: Places) -> tuple[np.ndarray, np.ndarray]:
    """Share of the variance of places, inside their groups, that the colours explain.

    Returns:
        float64[D], and float64[PERMUTATIONS, D] of what colours do that are permuted inside the groups.
    """
    names, colour = np.unique(found.colours, return_inverse=True)
    _, group, sizes = np.unique(found.groups, return_inverse=True, return_counts=True)
    count, dims = found.places.shape
    if len(names) < 2 or (sizes[group] > 1).sum() < MIN_PLACES:
        return np.zeros(dims), np.zeros((1, dims))
    means = np.zeros((len(sizes), dims))
    np.add.at(means, group, found.places)
    centred = found.places - (means / sizes[:, None])[group]
    total = np.maximum(np.square(centred).sum(axis=0), 1e-12)
    belongs = np.eye(len(names))[colour]  # [P, colours]
    number = np.maximum(belongs[sizes[group] > 1].sum(axis=0), 1.0)

    def share(values: np.ndarray) -> np.ndarray:
        return np.asarray((np.square(belongs.T @ values) / number[:, None]).sum(axis=0) / total)

    rng = np.random.default_rng(0)
    by_group = np.argsort(group, kind="stable")
    chance = np.empty((PERMUTATIONS, dims))
    for row in range(PERMUTATIONS):
        shuffled = np.empty_like(centred)
        shuffled[by_group] = centred[np.lexsort((rng.permutation(count), group))]
        chance[row] = share(shuffled)
    return share(centred), chance
