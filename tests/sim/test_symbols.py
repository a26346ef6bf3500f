"""Symbols: every one of its own, legible in few pixels, and refused if unknown."""

from itertools import combinations

import numpy as np
import pytest

from sim.errors import SimError
from sim.symbols import EMERGENT_SYMBOLS, SYMBOLS, symbol_image


def test_names():
    assert len(set(SYMBOLS)) == len(SYMBOLS) == 24
    assert set(EMERGENT_SYMBOLS) < set(SYMBOLS)
    with pytest.raises(SimError, match=r"unknown symbol 'stra'.*'star'"):
        symbol_image("stra")


@pytest.mark.parametrize("name", SYMBOLS)
def test_a_symbol_fills_its_card(name):
    image = symbol_image(name)
    assert image.shape == (64, 64) and image.dtype == np.uint8 and not image.flags.writeable
    rows, columns = np.nonzero(image > 127)
    assert np.ptp(rows) > 48 and np.ptp(columns) > 36
    assert 0.15 < image.mean() / 255 < 0.6


def test_symbols_differ_in_few_pixels():
    """On a card of 12 x 9 pixels: a sixth of the ink of any two is not common to both."""
    small = {name: symbol_image(name, 36).reshape(9, 4, 12, 3).mean(axis=(1, 3)) for name in SYMBOLS}
    for (first, one), (second, other) in combinations(small.items(), 2):
        assert np.abs(one - other).sum() > 1 / 6 * (one + other).sum(), (first, second)
