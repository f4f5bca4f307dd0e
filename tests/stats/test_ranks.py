"""What follows from the order of values keeps what it promises."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.stats import hodges_lehmann, holm, percentile, smallest_sample_for, wilcoxon_p

differences = st.lists(st.floats(-10.0, 10.0), min_size=1, max_size=30).map(np.array)
p_values = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20).map(np.array)

# Centre


@given(differences, st.floats(-10.0, 10.0))
def test_centre_moves_with_the_values(values: np.ndarray, shift: float) -> None:
    """Adding a constant to every value adds it to the centre, and turning the signs turns the centre's."""
    centre = hodges_lehmann(values)
    assert pytest.approx(centre + shift, abs=1e-9) == hodges_lehmann(values + shift)
    assert pytest.approx(-centre, abs=1e-9) == hodges_lehmann(-values)


@given(differences)
def test_centre_of_a_mirrored_sample(values: np.ndarray) -> None:
    """A sample beside its own mirror image has its centre at the mirror."""
    assert pytest.approx(0, abs=1e-9) == hodges_lehmann(np.concatenate([values, -values]))


def test_centre_by_hand() -> None:
    """Of 1, 2 and 6 the means of two are 1, 1.5, 2, 3.5, 4 and 6; their median is 2.75."""
    assert hodges_lehmann(np.array([6.0, 1.0, 2.0])) == 2.75


def test_one_wild_value_does_not_move_the_centre_far() -> None:
    """A single launch that took a thousand times as long moves the centre by less than the spread of the rest."""
    calm = np.random.default_rng(1).normal(0, 1, 10)
    wild = np.append(calm[:-1], 1_000.0)
    assert abs(hodges_lehmann(wild) - hodges_lehmann(calm)) < 1
    assert wild.mean() > 90


# Signed ranks


@pytest.mark.parametrize(("count", "smallest"), [(5, 0.0625), (6, 0.03125), (10, 2 / 1024)])
def test_smallest_p_of_signed_ranks(count: int, smallest: float) -> None:
    """Values that all have one sign give 2^(1-n): five cannot say "different" at 5 %, six can."""
    assert smallest == wilcoxon_p(np.arange(1.0, count + 1))


@pytest.mark.filterwarnings("error")
def test_no_difference_at_all() -> None:
    """Nothing but zeros says nothing, without a warning; zeros beside values do no harm."""
    assert wilcoxon_p(np.zeros(5)) == 1.0
    assert 0 < wilcoxon_p(np.array([0.0, 0.0, 1.0, 2.0])) < 1


# Families of tests


def test_holm_by_hand() -> None:
    """The smallest of three p counts three times, the next twice and the last once, and none falls below another."""
    assert pytest.approx(holm(np.array([0.02, 0.01, 0.04]))) == [0.04, 0.03, 0.04]
    assert pytest.approx(holm(np.array([0.02, 0.021, 0.03]))) == [0.06, 0.06, 0.06]


@given(p_values)
def test_holm_only_raises(values: np.ndarray) -> None:
    """An adjusted p is at least the raw one, at most 1 and at most Bonferroni's, and order is kept."""
    adjusted = holm(values)
    assert np.all(values <= adjusted)
    assert np.all(adjusted <= np.minimum(1, len(values) * values))
    assert np.all(np.diff(adjusted[np.argsort(values)]) >= 0)


@given(p_values, st.randoms(use_true_random=False))
def test_holm_ignores_the_order_of_tests(values: np.ndarray, random: object) -> None:
    """Each test keeps its adjusted p wherever it stands in the family."""
    order = np.array(random.sample(range(len(values)), len(values)))  # type: ignore[attr-defined]
    assert holm(values)[order].tolist() == holm(values[order]).tolist()


def test_holm_of_one_and_of_none() -> None:
    """A test that stands alone is not adjusted, and a family may be empty."""
    assert holm(np.array([0.03])).tolist() == [0.03]
    assert holm(np.array([])).tolist() == []


# Percentiles


@pytest.mark.parametrize(("quantile", "expected"), [(0.5, 6), (0.9, 36), (0.99, 368), (0.999, 3688)])
def test_smallest_sample(quantile: float, expected: int) -> None:
    """The well-known sizes: six values for a median, 3,688 for the 99.9th percentile."""
    assert expected == smallest_sample_for(quantile)


@given(st.floats(0.01, 0.999), st.floats(0.5, 0.999))
def test_smallest_sample_is_the_smallest(quantile: float, confidence: float) -> None:
    """With that many values each extreme misses the quantile rarely enough; with one fewer it does not."""
    size = smallest_sample_for(quantile, confidence=confidence)
    tail, bound = max(quantile, 1 - quantile), (1 - confidence) / 2
    assert tail**size <= bound * (1 + 1e-9)
    assert tail ** (size - 1) > bound * (1 - 1e-9)


def test_percentile_needs_enough_values() -> None:
    """No 99th percentile is claimed from fewer than 368 values; from that many it is the sample's."""
    values = np.arange(1, 369)
    assert percentile(values[:-1], 0.99) is None
    assert pytest.approx(1 + 0.99 * 367) == percentile(values, 0.99)
