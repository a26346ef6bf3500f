import difflib

import numpy as np
import pytest

from vla.text.typos import mistype


def test_one_long_word_is_mistyped() -> None:
    text = "put the red block in the green bowl"
    found = {mistype(text, np.random.default_rng(seed)) for seed in range(200)}
    assert {"put the red blok in the green bowl", "put the red blcok in the green bowl"} <= found
    assert "put the red bblock in the green bowl" in found
    for wrong in found:
        old, new = text.split(), wrong.split()
        assert len(old) == len(new)
        changed = [(a, b) for a, b in zip(old, new, strict=True) if a != b]
        assert len(changed) <= 1  # two equal letters may be exchanged
        for before, after in changed:
            assert len(before) >= 4
            assert difflib.SequenceMatcher(None, before, after).ratio() > 0.7


@pytest.mark.parametrize("text", ["赤いブロックを持ち上げて", "go up", ""])
def test_what_has_no_long_latin_word_stays(text: str) -> None:
    assert mistype(text, np.random.default_rng(0)) == text


def test_a_mistake_follows_from_the_seed() -> None:
    once, again = (mistype("pick up the yellow cylinder", np.random.default_rng(5)) for _ in range(2))
    assert once == again
