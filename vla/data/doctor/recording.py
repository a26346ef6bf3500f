"""What the doctor examines: a dataset cut into demonstrations, and what a fault is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from vla.data.reader import DemonstrationDataset
from vla.data.schema import ACTION, SCENE, STATE, SUCCESS

LISTED = 5
"""Episodes or dimensions named in one finding: more make a line unreadable; the rest is counted."""
GRIPPER_WORDS = ("grip", "jaw", "finger")
"""Parts of the names that datasets give to the dimension that opens and closes the hand."""


@dataclass(frozen=True)
class Finding:
    """A fault of a dataset.

    Attributes:
        kind: which fault, e.g. "time_shift".
        where: the episodes, frames, camera or dimensions that have it.
        found: what was measured, beside the threshold.
        do: what to do next.
    """

    kind: str
    where: str
    found: str
    do: str


@dataclass(frozen=True)
class Recording:
    """A dataset cut into demonstrations; E of them with T steps in all, N frames, A and S dimensions.

    Stills and moments are no demonstrations: nothing follows them.

    Args:
        dataset: what is examined.
    """

    dataset: DemonstrationDataset

    @property
    def actions(self) -> np.ndarray:
        """float32[N, A], the labels."""
        return self.dataset.actions

    @property
    def states(self) -> np.ndarray:
        """float32[N, S], in the robot's units."""
        return self.dataset.states

    @cached_property
    def action_names(self) -> list[str]:
        """A names, e.g. ["dx", ...]."""
        return _names(self.dataset.info["features"][ACTION], self.actions.shape[1], "a")

    @cached_property
    def state_names(self) -> list[str]:
        """S names, e.g. ["x", ...]."""
        return _names(self.dataset.info["features"][STATE], self.states.shape[1], "s")

    @cached_property
    def grippers(self) -> list[tuple[int, int]]:
        """Dimensions of action and state that are a gripper, by their names; a pair for each hand."""
        found = [
            [place for place, name in enumerate(names) if any(word in name.lower() for word in GRIPPER_WORDS)]
            for names in (self.action_names, self.state_names)
        ]
        return list(zip(*found, strict=False))

    @cached_property
    def records_success(self) -> bool:
        """Whether the frames say if the task was done."""
        return SUCCESS in self.dataset.info["features"]

    @cached_property
    def first_frames(self) -> np.ndarray:
        """int64[E + moments], where a demonstration begins or a moment lies."""
        frames = np.arange(len(self.dataset))
        return frames[(self.dataset.episode_starts == frames) & ~self.dataset.is_still]

    @cached_property
    def starts(self) -> np.ndarray:
        """int64[E], first frame of each demonstration."""
        return self.first_frames[~self.dataset.is_moment[self.first_frames]]

    @cached_property
    def ends(self) -> np.ndarray:
        """int64[E], one past the last frame of each demonstration."""
        return self.dataset.episode_ends[self.starts]

    @property
    def lengths(self) -> np.ndarray:
        """int64[E], frames of each demonstration."""
        return self.ends - self.starts

    @cached_property
    def is_demonstration(self) -> np.ndarray:
        """bool[N], frames of demonstrations."""
        return ~self.dataset.is_still & ~self.dataset.is_moment

    @cached_property
    def is_finite(self) -> np.ndarray:
        """bool[N], frames whose action and state are numbers throughout."""
        return np.isfinite(self.actions).all(axis=1) & np.isfinite(self.states).all(axis=1)

    @cached_property
    def steps(self) -> np.ndarray:
        """int64[T], frames of demonstrations that another one follows, with another state."""
        inside = self.is_demonstration[:-1] & (
            self.dataset.episode_starts[1:] == self.dataset.episode_starts[:-1]
        )
        usable = inside & self.is_finite[:-1] & self.is_finite[1:]
        return np.flatnonzero(usable & (self.states[1:] != self.states[:-1]).any(axis=1))

    @cached_property
    def changes(self) -> np.ndarray:
        """float64[T, S], how far the state moves from each step to the next frame."""
        return self.states[self.steps + 1].astype(np.float64) - self.states[self.steps]

    @cached_property
    def tasks(self) -> list[str]:
        """E names of tasks, as far as the dataset's scenes tell; "" otherwise."""
        return [str(self.scene(frame).get("task", "")) for frame in self.starts.tolist()]

    def scene(self, frame: int) -> dict[str, Any]:
        """The true scene at a frame; empty where the dataset records none, or of another form."""
        if SCENE not in self.dataset.info["features"]:
            return {}
        try:
            scene = self.dataset.scene(frame)
        except ValueError:
            return {}
        return scene if isinstance(scene, dict) else {}

    def episodes(self, frames: np.ndarray) -> str:
        """The episodes of some frames in words, e.g. "episodes 3, 7"."""
        numbers = np.unique(self.dataset.episode_index[frames]).tolist()
        return f"episode{'s' * (len(numbers) > 1)} {listed(numbers)}"


def listed(items: Sequence[Any]) -> str:
    """A few items in words, the rest counted."""
    more = f" and {len(items) - LISTED} more" if len(items) > LISTED else ""
    return ", ".join(map(str, items[:LISTED])) + more


def _names(feature: Mapping[str, Any], count: int, letter: str) -> list[str]:
    """A vector's names, a list or a mapping of one list; where there are none, `letter` and the place."""
    names = feature.get("names")
    if isinstance(names, Mapping):
        names = next(iter(names.values()), None) if len(names) == 1 else list(names)
    if isinstance(names, Sequence) and not isinstance(names, str) and len(names) == count:
        return [str(name) for name in names]
    return [f"{letter}{place}" for place in range(count)]
