"""A device's figures are those that edgefashion would derive from the same samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import stdtrit

from edgefashion import stats
from edgefashion.bench import analyse
from edgefashion.kit.runner import figures
from edgefashion.records.kit import KitResult

positive = st.lists(st.floats(1e-6, 1e3), min_size=2, max_size=40)


@pytest.mark.parametrize("freedom", [1, 2, 9, 19, 29, 30, 31, 35, 59, 60, 99, 120, 121, 500, 10_000])
def test_the_table_is_student_s_t(freedom: int) -> None:
    """Within the three decimals of the table, and beyond it too."""
    assert figures.student_t(freedom) == pytest.approx(float(stdtrit(freedom, 0.975)), abs=1e-3)


@given(positive)
def test_intervals_are_edgefashion_s(values: list[float]) -> None:
    """Centre and ends on the scale of logarithms, but for the table's last digit."""
    expected = stats.log_interval(np.array(values))
    found = figures.log_interval(np.array(values))
    assert np.log(found["value"]) == pytest.approx(np.log(expected.value), abs=1e-9)
    half, its_half = np.log(expected.high / expected.low) / 2, np.log(found["high"] / found["low"]) / 2
    assert its_half == pytest.approx(half, rel=1e-3, abs=1e-9)


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=500), st.sampled_from([0.9, 0.99, 0.999]))
def test_percentiles_need_as_many_calls(values: list[int], quantile: float) -> None:
    """They are told, and left out, exactly where edgefashion does."""
    samples = np.array(values, dtype=np.float64)
    assert figures.percentile(samples, quantile) == stats.percentile(samples, quantile)


def test_every_figure_of_a_result_is_edgefashion_s(result: KitResult) -> None:
    """Latency, start-up and the ratio of the second copy, derived again from the raw samples that came back."""
    models = analyse.launches_of("model", result.launches)
    copies = analyse.launches_of("second copy", result.launches)
    expected = analyse.latency(models)
    for name in expected.__struct_fields__:
        ours, its = getattr(expected, name), getattr(result.latency, name)
        assert (ours is None) == (its is None)
        if ours is not None:
            assert (its.value, its.low) == (pytest.approx(ours.value), pytest.approx(ours.low, rel=1e-2))
    assert analyse.startup(models) == result.startup
    medians = [np.array([np.median(analyse.samples_ns(each)) for each in cell]) for cell in (copies, models)]
    assert result.duplicate.value == pytest.approx(stats.paired_ratio(*medians).value)


def test_short_calls_have_no_percentiles() -> None:
    """Where calls are timed in groups, a percentile of the groups is none of the calls."""
    launch = {"blocks_ns": [[20_000] * 400], "switches": [0], "calls_per_sample": 2}
    found = figures.latency([launch, launch])
    assert found["median_s"]["value"] == pytest.approx(10e-6)
    assert (found["p90_s"], found["p99_s"]) == (None, None)


def test_disturbed_blocks_are_left_out_of_the_clean_median() -> None:
    """And of nothing else."""
    launch = {"blocks_ns": [[10_000] * 3, [90_000] * 4], "switches": [0, 1], "calls_per_sample": 1}
    found = figures.latency([launch, launch])
    assert found["clean_median_s"]["value"] == pytest.approx(10e-6)
    assert found["median_s"]["value"] == pytest.approx(90e-6)
