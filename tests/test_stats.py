"""Intervals and percentiles keep what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from edgefashion.stats import (
    log_interval,
    paired_ratio,
    percentile,
    smallest_sample_for,
    t_interval,
)

SIMULATIONS = 2_000

samples = st.lists(st.floats(0.001, 1_000.0), min_size=2, max_size=50).map(np.array)


def allowed(probability: float) -> tuple[float, float]:
    """How many of the simulations may succeed, with exact binomial bounds that hold but once in a thousand."""
    return binom.ppf([0.0005, 0.9995], SIMULATIONS, probability).tolist()


def test_t_interval_covers_what_it_claims() -> None:
    """At the sample size of a benchmark, the 95 % interval holds the true mean in 95 % of simulated runs."""
    values = np.random.default_rng(1).normal(5.0, 2.0, size=(SIMULATIONS, 10))
    covered = sum(interval.low <= 5.0 <= interval.high for interval in map(t_interval, values))
    low, high = allowed(0.95)
    assert low <= covered <= high


def test_confidence_is_respected() -> None:
    """The 80 % interval holds the true mean in 80 % of simulated runs, at the smallest sample too."""
    values = np.random.default_rng(2).normal(size=(SIMULATIONS, 2))
    intervals = [t_interval(sample, confidence=0.8) for sample in values]
    low, high = allowed(0.8)
    assert low <= sum(interval.low <= 0 <= interval.high for interval in intervals) <= high


def test_log_interval_covers_the_geometric_mean() -> None:
    """For skewed times the log interval holds the median of the distribution in 95 % of simulated runs."""
    values = np.random.default_rng(3).lognormal(1.0, 0.5, size=(SIMULATIONS, 10))
    covered = sum(interval.low <= np.e <= interval.high for interval in map(log_interval, values))
    low, high = allowed(0.95)
    assert low <= covered <= high


def test_t_interval_by_hand() -> None:
    """The interval of 1, 2, 3 is 2 ± 4.303 / √3, from the table of Student's t with two degrees of freedom."""
    interval = t_interval(np.array([1.0, 2.0, 3.0]))
    assert interval.value == 2.0
    assert pytest.approx(4.302653 / np.sqrt(3), rel=1e-6) == interval.high - interval.value
    assert pytest.approx(4.302653 / np.sqrt(3), rel=1e-6) == interval.value - interval.low


@given(samples, st.floats(0.01, 100.0))
def test_log_interval_has_no_unit(values: np.ndarray, factor: float) -> None:
    """Seconds or milliseconds: the interval scales with its values and stays around their geometric mean."""
    plain, scaled = log_interval(values), log_interval(values * factor)
    assert 0 < plain.low <= plain.value * (1 + 1e-9)
    assert plain.value <= plain.high * (1 + 1e-9)
    assert pytest.approx(plain.low * factor, rel=1e-6) == scaled.low
    assert pytest.approx(plain.high * factor, rel=1e-6) == scaled.high


@pytest.mark.parametrize("values", [[], [1.0]])
def test_interval_needs_two_values(values: list[float]) -> None:
    """A single launch has no interval."""
    with pytest.raises(ValueError, match="at least two"):
        t_interval(np.array(values))


def test_pairing_cancels_common_drift() -> None:
    """Under drift shared by both members of a pair, the paired ratio is ten times sharper than the unpaired one."""
    random = np.random.default_rng(4)
    covered, sharper = 0, []
    for _ in range(SIMULATIONS):
        drift = random.lognormal(0.0, 0.5, size=10)
        reference = drift * random.lognormal(0.0, 0.01, size=10)
        values = 1.3 * drift * random.lognormal(0.0, 0.01, size=10)
        ratio = paired_ratio(values, reference)
        covered += ratio.low <= 1.3 <= ratio.high
        unpaired = log_interval(values), log_interval(reference)
        width = np.hypot(*(np.log(interval.high / interval.low) for interval in unpaired))
        sharper.append(width / np.log(ratio.high / ratio.low))
    low, high = allowed(0.95)
    assert low <= covered <= high
    assert np.median(sharper) > 10


@given(samples)
def test_ratio_turns_around(values: np.ndarray) -> None:
    """The ratio of a to b is one over the ratio of b to a, and a ratio to itself is exactly one."""
    reference = values[::-1]
    there, back = paired_ratio(values, reference), paired_ratio(reference, values)
    assert pytest.approx(1 / back.value, rel=1e-9) == there.value
    assert pytest.approx(1 / back.high, rel=1e-6) == there.low
    itself = paired_ratio(values, values)
    assert (itself.value, itself.low, itself.high) == (1.0, 1.0, 1.0)


def test_unpaired_lengths_are_refused() -> None:
    """A ratio of unequally many launches would pair the wrong ones."""
    with pytest.raises(ValueError, match="3 values cannot be paired with 2"):
        paired_ratio(np.ones(3), np.ones(2))


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
