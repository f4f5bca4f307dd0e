"""What a benchmark knows of one cell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picking import bench, interval, model
from scipy.stats import binomtest

from edgefashion.pick.figures import f1_interval, figure_of
from edgefashion.stats import wilson


def test_size_is_exact() -> None:
    """A file's size has an interval without width, also where nothing could be measured."""
    mine = model("a", size=77, is_measured=False)
    found = figure_of("size", mine.cell, bench(mine)).interval
    assert (found.value, found.low, found.high) == (77.0, 77.0, 77.0)


def test_accuracy_has_wilson_s_interval() -> None:
    """Pictures are the sample."""
    mine = model("a", right=9_300)
    found = figure_of("accuracy", mine.cell, bench(mine))
    assert wilson(9_300, 10_000) == found.interval
    assert found.samples == 10_000


def test_latency_is_what_the_bench_found_across_launches() -> None:
    """Median and p99 keep the intervals over launches, and launches are the sample."""
    mine = model("a", p50_us=100, p99_us=150)
    median, p99 = (figure_of(quantity, mine.cell, bench(mine)) for quantity in ("p50", "p99"))
    assert interval(100e-6, 0.05) == median.interval
    assert interval(150e-6, 0.05) == p99.interval
    assert (median.samples, p99.samples) == (10, 10)
    assert not p99.is_floor


def test_class_f1_is_that_of_its_class() -> None:
    """Half of 5,000 pictures of each class right and the rest called the other: F1 is one half."""
    mine = model("a", right=5_000)
    found = figure_of("F1", mine.cell, bench(mine), label="Coat").interval
    assert found == f1_interval(2_500, 7_500)
    assert pytest.approx(0.5) == found.value


@given(st.integers(1, 3_000).flatmap(lambda either: st.tuples(st.integers(0, either), st.just(either))))
def test_f1_interval_holds_f1(counts: tuple[int, int]) -> None:
    """F1 is twice the hits over all that are or are called so, each counted as often; its interval is among shares."""
    hits, either = counts
    found = f1_interval(hits, either)
    assert pytest.approx(2 * hits / (hits + either)) == found.value
    assert 0 <= found.low <= found.value <= found.high <= 1


def test_f1_interval_covers_what_it_promises() -> None:
    """Of 2,000 test sets drawn from one confusion matrix about 95 % have the true F1 in their interval."""
    right, missed, wrongly = 0.08, 0.02, 0.03  # shares of all pictures
    truth = 2 * right / (2 * right + missed + wrongly)
    drawn = np.random.default_rng(1).multinomial(1_000, [right, missed, wrongly, 0.87], size=2_000)
    found = [f1_interval(int(row[0]), int(row[:3].sum())) for row in drawn]
    covered = sum(each.low <= truth <= each.high for each in found)
    assert binomtest(covered, 2_000, 0.95).pvalue > 0.01


def test_long_calls_have_a_floor_and_no_p99() -> None:
    """Too few calls a launch for a p99: it is no smaller than p90, and the reason gives both numbers."""
    mine = model("a", p50_us=100, p99_us=None, calls=(400, 200))
    found = figure_of("p99", mine.cell, bench(mine))
    assert found.is_floor
    assert interval(1.1 * 100 / 1e6, 0.05) == found.interval
    assert found.why == "a launch has 200 calls, and a p99 needs 368"


def test_calls_timed_in_groups_have_no_p99() -> None:
    """A sample of several calls says nothing about the slowest of them."""
    mine = model("a", p99_us=None, calls=(900,), calls_per_sample=8)
    assert figure_of("p99", mine.cell, bench(mine)).why == "its calls are too short to be timed one by one"


@pytest.mark.parametrize("quantity", ["accuracy", "p50", "p99", "F1"])
def test_a_failed_cell_has_no_figures(quantity: str) -> None:
    """What could not be measured is unknown, for the reason that the benchmark gives."""
    mine = model("a", is_measured=False)
    found = figure_of(quantity, mine.cell, bench(mine, failures={mine.cell.label: "it died"}), label="Coat")
    assert (found.interval, found.why) == (None, "it was not measured: it died")


@pytest.mark.parametrize("quantity", ["accuracy", "F1"])
def test_a_foreign_model_has_no_quality(quantity: str) -> None:
    """Nobody knows what its outputs mean."""
    mine = model("a", right=None)
    found = figure_of(quantity, mine.cell, bench(mine), label="Coat")
    assert (found.interval, found.why) == (None, "its decisions were not judged")


@pytest.mark.parametrize("quantity", ["p50", "p99"])
def test_an_invalid_measurement_has_no_latencies(quantity: str) -> None:
    """Where nothing is ranked nothing is chosen by its speed; quality does not depend on the machine."""
    mine = model("a")
    found = figure_of(quantity, mine.cell, bench(mine, noise="invalid"))
    assert (found.interval, found.why) == (None, "the measurement is invalid: canary drifted by 50 %")
    assert figure_of("accuracy", mine.cell, bench(mine, noise="invalid")).interval is not None


@pytest.mark.parametrize("quantity", ["p50", "p99"])
def test_one_launch_has_no_interval(quantity: str) -> None:
    """The launch is the unit: thousands of calls of one are one."""
    mine = model("a", p50_us=None, p99_us=None, calls=(900,))
    found = figure_of(quantity, mine.cell, bench(mine))
    assert (found.interval, found.why) == (None, "fewer than two launches")
