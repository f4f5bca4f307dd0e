"""From raw samples to figures."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.analyse import (
    comparisons,
    count_calls,
    latency,
    launch_medians,
    launches_of,
    samples_ns,
    shared,
    standings,
    startup,
    throughput_per_s,
)
from edgefashion.records import ColdStart

TAILS = (("p90_s", 36), ("p99_s", 368), ("p999_s", 3688))


# Times of one cell


def test_the_median_is_that_of_launches_not_of_calls(launch_of) -> None:
    """A launch with more calls has no more say than another one: the centre is the launches' geometric mean."""
    launches = [launch_of("a", 0, [[1000] * 900]), launch_of("a", 1, [[4000] * 100])]
    median_s = latency(launches).median_s
    assert median_s is not None
    assert pytest.approx(2e-6) == median_s.value
    assert count_calls(launches) == 1000


def test_more_calls_make_no_narrower_interval(launch_of) -> None:
    """The launch is the unit: a hundred times the calls in the same launches is the same evidence."""
    few = [launch_of("a", number, [[pace] * 20]) for number, pace in enumerate((1000, 1010, 1020))]
    many = [launch_of("a", number, [[pace] * 2000]) for number, pace in enumerate((1000, 1010, 1020))]
    assert latency(few).median_s == latency(many).median_s


def test_one_launch_has_no_interval(launch_of) -> None:
    """However many calls it has, one launch says nothing about the next."""
    figures = latency([launch_of("a", 0, [[1000] * 5000])])
    assert [figures.median_s, figures.mean_s, figures.clean_median_s, figures.p90_s, figures.p999_s] == [None] * 5


def test_the_mean_feels_what_the_median_does_not(launch_of) -> None:
    """One call in ten is a hundred times slower: the median stays, the mean is eleven times as long."""
    launches = [launch_of("a", number, [[1000] * 9 + [100_000]] * 4) for number in range(3)]
    figures = latency(launches)
    assert figures.median_s is not None
    assert figures.mean_s is not None
    assert pytest.approx(1e-6) == figures.median_s.value
    assert pytest.approx(10.9e-6) == figures.mean_s.value


@pytest.mark.parametrize(("name", "least"), TAILS)
def test_a_percentile_needs_enough_calls_in_every_launch(launch_of, name: str, least: int) -> None:
    """One call too few in one launch, over all its blocks, and the percentile is not known."""
    enough = launch_of("a", 0, [[1000] * (least - 30), [1000] * 30])
    short = launch_of("a", 1, [[1000] * (least - 31), [1000] * 30])
    known = getattr(latency([enough, enough]), name)
    assert known is not None
    assert pytest.approx(1e-6) == known.value
    assert getattr(latency([enough, short]), name) is None
    assert getattr(latency([short, enough]), name) is None


def test_a_percentile_is_taken_within_a_launch(launch_of) -> None:
    """A launch that is slow as a whole is no tail of the others: centres are averaged, not pooled."""
    launches = [launch_of("a", 0, [[1000] * 400]), launch_of("a", 1, [[1000] * 400]), launch_of("a", 2, [[8000] * 40])]
    p90_s = latency(launches).p90_s
    assert p90_s is not None
    assert pytest.approx(2e-6) == p90_s.value


def test_calls_too_short_for_the_clock_have_no_tails(launch_of) -> None:
    """A sample of ten calls is divided by ten, and hides the slowest of them."""
    launches = [launch_of("a", number, [[20_000] * 4000], calls_per_sample=10) for number in range(2)]
    figures = latency(launches)
    assert figures.median_s is not None
    assert figures.mean_s is not None
    assert figures.clean_median_s is not None
    assert pytest.approx(2e-6) == figures.median_s.value == figures.mean_s.value == figures.clean_median_s.value
    assert [figures.p90_s, figures.p99_s, figures.p999_s] == [None] * 3
    assert count_calls(launches) == 80_000


def test_one_launch_of_grouped_calls_takes_the_tails(launch_of) -> None:
    """Tails of single calls and of means of ten are not averaged with one another."""
    launches = [
        launch_of("a", 0, [[10_000] * 400]),
        launch_of("a", 1, [[20_000] * 400], calls_per_sample=2),
    ]
    figures = latency(launches)
    assert figures.median_s is not None
    assert pytest.approx(10e-6) == figures.median_s.value
    assert figures.p90_s is None


