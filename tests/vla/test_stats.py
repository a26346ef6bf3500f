import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from vla.actions import Quantiles
from vla.errors import DataError

RANGE = Quantiles(np.array([-2.0, 0.0, 0.5], np.float32), np.array([4.0, 0.25, 0.5], np.float32))

bounds = st.floats(-100, 100, width=32)
ranges = st.integers(1, 8).flatmap(
    lambda dim: st.tuples(
        hnp.arrays(np.float32, dim, elements=bounds), hnp.arrays(np.float32, dim, elements=bounds)
    )
)


def quantiles(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> Quantiles:
    return Quantiles(np.minimum(*pair), np.maximum(*pair))


@given(ranges, st.data())
def test_values_in_range_come_back(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]], data: st.DataObject
) -> None:
    scaling = quantiles(pair)
    shares = data.draw(hnp.arrays(np.float64, (3, scaling.dim), elements=st.floats(0, 1)))
    values = scaling.q01 + shares * (scaling.q99.astype(np.float64) - scaling.q01)
    normalised = scaling.normalise(values)
    assert normalised.dtype == np.float32
    assert np.abs(normalised).max() <= 1
    np.testing.assert_allclose(scaling.denormalise(normalised), values, atol=2e-5)


@given(ranges, st.data())
def test_normalised_values_come_back(
    pair: tuple[NDArray[np.float32], NDArray[np.float32]], data: st.DataObject
) -> None:
    scaling = quantiles(pair)
    wide = (scaling.q99 - scaling.q01) > 1e-2  # narrower ranges are below float32's resolution at 100
    normalised = data.draw(hnp.arrays(np.float32, (3, scaling.dim), elements=st.floats(-1, 1, width=32)))
    restored = scaling.normalise(scaling.denormalise(normalised))
    np.testing.assert_allclose(restored[:, wide], normalised[:, wide], atol=2e-3)
    assert (restored[:, scaling.constant] == 0).all()


def test_quantiles_become_minus_one_and_one() -> None:
    np.testing.assert_array_equal(RANGE.normalise([RANGE.q01, RANGE.q99]), [[-1, -1, 0], [1, 1, 0]])
    np.testing.assert_array_equal(RANGE.denormalise([[-1, -1, -1], [1, 1, 1]]), [RANGE.q01, RANGE.q99])


def test_values_outside_are_clipped() -> None:
    np.testing.assert_array_equal(RANGE.normalise([-50, 50, 50]), [-1, 1, 0])


def test_constant_dimension_is_zero_and_comes_back_exactly() -> None:
    np.testing.assert_array_equal(RANGE.constant, [False, False, True])
    np.testing.assert_array_equal(RANGE.denormalise(RANGE.normalise([1, 0.1, 7]))[2], np.float32(0.5))
    np.testing.assert_array_equal(RANGE.denormalise([0.3, 0.3, 0.3])[2], np.float32(0.5))


@given(ranges)
def test_json_round_trip_is_exact(pair: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    scaling = quantiles(pair)
    restored = Quantiles.from_dict(json.loads(json.dumps(scaling.to_dict())))
    assert restored == scaling
    assert hash(restored) == hash(scaling)


def test_equality_is_by_value() -> None:
    assert Quantiles(RANGE.q01, RANGE.q99) == RANGE
    assert Quantiles(RANGE.q01, RANGE.q99 + 1) != RANGE
    assert RANGE != "statistics"


def test_fit_takes_the_quantiles_of_each_dimension() -> None:
    samples = np.stack([np.linspace(0, 100, 10_001), np.full(10_001, 3.0)], axis=1)
    scaling = Quantiles.fit(samples)
    np.testing.assert_allclose(scaling.q01, [1, 3])
    np.testing.assert_allclose(scaling.q99, [99, 3])
    assert scaling.dim == 2


def test_arrays_cannot_be_changed() -> None:
    source = np.zeros(2, np.float32)
    scaling = Quantiles(source, np.ones(2, np.float32))
    source[0] = 9
    assert scaling.q01[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        scaling.q99[0] = 9


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({}, "lack q01 and q99; they hold nothing"),
        ({"mean": [0], "q01": [0]}, "lack q99; they hold mean, q01"),
        ({"q01": ["a"], "q99": [1]}, "lists of numbers"),
        ({"q01": None, "q99": [1]}, "shape"),
        ({"q01": [0, 0], "q99": [1]}, "shape"),
        ({"q01": [], "q99": []}, "shape"),
        ({"q01": [float("nan")], "q99": [1]}, "not finite"),
        ({"q01": [0, 2], "q99": [1, 1]}, "q99 is below q01 in dimension 1"),
    ],
)
def test_statistics_that_cannot_scale_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Quantiles.from_dict(values)


@pytest.mark.parametrize("samples", [np.zeros((0, 3)), np.zeros(3), [[np.nan]], [[np.inf]]])
def test_samples_without_quantiles_are_refused(samples: Any) -> None:
    with pytest.raises(DataError):
        Quantiles.fit(samples)


def test_values_of_another_size_are_refused() -> None:
    for scale in (RANGE.normalise, RANGE.denormalise):
        with pytest.raises(DataError, match="3 dimensions"):
            scale(np.zeros((2, 4)))
