"""Table positions as two of the 256 bins, so that pointing and moving share a vocabulary."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from vla.actions.bins import BinTokenizer

_BINS = BinTokenizer()


def location_to_bins(point: Sequence[float], location_range: Sequence[Sequence[float]]) -> NDArray[np.int64]:
    """Write a position as bins.

    Args:
        point: (x, y), metres, robot base frame; what lies outside the range is clipped to it.
        location_range: ((x_min, x_max), (y_min, y_max)), metres.

    Returns:
        int64[2] in [0, 256).
    """
    low, high = np.asarray(location_range, dtype=np.float64).T
    return _BINS.encode(2.0 * (np.asarray(point) - low) / (high - low) - 1.0)


def bins_to_location(bins: ArrayLike, location_range: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Read a position from its bins, within half a bin (1.2 mm for a range of 0.6 m).

    Args:
        bins: int64[2] in [0, 256).
        location_range: as for ``location_to_bins``.

    Returns:
        (x, y), metres.

    Raises:
        ActionTokenError: a bin lies outside the range.
    """
    low, high = np.asarray(location_range, dtype=np.float64).T
    x, y = low + (_BINS.decode(bins) + 1.0) / 2.0 * (high - low)
    return float(x), float(y)


def location_text(point: tuple[float, float]) -> str:
    """Write a position (x, y), metres, for people to read."""
    return f"x={point[0]:.3f} m, y={point[1]:.3f} m"