def test_clean_medians_leave_out_disturbed_blocks(launch_of) -> None:
    """Blocks that lost their processor are left out of the clean figure, and stay in the raw one."""
    launches = [
        launch_of("a", number, [[1000] * 20, [9000] * 100, [1000] * 20], switches=[0, 3, 0]) for number in range(3)
    ]
    figures = latency(launches)
    assert figures.median_s is not None
    assert figures.clean_median_s is not None
    assert pytest.approx(9e-6) == figures.median_s.value
    assert pytest.approx(1e-6) == figures.clean_median_s.value


def test_a_launch_without_a_clean_block_leaves_the_clean_median_unknown(launch_of) -> None:
    """Leaving out whole launches would choose the lucky ones."""
    launches = [
        launch_of("a", 0, [[1000] * 20] * 2),
        launch_of("a", 1, [[1000] * 20] * 2),
        launch_of("a", 2, [[1000] * 20] * 2, switches=[1, 2]),
    ]
    assert latency(launches).clean_median_s is None
    assert latency(launches).median_s is not None


# Throughput and start


def test_throughput_counts_pictures(launch_of) -> None:
    """Sixty-four pictures in a millisecond are 64,000 a second."""
    assert pytest.approx(64_000) == throughput_per_s([launch_of("a", 0, [[1_000_000] * 20])], batch=64)


def test_throughput_is_over_all_the_time(launch_of) -> None:
    """A slow half counts by the time it took: two pictures in 1 and 3 microseconds are 500,000 a second."""
    launches = [launch_of("a", 0, [[1000]]), launch_of("a", 1, [[3000]])]
    assert pytest.approx(500_000) == throughput_per_s(launches, batch=1)


def test_throughput_counts_every_call_of_a_sample(launch_of) -> None:
    """Ten calls in ten microseconds are a million a second."""
    launches = [launch_of("a", 0, [[10_000] * 5], calls_per_sample=10)]
    assert pytest.approx(1e6) == throughput_per_s(launches, batch=1)


def test_a_cold_start_is_the_median_of_each_part(launch_of) -> None:
    """One launch that had to wait for its files does not become the figure; the second run is no part of the total."""
    parts = [(0.01, 0.1, 0.02, 0.003, 0.001), (0.03, 0.3, 0.01, 0.001, 0.002), (9.0, 0.2, 0.03, 0.002, 9.0)]
    found = startup([launch_of("a", number, [[1]], cold=ColdStart(*each)) for number, each in enumerate(parts)])
    assert [
        found.spawn_s,
        found.import_s,
        found.session_s,
        found.first_run_s,
        found.second_run_s,
    ] == [0.03, 0.2, 0.02, 0.002, 0.002]
    assert pytest.approx(0.252) == found.total_s


# Ratios


def test_a_ratio_is_paired_by_generation(plan_of, launch_of) -> None:
    """When the machine becomes ten times slower between generations, a ratio of 2 stays exactly 2."""
    plan, launches = plan_of(["ref", "b", "copy"]), []
    for generation, pace in enumerate((1, 10, 3, 7)):
        launches += [
            launch_of("b", generation, [[2000 * pace] * 20]),
            launch_of("ref", generation, [[1000 * pace] * 20]),
        ]
    found = comparisons(plan, launch_medians(plan, launches))["b"]
    assert pytest.approx([found.ratio.value, found.ratio.low, found.ratio.high]) == [2, 2, 2]
    assert pytest.approx(2) == found.hodges_lehmann


def test_generations_that_one_side_lacks_are_left_out(plan_of) -> None:
    """Pairs are by number and not by place; what shares one generation with the reference gets no ratio."""
    medians = {"ref": {0: 1.0, 2: 1.0}, "b": {2: 2.0, 1: 50.0, 0: 2.0}, "copy": {0: 1.0, 1: 1.0}}
    found = comparisons(plan_of(["ref", "b", "copy"]), medians)
    assert pytest.approx(2) == found["b"].ratio.value
    assert set(found) == {"b"}
    mine, its = shared(medians, "b", "ref")
    assert (mine.tolist(), its.tolist()) == ([2.0, 2.0], [1.0, 1.0])


def test_ratios_are_by_picture(plan_of, launch_of, cell_of) -> None:
    """A batch of 8 that takes four times as long costs half the time a picture."""
    plan = plan_of(["ref", "b", "copy"])
    plan.cells[1] = cell_of("b", batch=8)
    launches = [
        launch_of(label, generation, [[nanoseconds] * 20])
        for generation in range(3)
        for label, nanoseconds in (("ref", 1000), ("b", 4000))
    ]
    assert pytest.approx(0.5) == comparisons(plan, launch_medians(plan, launches))["b"].ratio.value


