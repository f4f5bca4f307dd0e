"""What the figures allow one to say."""

import math
from collections.abc import Callable, Sequence

import pytest

from edgefashion.bench.verdict import labels, rank, warnings_about
from edgefashion.records import (
    CellResult,
    Comparison,
    Interval,
    Label,
    Noise,
    NoiseLevel,
    Placement,
    Plan,
    Signal,
)

CPU = Placement(nodes={"CPUExecutionProvider": 24}, source="by hand")
CALM = Interval(value=1.001, low=0.995, high=1.007)
DISTURBED = Interval(value=1.10, low=1.05, high=1.15)


def noise(level: NoiseLevel = "quiet") -> Noise:
    return Noise(level=level, signals=[Signal(name="steal", value=0.3, level=level, words="30 % was taken by others")])


def ranked(plan: Plan, ratio: Interval | None, *, duplicate: Interval | None, level: NoiseLevel = "quiet") -> str:
    """The rank of the cell "b" with that ratio."""
    found = {"b": ratio, plan.duplicate: duplicate}
    compared = {label: Comparison(each, each.value, 0.5) for label, each in found.items() if each is not None}
    return rank("b", plan, compared, noise(level))


@pytest.fixture
def plan(plan_of) -> Plan:
    """A reference, one other cell, and the reference's copy."""
    found: Plan = plan_of(["ref", "b", "copy"])
    return found


# Ranks


def test_an_interval_that_holds_one_is_no_difference(plan: Plan) -> None:
    """Two per cent with ± three is nothing, and an end that touches 1 still holds it."""
    for ratio in (Interval(1.02, 0.99, 1.05), Interval(1.02, 1.0, 1.04), Interval(0.98, 0.96, 1.0)):
        assert ranked(plan, ratio, duplicate=CALM) == "no difference found"


def test_an_interval_away_from_one_is_ranked(plan: Plan) -> None:
    """Below one is faster, above one is slower; a quiet run finds one per cent."""
    assert ranked(plan, Interval(0.60, 0.58, 0.62), duplicate=CALM) == "faster"
    assert ranked(plan, Interval(2.25, 2.20, 2.30), duplicate=CALM) == "slower"
    assert ranked(plan, Interval(1.0008, 1.0004, 1.0012), duplicate=CALM) == "slower"


def test_what_the_machine_makes_of_nothing_ranks_nothing(plan: Plan) -> None:
    """If two copies of the reference differ by 10 %, 8 % either way is no difference, and 50 % still is one."""
    assert ranked(plan, Interval(1.08, 1.06, 1.10), duplicate=DISTURBED) == "no difference found"
    assert ranked(plan, Interval(0.92, 0.90, 0.94), duplicate=DISTURBED) == "no difference found"
    assert ranked(plan, Interval(1.50, 1.45, 1.55), duplicate=DISTURBED) == "slower"
    assert ranked(plan, Interval(0.50, 0.45, 0.55), duplicate=DISTURBED) == "faster"


def test_an_uncertain_copy_is_a_warning_for_ranks_too(plan: Plan) -> None:
    """A copy at 1.05 whose interval holds 1 is a disturbed run all the same: 3 % is then no difference."""
    uncertain = Interval(value=1.05, low=0.90, high=1.22)
    assert ranked(plan, Interval(0.97, 0.96, 0.98), duplicate=uncertain) == "no difference found"
    assert ranked(plan, Interval(0.90, 0.88, 0.92), duplicate=uncertain) == "faster"


def test_the_copy_itself_is_ranked_as_it_was_found(plan: Plan) -> None:
    """It is the measure of the others, and is not measured by itself."""
    compared = {"copy": Comparison(DISTURBED, 1.10, 0.01)}
    assert rank("copy", plan, compared, noise()) == "slower"


def test_without_enough_launches_nothing_is_said(plan: Plan) -> None:
    """No ratio, or no copy to hold it against, no rank; the reference is the reference."""
    assert ranked(plan, None, duplicate=CALM) == "not enough launches"
    assert ranked(plan, Interval(0.60, 0.58, 0.62), duplicate=None) == "not enough launches"
    assert rank("ref", plan, {}, noise()) == "reference"


def test_an_invalid_machine_ranks_nothing(plan: Plan) -> None:
    """However far apart two cells are; noisy is not yet invalid, and the reference stays the reference."""
    far = Interval(9.0, 8.9, 9.1)
    assert ranked(plan, far, duplicate=CALM, level="invalid") == "not ranked"
    assert ranked(plan, far, duplicate=CALM, level="noisy") == "slower"
    assert rank("ref", plan, {}, noise("invalid")) == "reference"


