"""Means, their intervals and their tests keep what they promise."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from edgefashion.stats import Mean, difference_of_means, log_interval, mean_of, paired_ratio, t_interval

SIMULATIONS = 2_000

samples = st.lists(st.floats(0.001, 1_000.0), min_size=2, max_size=50).map(np.array)


def allowed(probability: float) -> tuple[float, float]:
    """How many of the simulations may succeed, with exact binomial bounds that hold but once in a thousand."""
    return scipy_stats.binom.ppf([0.0005, 0.9995], SIMULATIONS, probability).tolist()


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


# One-sided tests


@given(samples, st.floats(0.001, 1_000.0))
def test_one_sample_test_is_scipy_s(values: np.ndarray, limit: float) -> None:
    """Test and interval are those of scipy's one-sample t-test."""
    if np.ptp(values) < 1e-6 * values.max():
        values = np.append(values, 2 * values.max())
    mean, oracle = mean_of(values), scipy_stats.ttest_1samp(values, limit, alternative="greater")
    assert pytest.approx(oracle.pvalue, rel=1e-6) == mean.p_above(limit)
    both = scipy_stats.ttest_1samp(values, limit).confidence_interval(0.95)
    assert pytest.approx([both.low, both.high], rel=1e-6) == [mean.interval().low, mean.interval().high]


@given(st.integers(0, 2**32 - 1), st.integers(2, 20), st.integers(2, 20), st.floats(0.01, 100.0))
def test_two_sample_test_is_scipy_s(seed: int, here: int, there: int, spread: float) -> None:
    """Samples of unequal size and spread are compared as scipy's Welch test does."""
    random = np.random.default_rng(seed)
    values, reference = random.normal(1, spread, here), random.normal(0, 1, there)
    mean = difference_of_means(values, reference)
    oracle = scipy_stats.ttest_ind(values, reference, equal_var=False)
    both = oracle.confidence_interval(0.95)
    assert pytest.approx(oracle.df) == mean.freedom
    assert pytest.approx([both.low, both.high]) == [mean.interval().low, mean.interval().high]
    one_sided = scipy_stats.ttest_ind(values, reference, equal_var=False, alternative="greater")
    assert pytest.approx(one_sided.pvalue) == mean.p_above(0.0)


def test_values_without_spread_are_certain() -> None:
    """Equal values lie above a lower limit for sure, and neither at nor below it; nothing divides by zero."""
    mean = mean_of(np.full(5, 2.0))
    assert (mean.p_above(1.9), mean.p_above(2.0), mean.p_above(2.1)) == (0.0, 1.0, 1.0)
    assert tuple(mean.chance_above(1.0, truth=truth, level=0.025) for truth in (1.1, 1.0)) == (1.0, 0.0)
    assert mean.detectable_above(1.0, level=0.025) == 1.0
    assert Mean(1.0, 0.0, 6) == difference_of_means(np.full(4, 2.0), np.full(4, 1.0))


@given(st.floats(0.001, 10.0), st.integers(1, 100), st.floats(0.001, 0.2))
def test_chance_at_the_limit_is_the_level(error: float, freedom: int, level: float) -> None:
    """Were the truth exactly at the limit, the test would err as often as its level says."""
    assert pytest.approx(level) == Mean(0.3, error, freedom).chance_above(0.1, truth=0.1, level=level)


@given(st.floats(0.001, 10.0), st.integers(2, 100), st.floats(0.001, 0.1), st.floats(0.5, 0.99))
def test_detectable_truth_has_the_asked_power(error: float, freedom: int, level: float, power: float) -> None:
    """The detectable truth is where the chance of finding it is the power that was asked for."""
    mean = Mean(0.0, error, freedom)
    truth = mean.detectable_above(0.1, level=level, power=power)
    assert pytest.approx(power, abs=1e-4) == mean.chance_above(0.1, truth=truth, level=level)


def test_chance_is_what_simulation_finds() -> None:
    """The predicted power is that of simulated samples with the same true spread."""
    values = np.random.default_rng(5).normal(0.02, 0.01, size=(SIMULATIONS, 10))
    found = sum(mean_of(sample).p_above(0.01) < 0.025 for sample in values)
    predicted = Mean(0.0, 0.01 / np.sqrt(10), 9).chance_above(0.01, truth=0.02, level=0.025)
    low, high = allowed(predicted)
    assert 0.7 < predicted < 0.9
    assert low <= found <= high