def test_each_cell_is_compared_to_what_it_refers_to(plan_of, cell_of) -> None:
    """A cell with a baseline of its own is compared to that one, and not to the reference of the plan."""
    plan = plan_of(["ref", "old", "new", "copy"])
    plan.cells[2] = cell_of("new", reference="old")
    medians = {label: {0: value, 1: value} for label, value in (("ref", 1.0), ("old", 4.0), ("new", 8.0))}
    found = comparisons(plan, medians)
    assert pytest.approx([found["old"].ratio.value, found["new"].ratio.value]) == [4, 2]
    assert "ref" not in found


def test_grouped_calls_are_compared_by_the_call(plan_of, launch_of) -> None:
    """A sample of ten calls is ten times as long, and its ratio is not."""
    plan = plan_of(["ref", "copy"])
    launches = [launch_of("ref", number, [[9000] * 20]) for number in range(2)]
    launches += [launch_of("copy", number, [[90_000] * 20], calls_per_sample=10) for number in range(2)]
    assert pytest.approx(1) == comparisons(plan, launch_medians(plan, launches))["copy"].ratio.value


@given(paces=st.lists(st.floats(min_value=1e-6, max_value=1.0), min_size=2, max_size=12), factor=st.floats(0.01, 100))
def test_drift_that_both_share_leaves_a_ratio_alone(plan_of, paces: list[float], factor: float) -> None:
    """Whatever the machine does between generations, a constant factor is found with no spread at all."""
    reference = dict(enumerate(paces))
    medians = {"ref": reference, "b": {number: pace * factor for number, pace in reference.items()}}
    ratio = standings(plan_of(["ref", "b", "copy"]), medians)[1].ratio
    assert ratio is not None
    assert [factor] * 3 == pytest.approx([ratio.value, ratio.low, ratio.high])


def test_identical_cells_are_told_apart_at_the_nominal_rate(plan_of) -> None:
    """A/A in simulation: of 400 runs of ten generations under drift, about 5 % of the intervals exclude 1."""
    from scipy.stats import binomtest

    random = np.random.default_rng(7)
    plan, runs, alarms = plan_of(["ref", "copy"]), 400, 0
    for _ in range(runs):
        drift = np.cumsum(random.normal(scale=0.05, size=10))
        medians = {
            label: {number: math.exp(drift[number] + random.normal(scale=0.01)) for number in range(10)}
            for label in ("ref", "copy")
        }
        ratio = comparisons(plan, medians)["copy"].ratio
        alarms += not ratio.low <= 1 <= ratio.high
    assert binomtest(alarms, runs, 0.05).pvalue > 0.001


# How well each cell is known


def test_a_standing_is_as_wide_as_its_wider_interval(plan_of) -> None:
    """Steady itself, but unsteady beside the reference: the ratio's interval decides, and the other way round."""
    plan = plan_of(["ref", "b", "copy"])
    jitter = {number: 1 + 0.1 * (-1) ** number for number in range(4)}
    steady = dict.fromkeys(range(4), 2.0)
    ref, b, copy = standings(plan, {"ref": jitter, "b": steady, "copy": jitter})
    assert b.median_s is not None
    assert b.ratio is not None
    assert b.median_s.relative_half_width == pytest.approx(0)
    assert b.ratio.relative_half_width == b.half_width > 0.1
    assert copy.median_s is not None
    assert copy.median_s.relative_half_width == copy.half_width == ref.half_width > 0.1
    assert copy.ratio is not None
    assert copy.ratio.relative_half_width == pytest.approx(0)


def test_what_is_not_known_is_infinitely_wide(plan_of) -> None:
    """No launch, one launch, and launches that the reference does not share: none of them is precise."""
    plan = plan_of(["ref", "b", "c", "copy"])
    medians = {"ref": {0: 1.0, 1: 1.0}, "b": {0: 1.0}, "c": {5: 1.0, 6: 1.0}}
    ref, b, c, copy = standings(plan, medians)
    assert [each.launches for each in (ref, b, c, copy)] == [2, 1, 2, 0]
    assert ref.half_width == 0
    assert (ref.ratio, b.median_s, c.ratio) == (None, None, None)
    assert c.median_s is not None
    assert [math.inf] * 3 == [b.half_width, c.half_width, copy.half_width]


def test_launches_of_a_cell_are_its_own(launch_of) -> None:
    """By label, and every sample of every block in its order."""
    launches = [launch_of("a", 0, [[1, 2], [3]]), launch_of("b", 0, [[9]])]
    (found,) = launches_of("a", launches)
    assert samples_ns(found).tolist() == [1, 2, 3]
