from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from vla.actions import BinTokenizer
from vla.errors import ActionTokenError

TOKENIZER = BinTokenizer()
ROUNDING = 1e-6  # centres are float32

unit_arrays = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3), elements=st.floats(-1, 1))
actions = hnp.arrays(np.float64, st.tuples(st.integers(1, 12), st.just(7)), elements=st.floats(-1, 1))


@given(unit_arrays, st.integers(2, 1024))
def test_value_comes_back_within_half_a_bin(values: NDArray[np.float64], num_bins: int) -> None:
    tokenizer = BinTokenizer(num_bins)
    restored = tokenizer.decode(tokenizer.encode(values))
    assert restored.shape == values.shape
    assert np.abs(restored - values).max() <= 1 / num_bins + ROUNDING


@pytest.mark.parametrize("num_bins", [2, 255, 256])
def test_every_bin_comes_back_exactly(num_bins: int) -> None:
    tokenizer = BinTokenizer(num_bins)
    bins = np.arange(num_bins)
    np.testing.assert_array_equal(tokenizer.encode(tokenizer.decode(bins)), bins)


def test_256_bins_have_257_uniform_edges() -> None:
    edges = np.linspace(-1, 1, 257)
    np.testing.assert_array_equal(TOKENIZER.encode(edges), [*range(256), 255])
    np.testing.assert_array_equal(TOKENIZER.encode(edges[1:] - 1e-9), range(256))
    np.testing.assert_allclose(TOKENIZER.decode(range(256)), (edges[1:] + edges[:-1]) / 2, atol=ROUNDING)


@given(st.lists(st.floats(-1, 1), min_size=2))
def test_order_is_kept(values: list[float]) -> None:
    assert (np.diff(TOKENIZER.encode(sorted(values))) >= 0).all()


@pytest.mark.parametrize(("value", "expected"), [(-np.inf, 0), (-1.5, 0), (1.5, 255), (np.inf, 255)])
def test_values_outside_are_clipped(value: float, expected: int) -> None:
    assert TOKENIZER.encode(value) == expected


def test_types_are_the_promised_ones() -> None:
    assert TOKENIZER.encode(np.zeros(3, np.float32)).dtype == np.int64
    assert TOKENIZER.decode([1, 2]).dtype == np.float32


def test_nan_is_refused() -> None:
    with pytest.raises(ActionTokenError, match="NaN"):
        TOKENIZER.encode([0.0, np.nan])


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ([256], "256 lies outside 0..255"),
        ([3, -1], "-1 lies outside"),
        ([0.5], "float64"),
        (["3"], "integers"),
    ],
)
def test_bins_that_are_none_are_refused(bins: Any, message: str) -> None:
    with pytest.raises(ActionTokenError, match=message):
        TOKENIZER.decode(bins)


def test_one_bin_is_too_few() -> None:
    with pytest.raises(ActionTokenError, match="at least 2"):
        BinTokenizer(1)


@given(actions, st.data())
def test_chunk_comes_back(values: NDArray[np.float64], data: st.DataObject) -> None:
    terminate = data.draw(hnp.arrays(np.bool_, len(values)))
    bins = TOKENIZER.chunk_to_bins(values, terminate)
    assert bins.shape == (len(values) * 8,)
    restored, restored_terminate = TOKENIZER.bins_to_chunk(bins)
    assert np.abs(restored - values).max() <= 1 / 256 + ROUNDING
    np.testing.assert_array_equal(restored_terminate, terminate)
    np.testing.assert_array_equal(TOKENIZER.chunk_to_bins(restored, restored_terminate), bins)


def test_chunk_is_written_as_rt2_writes_it() -> None:
    bins = TOKENIZER.chunk_to_bins([[-1, -0.5, 0, 0.5, 1, 0, 1], [0] * 7], [False, True])
    assert bins.tolist() == [0, 0, 64, 128, 192, 255, 128, 255, 255, *[128] * 7]


@given(st.lists(st.integers(-2, 257), max_size=24))
def test_malformed_chunk_raises_and_never_becomes_an_action(bins: list[int]) -> None:
    well_formed = (
        len(bins) > 0
        and len(bins) % 8 == 0
        and all(0 <= value < 256 for value in bins)
        and set(bins[::8]) <= {0, 255}
    )
    if well_formed:
        TOKENIZER.bins_to_chunk(np.array(bins))
    else:
        with pytest.raises(ActionTokenError):
            TOKENIZER.bins_to_chunk(np.array(bins, dtype=np.int64))


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        ([0] * 7, "do not divide"),
        ([], "do not divide"),
        ([[0] * 8], "do not divide"),
        ([1, *[0] * 7], "terminate is bin 1; it is 0"),
        ([*[0] * 8, 254, *[0] * 7], "terminate is bin 254"),
    ],
)
def test_malformed_chunk_is_explained(bins: Any, message: str) -> None:
    with pytest.raises(ActionTokenError, match=message):
        TOKENIZER.bins_to_chunk(np.array(bins, dtype=np.int64))


@pytest.mark.parametrize(("shape", "length"), [((2, 0), 2), ((7,), 1), ((2, 7), 3)])
def test_chunk_of_another_shape_is_refused(shape: tuple[int, ...], length: int) -> None:
    with pytest.raises(ActionTokenError, match="shape"):
        TOKENIZER.chunk_to_bins(np.zeros(shape), np.zeros(length, bool))
