"""From raw samples to figures."""

import numpy as np
import pytest

from edgefashion.bench.analyse import paired_ratios, timing


def test_the_median_is_that_of_launches_not_of_calls(launch_of) -> None:
    """A launch with more calls has no more say than another one."""
    long = launch_of("a", 0, [[1000] * 900])
    short = launch_of("a", 1, [[4000] * 100])
    figures = timing([long, short], batch=1)
    assert figures.median_s is not None
    assert pytest.approx(2e-6) == figures.median_s.value
    assert (figures.launches, figures.calls) == (2, 1000)


def test_one_launch_has_no_interval(launch_of) -> None:
    """However many calls it has, one launch says nothing about the next."""
    assert timing([launch_of("a", 0, [[1000] * 5000])], batch=1).median_s is None


def test_percentiles_need_enough_calls_in_every_launch(launch_of) -> None:
    """The 90th percentile needs 36 calls and the 99th 368, in each launch."""
    figures = timing([launch_of("a", 0, [[1000] * 40]), launch_of("a", 1, [[1000] * 400])], batch=1)
    assert pytest.approx(1e-6) == figures.p90_s
    assert figures.p99_s is None


def test_throughput_counts_pictures(launch_of) -> None:
    """Sixty-four pictures in a millisecond are 64,000 a second."""
    assert pytest.approx(64_000) == timing([launch_of("a", 0, [[1_000_000] * 20])], batch=64).throughput_per_s


def test_a_ratio_is_paired_by_generation(plan_of, launch_of) -> None:
    """When the machine becomes ten times slower between generations, a ratio of 2 stays exactly 2."""
    launches = []
    for generation, pace in enumerate((1, 10, 3, 7)):
        launches += [
            launch_of("ref", generation, [[1000 * pace] * 20]),
            launch_of("b", generation, [[2000 * pace] * 20]),
        ]
    ratio = paired_ratios(plan_of(["ref", "b", "copy"]), launches)["b"]
    assert pytest.approx(2) == ratio.value
    assert pytest.approx(2) == ratio.low
    assert pytest.approx(2) == ratio.high


def test_generations_that_one_side_lacks_are_left_out(plan_of, launch_of) -> None:
    """A cell that shares one generation with the reference gets no ratio."""
    launches = [
        launch_of("ref", 0, [[1000] * 20]),
        launch_of("b", 0, [[1000] * 20]),
        launch_of("b", 1, [[1000] * 20]),
    ]
    assert paired_ratios(plan_of(["ref", "b", "copy"]), launches) == {}


def test_ratios_are_by_picture(plan_of, launch_of, cell_of) -> None:
    """A batch of 8 that takes four times as long costs half the time a picture."""
    plan = plan_of(["ref", "b", "copy"])
    plan.cells[1] = cell_of("b", batch=8)
    launches = [
        launch_of(label, generation, [[nanoseconds] * 20])
        for generation in range(3)
        for label, nanoseconds in (("ref", 1000), ("b", 4000))
    ]
    assert pytest.approx(0.5) == paired_ratios(plan, launches)["b"].value


def test_identical_cells_are_told_apart_at_the_nominal_rate(plan_of, launch_of) -> None:
    """A/A in simulation: of 400 runs of ten generations under drift, about 5 % of the intervals exclude 1."""
    from scipy.stats import binomtest

    random = np.random.default_rng(7)
    plan, runs, alarms = plan_of(["ref", "copy"]), 400, 0
    for _ in range(runs):
        drift = np.cumsum(random.normal(scale=0.05, size=10))
        launches = [
            launch_of(label, generation, [[int(1e6 * np.exp(drift[generation] + random.normal(scale=0.01)))] * 20])
            for generation in range(10)
            for label in ("ref", "copy")
        ]
        ratio = paired_ratios(plan, launches)["copy"]
        alarms += not ratio.low <= 1 <= ratio.high
    assert binomtest(alarms, runs, 0.05).pvalue > 0.001
