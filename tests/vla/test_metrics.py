import pytest
from hypothesis import given
from hypothesis import strategies as st

from vla.evaluation.metrics import Rate, distance_cm, wilson_interval


def test_interval_agrees_with_published_values() -> None:
    # Newcombe (1998), table I: 81 of 263 and 15 of 148 by Wilson's score without continuity correction.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson_interval(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_interval_holds_the_rate_and_stays_in_range(counts: tuple[int, int]) -> None:
    successes, trials = counts
    low, high = wilson_interval(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert low < high
    mirrored = wilson_interval(trials - successes, trials)
    assert mirrored == pytest.approx((1 - high, 1 - low))


@given(st.integers(1, 500))
def test_more_trials_narrow_the_interval(successes: int) -> None:
    low, high = wilson_interval(successes, 2 * successes)
    low_more, high_more = wilson_interval(2 * successes, 4 * successes)
    assert high_more - low_more < high - low


@pytest.mark.parametrize(("successes", "trials"), [(0, 0), (3, 2), (-1, 4)])
def test_impossible_counts_are_refused(successes: int, trials: int) -> None:
    with pytest.raises(ValueError, match="make no rate"):
        wilson_interval(successes, trials)


def test_a_rate_reads_well() -> None:
    rate = Rate.of([True, True, False, True])
    assert (rate.successes, rate.trials, rate.value) == (3, 4, 0.75)
    assert str(rate) == "75 % [30, 95]"


def test_distance_is_in_centimetres() -> None:
    assert distance_cm((0.50, 0.10), (0.53, 0.06)) == pytest.approx(5.0)
