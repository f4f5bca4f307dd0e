"""Whether the ranking depends on the operating point."""

from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.points.operating import Reversal, find_reversal, ranking_differs
from edgefashion.records import Interval


def around(value: float) -> Interval:
    return Interval(value=value, low=value * 0.99, high=value * 1.01)


def points(**measured: Mapping[str, float]) -> dict[str, dict[str, Interval]]:
    return {point: {cell: around(value) for cell, value in cells.items()} for point, cells in measured.items()}


def test_a_reversal_is_found_and_named() -> None:
    """Two cells whose order is surely opposite at two points are the example in the sentence."""
    found = points(closed={"fp32": 2.0, "int8": 1.0}, paced={"fp32": 3.0, "int8": 4.0})
    assert ranking_differs(found) == (
        "the ranking of artifacts differs between operating points: fp32 is faster than int8 at paced, "
        "and slower at closed"
    )
    assert find_reversal(found) == Reversal(cell="fp32", other_cell="int8", point="paced", other_point="closed")


def test_an_order_that_holds_everywhere_is_the_same() -> None:
    """What the speeds are does not matter, only their order."""
    found = points(closed={"a": 1.0, "b": 2.0, "c": 3.0}, paced={"a": 5.0, "b": 6.0, "c": 70.0})
    assert ranking_differs(found) == "the ranking of artifacts is the same at all operating points"


@pytest.mark.parametrize("other", [1.005, 0.995])
def test_intervals_that_share_a_value_decide_nothing(other: float) -> None:
    """A pair that cannot be told apart at one point is neither reversed nor the same there."""
    found = points(closed={"a": 1.0, "b": 2.0}, paced={"a": 1.0, "b": other})
    assert ranking_differs(found) == (
        "whether the ranking of artifacts differs between operating points cannot be told: "
        "a and b cannot be told apart at paced"
    )


def test_what_can_be_told_is_told() -> None:
    """Where only some pairs are unclear, the rest is said to be the same, and an unclear pair is named."""
    found = points(closed={"a": 1.0, "b": 2.0, "c": 2.0}, paced={"a": 1.0, "b": 2.0, "c": 4.0})
    assert ranking_differs(found) == (
        "the ranking of artifacts is the same at all operating points as far as it can be told: "
        "b and c cannot be told apart at closed"
    )


def test_a_reversal_counts_more_than_an_unclear_pair() -> None:
    """One pair that is surely reversed makes the ranking differ, whatever the others do."""
    found = points(closed={"a": 1.0, "b": 1.0, "c": 5.0}, paced={"a": 9.0, "b": 3.0, "c": 5.0})
    assert "differs" in ranking_differs(found)
    assert "a is faster than c at closed, and slower at paced" in ranking_differs(found)


@pytest.mark.parametrize(
    "found",
    [
        {},
        points(closed={"a": 1.0, "b": 2.0}),
        points(closed={"a": 1.0}, paced={"a": 2.0}),
        points(closed={"a": 1.0, "b": 2.0}, paced={"b": 2.0, "c": 1.0}),
    ],
)
def test_there_must_be_something_to_compare(found: dict[str, dict[str, Interval]]) -> None:
    """Without two cells at two points nothing is claimed."""
    assert "cannot be compared" in ranking_differs(found)


times = st.floats(min_value=1e-6, max_value=1.0)


@given(st.lists(times, min_size=2, max_size=5), st.floats(min_value=0.01, max_value=100))
def test_a_machine_that_is_slower_throughout_reverses_nothing(values: list[float], factor: float) -> None:
    """All latencies times one factor keep their order."""
    cells = {str(number): value for number, value in enumerate(values)}
    scaled = {cell: value * factor for cell, value in cells.items()}
    assert find_reversal(points(here=cells, there=scaled)) is None


@given(times, times, times, times)
def test_a_reversal_is_one_from_either_side(a: float, b: float, c: float, d: float) -> None:
    """Whether there is a reversal does not depend on the order of points or cells, and it is true of the intervals."""
    found = points(here={"a": a, "b": b}, there={"a": c, "b": d})
    turned = points(there={"b": d, "a": c}, here={"b": b, "a": a})
    reversal = find_reversal(found)
    assert (reversal is None) == (find_reversal(turned) is None)
    if reversal is not None:
        assert found[reversal.point][reversal.cell].high < found[reversal.point][reversal.other_cell].low
        assert found[reversal.other_point][reversal.cell].low > found[reversal.other_point][reversal.other_cell].high