def test_a_null_model_is_never_ranked(plan_of, cell_of) -> None:
    """It does nothing, and is not the fastest of those that do something."""
    plan = plan_of(["ref", "b", "copy"])
    plan.cells[1] = cell_of("b", role="null model")
    assert ranked(plan, Interval(0.1, 0.09, 0.11), duplicate=CALM) == "not ranked"
    assert ranked(plan, None, duplicate=CALM) == "not enough launches"


def test_a_baseline_of_its_own_is_no_reference(plan_of, cell_of) -> None:
    """A candidate is ranked against its own baseline, which is ranked against the reference of the plan."""
    plan = plan_of(["ref", "old", "b", "copy"])
    plan.cells[2] = cell_of("b", reference="old")
    assert ranked(plan, Interval(0.60, 0.58, 0.62), duplicate=CALM) == "faster"
    assert rank("old", plan, {"copy": Comparison(CALM, 1, 0.5)}, noise()) == "not enough launches"


# Labels


@pytest.mark.parametrize(("half_width", "expected"), [(0.01, []), (0.010001, ["imprecise"]), (math.inf, ["imprecise"])])
def test_an_interval_wider_than_aimed_at_is_imprecise(launch_of, half_width: float, expected: list[Label]) -> None:
    """The precision itself is precise enough; what is not known is not."""
    launches = [launch_of("b", 0, [[1]])]
    assert expected == labels(launches, half_width=half_width, precision=0.01, placement=CPU)


@pytest.mark.parametrize(
    ("steady", "expected"),
    [
        ([True, True, False], []),
        ([True, False], ["no_steady_state"]),
        ([True, False, False], ["no_steady_state"]),
        ([False], ["no_steady_state"]),
        ([True], []),
    ],
)
def test_warm_ups_that_seldom_end_are_named(launch_of, steady: list[bool], expected: list[Label]) -> None:
    """More than half of the launches must have become steady: the figure may be that of warming up."""
    launches = [launch_of("b", number, [[1]], steady=each) for number, each in enumerate(steady)]
    assert expected == labels(launches, half_width=0, precision=0.01, placement=CPU)


def test_a_model_on_two_devices_is_named(launch_of) -> None:
    """Part of it on another provider is not what was asked for, and stands beside whatever else is wrong."""
    both = Placement(nodes={"CPUExecutionProvider": 4, "CUDAExecutionProvider": 20}, source="by hand")
    launches = [launch_of("b", 0, [[1]], steady=False)]
    assert labels(launches, half_width=1, precision=0.01, placement=both) == [
        "imprecise",
        "no_steady_state",
        "partial placement",
    ]


# Warnings


@pytest.fixture
def result(launch_of, result_of) -> Callable[..., CellResult]:
    """Make a result: what is warned of is its labels and its comparison."""

    def make(cell: str, *, comparison: Comparison | None = None, said: Sequence[Label] = ()) -> CellResult:
        launches = [launch_of(cell, number, [[1000] * 20]) for number in range(2)]
        return result_of(cell, launches, comparison=comparison, labels=list(said))

    return make


def test_a_quiet_run_has_nothing_to_say(plan: Plan, result) -> None:
    """Two copies that agree, every cell precise."""
    results = [result("ref"), result("copy", comparison=Comparison(CALM, 1.001, 0.6))]
    assert warnings_about(plan, results) == []
    assert warnings_about(plan, []) == []


@pytest.mark.parametrize(
    ("copy", "words"),
    [(DISTURBED, "differ by 10.0%"), (Interval(0.98, 0.95, 1.01), "differ by 2.0%")],
)
def test_a_disturbed_machine_is_announced_first(plan: Plan, result, copy: Interval, words: str) -> None:
    """Copies that are told apart, or are more than a per cent apart, head the report."""
    results = [
        result("b", said=["imprecise"]),
        result("copy", comparison=Comparison(copy, copy.value, 0.01)),
    ]
    first, *_ = warnings_about(plan, results)
    assert first.startswith("the machine was disturbed: two copies of the reference")
    assert words in first
    assert f"{copy.low:.3f} to {copy.high:.3f}" in first


def test_every_label_becomes_one_sentence_with_its_cells(plan: Plan, result) -> None:
    """Cells of one label share a sentence, and one that is unlabelled is in none."""
    results = [
        result("ref"),
        result("b", said=["imprecise", "no_steady_state"]),
        result("copy", said=["imprecise", "partial placement"]),
    ]
    steady, precise, placed = warnings_about(plan, results)
    assert steady == "no steady state in most warm-ups: b"
    assert precise.endswith(": b; copy")
    assert "±1%" in precise
    assert placed.endswith(": copy")
