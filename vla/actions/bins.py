"""Continuous values as one of 256 bins, and action chunks as the string of bins that RT-2 writes.

An action of our arm is ``terminate dx dy dz droll dpitch dyaw gripper``: 8 bins; of other robots it may be
more or fewer. N bins have N + 1 uniform edges over [-1, 1], so a value comes back within half a bin.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vla.errors import ActionTokenError

NUM_BINS = 256
ACTION_DIM = 7
TOKENS_PER_ACTION = 1 + ACTION_DIM  # terminate comes first


@dataclass(frozen=True)
class BinTokenizer:
    """Uniform bins over [-1, 1].

    Attributes:
        num_bins: how many, at least 2. Bin 0 starts at -1 and bin ``num_bins - 1`` ends at 1.

    Reference: RT-2, arXiv:2307.15818.
    """

    num_bins: int = NUM_BINS

    def __post_init__(self) -> None:
        """Refuse fewer than two bins: nothing could be told apart."""
        if self.num_bins < 2:
            raise ActionTokenError(f"num_bins is {self.num_bins}; at least 2 bins are needed")

    def encode(self, values: ArrayLike) -> NDArray[np.int64]:
        """Find the bin of each value.

        Args:
            values: float[...], unitless; what lies outside [-1, 1] is clipped to it.

        Returns:
            int64[...] in [0, num_bins).

        Raises:
            ActionTokenError: a value is not a number.
        """
        array = np.asarray(values, dtype=np.float64)
        if np.isnan(array).any():
            raise ActionTokenError("a value to encode is NaN; values must be numbers, scaled to [-1, 1]")
        bins = np.floor((np.clip(array, -1.0, 1.0) + 1.0) * (self.num_bins / 2))
        return np.minimum(bins, self.num_bins - 1).astype(np.int64)  # 1.0 is the closed end of the last bin

    def decode(self, bins: ArrayLike) -> NDArray[np.float32]:
        """Give the centre of each bin.

        Args:
            bins: int[...], each in [0, num_bins).

        Returns:
            float32[...] in (-1, 1), unitless.

        Raises:
            ActionTokenError: a bin lies outside the range, or is not an integer.
        """
        array = self._checked(bins)
        return ((array + 0.5) * (2.0 / self.num_bins) - 1.0).astype(np.float32)

    def chunk_to_bins(self, actions: ArrayLike, terminate: ArrayLike) -> NDArray[np.int64]:
        """Write a chunk of actions as bins.

        Args:
            actions: float[H, A], scaled to [-1, 1].
            terminate: bool[H], True where the task is done.

        Returns:
            int64[H * (1 + A)]: per action terminate (first bin = no, last bin = yes), then its values.

        Raises:
            ActionTokenError: the shapes are others, or a value is not a number.
        """
        values = np.asarray(actions, dtype=np.float64)
        done = np.asarray(terminate, dtype=np.bool_)
        if values.ndim != 2 or values.size == 0 or done.shape != values.shape[:1]:
            raise ActionTokenError(
                f"actions have shape {values.shape} and terminate {done.shape}; needed are [H, A] and [H]"
            )
        rows = np.empty((len(values), 1 + values.shape[1]), dtype=np.int64)
        rows[:, 0] = np.where(done, self.num_bins - 1, 0)
        rows[:, 1:] = self.encode(values)
        return rows.reshape(-1)

    def bins_to_chunk(
        self, bins: ArrayLike, action_dim: int = ACTION_DIM
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Read a chunk of actions from its bins.

        Args:
            bins: int[H * (1 + A)], as ``chunk_to_bins`` writes them.
            action_dim: numbers A of an action.

        Returns:
            Actions float32[H, A] in (-1, 1), and terminate bool[H].

        Raises:
            ActionTokenError: the length is no multiple of 1 + A, a bin lies outside the range, or terminate
                is neither the first nor the last bin. A malformed sequence never becomes an action.
        """
        array = self._checked(bins)
        if array.ndim != 1 or array.size == 0 or array.size % (1 + action_dim):
            raise ActionTokenError(
                f"{array.shape} bins do not divide into actions of {1 + action_dim} "
                f"(terminate and {action_dim} numbers, such as dx dy dz droll dpitch dyaw gripper)"
            )
        rows = array.reshape(-1, 1 + action_dim)  # [H, 1 + A]
        flags = rows[:, 0]
        wrong = flags[(flags != 0) & (flags != self.num_bins - 1)]
        if wrong.size:
            raise ActionTokenError(
                f"terminate is bin {wrong[0]}; it is 0 (go on) or {self.num_bins - 1} (the task is done)"
            )
        return self.decode(rows[:, 1:]), flags == self.num_bins - 1

    def _checked(self, bins: ArrayLike) -> NDArray[np.int64]:
        array = np.asarray(bins)
        if array.size and not np.issubdtype(array.dtype, np.integer):
            raise ActionTokenError(f"bins have dtype {array.dtype}; they must be integers")
        outside = array[(array < 0) | (array >= self.num_bins)]
        if outside.size:
            raise ActionTokenError(f"bin {outside.flat[0]} lies outside 0..{self.num_bins - 1}")
        return array.astype(np.int64)
