"""What the figures allow one to say."""

from edgefashion.bench.analyse import timing
from edgefashion.bench.verdict import rank, warnings_about
from edgefashion.records import Interval

QUIET = Interval(value=1.001, low=0.995, high=1.007)
DISTURBED = Interval(value=1.10, low=1.05, high=1.15)


def test_an_interval_that_holds_one_is_no_difference(plan_of) -> None:
    """Two per cent with ± three is nothing."""
    plan = plan_of(["ref", "b", "copy"])
    assert rank("b", Interval(1.02, 0.99, 1.05), plan, duplicate=QUIET) == "no difference found"


def test_an_interval_away_from_one_is_ranked(plan_of) -> None:
    """Below one is faster, above one is slower."""
    plan = plan_of(["ref", "b", "copy"])
    assert rank("b", Interval(0.60, 0.58, 0.62), plan, duplicate=QUIET) == "faster"
    assert rank("b", Interval(2.25, 2.20, 2.30), plan, duplicate=QUIET) == "slower"


def test_what_the_machine_makes_of_nothing_ranks_nothing(plan_of) -> None:
    """If two copies of the reference differ by 10 %, a difference of 8 % is not called one, and 50 % still is."""
    plan = plan_of(["ref", "b", "copy"])
    assert rank("b", Interval(1.08, 1.06, 1.10), plan, duplicate=DISTURBED) == "no difference found"
    assert rank("b", Interval(1.50, 1.45, 1.55), plan, duplicate=DISTURBED) == "slower"


def test_an_uncertain_copy_is_a_warning_for_ranks_too(plan_of) -> None:
    """A copy at 1.05 whose interval holds 1 is a disturbed run all the same: 3 % is then no difference."""
    uncertain = Interval(value=1.05, low=0.90, high=1.22)
    plan = plan_of(["ref", "b", "copy"])
    assert rank("b", Interval(0.97, 0.96, 0.98), plan, duplicate=uncertain) == "no difference found"
    assert rank("b", Interval(0.90, 0.88, 0.92), plan, duplicate=uncertain) == "faster"


def test_without_enough_launches_nothing_is_said(plan_of) -> None:
    """No ratio, no rank; the reference is the reference."""
    plan = plan_of(["ref", "b", "copy"])
    assert rank("b", None, plan, duplicate=None) == "not enough launches"
    assert rank("ref", None, plan, duplicate=None) == "reference"


def test_a_disturbed_machine_is_announced(plan_of, launch_of) -> None:
    """Copies that differ head the report; a quiet run has nothing to say."""
    plan = plan_of(["ref", "copy"])
    timings = {"ref": timing([launch_of("ref", 0, [[1000] * 20])], batch=1)}
    assert warnings_about(plan, timings, {"copy": QUIET}) == []
    (first, *_) = warnings_about(plan, timings, {"copy": DISTURBED})
    assert "two copies of the reference differ by 10.0%" in first


def test_a_cell_that_never_became_steady_is_named(plan_of, launch_of) -> None:
    """Its figures may still be those of warming up."""
    timings = {"b": timing([launch_of("b", 0, [[1000] * 20], steady=False)], batch=1)}
    assert warnings_about(plan_of(["ref", "b", "copy"]), timings, {}) == ["no steady state after warm-up: b"]
