"""Playing chunks: of the H actions decided at once, the first k are executed before the next decision."""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from vla.errors import ConfigError
from vla.types import ActionChunk

DECISIONS_TO_END = 2
"""Decisions in a row that begin with `terminate` and end an episode; one alone is often noise."""


class ChunkPlayer:
    """Plays the chunks of one episode.

    Args:
        execute: actions k of each chunk that are played; a chunk of fewer is played whole.

    Raises:
        ConfigError: k is below 1.
    """

    def __init__(self, execute: int) -> None:
        if execute < 1:
            raise ConfigError(f"{execute} actions of a chunk cannot be executed; give at least 1")
        self._execute = execute
        self._queue: deque[NDArray[np.float32]] = deque()
        self._terminating = 0

    @property
    def needs_chunk(self) -> bool:
        """Whether every action has been played."""
        return not self._queue

    @property
    def ended(self) -> bool:
        """Whether the policy has said often enough that it is done."""
        return self._terminating >= DECISIONS_TO_END

    def add(self, chunk: ActionChunk) -> None:
        """Take the next decision; what is left of the last one is dropped."""
        self._queue = deque(chunk.actions[: self._execute])
        self._terminating = self._terminating + 1 if chunk.terminate[0] else 0

    def next(self) -> NDArray[np.float32]:
        """Take the next action, float32[7] in [-1, 1]."""
        return self._queue.popleft()


def check_execute(execute: int, action_horizon: int) -> None:
    """Refuse to play more actions of a chunk than it has.

    Raises:
        ConfigError: k is not in 1..H.
    """
    if not 1 <= execute <= action_horizon:
        raise ConfigError(
            f"--execute is {execute}; this policy decides {action_horizon} actions at once, "
            f"so give 1 to {action_horizon}"
        )
