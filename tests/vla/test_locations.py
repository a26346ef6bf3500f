import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla.actions.locations import bins_to_location, location_text, location_to_bins
from vla.errors import ActionTokenError

RANGE = ((0.30, 0.70), (-0.30, 0.30))
HALF_BIN = (0.4 / 512, 0.6 / 512)  # m


@given(st.floats(0.30, 0.70), st.floats(-0.30, 0.30))
def test_a_location_comes_back_within_half_a_bin(x: float, y: float) -> None:
    found = bins_to_location(location_to_bins((x, y), RANGE), RANGE)
    assert abs(found[0] - x) <= HALF_BIN[0] + 1e-7
    assert abs(found[1] - y) <= HALF_BIN[1] + 1e-7


@given(st.tuples(st.integers(0, 255), st.integers(0, 255)))
def test_bins_come_back_exactly(bins: tuple[int, int]) -> None:
    assert location_to_bins(bins_to_location(bins, RANGE), RANGE).tolist() == list(bins)


@pytest.mark.parametrize(
    ("point", "bins"),
    [((0.30, -0.30), [0, 0]), ((0.70, 0.30), [255, 255]), ((0.5, 0.0), [128, 128]), ((-9.0, 9.0), [0, 255])],
)
def test_corners_and_places_off_the_table(point: tuple[float, float], bins: list[int]) -> None:
    assert location_to_bins(point, RANGE).tolist() == bins


def test_x_and_y_have_ranges_of_their_own() -> None:
    x, y = bins_to_location(np.array([0, 255]), RANGE)
    assert x == pytest.approx(0.30 + HALF_BIN[0])
    assert y == pytest.approx(0.30 - HALF_BIN[1])


def test_a_bin_outside_the_range_is_refused() -> None:
    with pytest.raises(ActionTokenError, match="256"):
        bins_to_location([3, 256], RANGE)


def test_a_location_is_written_to_a_millimetre() -> None:
    assert location_text((0.4, -0.12345)) == "x=0.400 m, y=-0.123 m"
