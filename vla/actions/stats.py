"""Quantile scaling of actions and states to [-1, 1], and its inverse.

The statistics travel inside the model's config.json: a policy without them moves wrongly without an error.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vla.errors import DataError

MIN_RANGE = 1e-6  # a dimension with q99 - q01 below this never moved; it cannot be scaled


@dataclass(frozen=True, eq=False)
class Quantiles:
    """The 1 % and 99 % quantiles of each dimension, which become -1 and +1.

    Attributes:
        q01: float32[D], in the data's own unit.
        q99: float32[D], at least q01.
    """

    q01: NDArray[np.float32]
    q99: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Copy to read-only float32 and refuse what cannot scale anything."""
        for name in ("q01", "q99"):
            array = np.array(getattr(self, name), dtype=np.float32)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        if self.q01.ndim != 1 or self.q01.size == 0 or self.q01.shape != self.q99.shape:
            raise DataError(f"q01 has shape {self.q01.shape} and q99 {self.q99.shape}; both must be [D]")
        if not (np.isfinite(self.q01).all() and np.isfinite(self.q99).all()):
            raise DataError("statistics hold values that are not finite; collect the data again")
        if (self.q99 < self.q01).any():
            raise DataError(f"q99 is below q01 in dimension {int(np.argmax(self.q99 < self.q01))}")

    def __eq__(self, other: object) -> bool:
        """Compare by value."""
        if not isinstance(other, Quantiles):
            return NotImplemented
        return np.array_equal(self.q01, other.q01) and np.array_equal(self.q99, other.q99)

    def __hash__(self) -> int:
        """Hash by value."""
        return hash((self.q01.tobytes(), self.q99.tobytes()))

    @classmethod
    def fit(cls, samples: ArrayLike) -> "Quantiles":
        """Measure the quantiles of a dataset.

        Args:
            samples: float[N, D], in the data's own unit.

        Returns:
            The quantiles over N.

        Raises:
            DataError: there are no samples, or some are not finite.
        """
        array = np.asarray(samples, dtype=np.float64)
        if array.ndim != 2 or array.size == 0:
            raise DataError(f"samples have shape {array.shape}; needed is [N, D] with N and D at least 1")
        if not np.isfinite(array).all():
            raise DataError("samples hold values that are not finite; statistics cannot be taken from them")
        q01, q99 = np.quantile(array, [0.01, 0.99], axis=0)
        return cls(q01.astype(np.float32), q99.astype(np.float32))

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Quantiles":
        """Read what ``to_dict`` wrote; other keys, such as mean and std, are left aside.

        Args:
            values: a mapping with "q01" and "q99", each a list of D numbers.

        Returns:
            The same quantiles, bit for bit.

        Raises:
            DataError: a key is missing or is not a list of numbers.
        """
        missing = [key for key in ("q01", "q99") if key not in values]
        if missing:
            held = ", ".join(values) or "nothing"
            raise DataError(f"statistics lack {' and '.join(missing)}; they hold {held}")
        try:
            return cls(np.asarray(values["q01"], np.float32), np.asarray(values["q99"], np.float32))
        except (TypeError, ValueError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(f"q01 and q99 must be lists of numbers: {error}") from error

    def to_dict(self) -> dict[str, list[float]]:
        """Give plain lists for JSON; ``from_dict`` restores them bit for bit."""
        return {"q01": self.q01.tolist(), "q99": self.q99.tolist()}

    @property
    def dim(self) -> int:
        """D, the number of dimensions."""
        return int(self.q01.size)

    @property
    def constant(self) -> NDArray[np.bool_]:
        """bool[D], True where the data never moved: these normalise to 0 and come back as q01."""
        return self._range < MIN_RANGE

    def normalise(self, values: ArrayLike) -> NDArray[np.float32]:
        """Scale q01..q99 to -1..1 and clip.

        Args:
            values: float[..., D], in the data's own unit.

        Returns:
            float32[..., D] in [-1, 1], unitless; 0 in constant dimensions.

        Raises:
            DataError: the last dimension is not D.
        """
        array = self._checked(values)
        scale = np.where(self.constant, 1.0, self._range)
        scaled = np.clip((array - self.q01) / scale * 2.0 - 1.0, -1.0, 1.0)
        return np.where(self.constant, 0.0, scaled).astype(np.float32)

    def denormalise(self, values: ArrayLike) -> NDArray[np.float32]:
        """Undo ``normalise``.

        Args:
            values: float[..., D] in [-1, 1], unitless.

        Returns:
            float32[..., D], in the data's own unit; exactly q01 in constant dimensions.

        Raises:
            DataError: the last dimension is not D.
        """
        array = self._checked(values)
        restored = (array + 1.0) / 2.0 * self._range + self.q01
        return np.where(self.constant, self.q01, restored).astype(np.float32)

    @property
    def _range(self) -> NDArray[np.float64]:
        return self.q99.astype(np.float64) - self.q01.astype(np.float64)

    def _checked(self, values: ArrayLike) -> NDArray[np.float64]:
        array = np.asarray(values, dtype=np.float64)
        if array.ndim == 0 or array.shape[-1] != self.dim:
            raise DataError(f"values have shape {array.shape}; the statistics are for {self.dim} dimensions")
        return array
