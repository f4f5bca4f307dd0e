"""The judgement: met, missed or undecided, and what is chosen."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from picking import Measured, bench, model

from edgefashion.errors import UsageError
from edgefashion.pick import Point, limits, pick
from edgefashion.pick.choice import judge
from edgefashion.pick.figures import Figure
from edgefashion.records import Interval
from edgefashion.records.pick import Candidate, Choice, Constraint

MS = Constraint("p50", 1e-3)
SHARE = Constraint("accuracy", 0.9)


def chosen_of(*models: Measured, prefer: Any = "accuracy", noise: str = "quiet", **wanted: Any) -> Choice:
    """What is picked from these models under these limits."""
    return pick(bench(*models, noise=noise), [each.cell for each in models], limits(**wanted), prefer=prefer)


def name_of(choice: Choice) -> str | None:
    return choice.candidate(choice.chosen).artifact.variant if choice.chosen else None


@pytest.mark.parametrize(
    ("constraint", "low", "high", "verdict"),
    [
        (MS, 0.8e-3, 0.9e-3, "met"),
        (MS, 0.8e-3, 1e-3, "met"),
        (MS, 0.8e-3, 1.1e-3, "undecided"),
        (MS, 1e-3, 1.1e-3, "undecided"),
        (MS, 1.1e-3, 1.2e-3, "missed"),
        (SHARE, 0.91, 0.92, "met"),
        (SHARE, 0.9, 0.92, "met"),
        (SHARE, 0.89, 0.92, "undecided"),
        (SHARE, 0.89, 0.9, "undecided"),
        (SHARE, 0.88, 0.89, "missed"),
    ],
)
def test_the_whole_interval_decides(constraint: Constraint, low: float, high: float, verdict: str) -> None:
    """On the good side it is met, on the bad side missed, and across the limit it cannot be told."""
    found = judge(constraint, Figure(Interval(value=(low + high) / 2, low=low, high=high)), cell="a")
    assert verdict == found.verdict


@given(st.tuples(*[st.floats(0.01, 1)] * 4), st.sampled_from(["p50", "F1"]))
def test_excess_is_the_distance_from_the_limit(numbers: tuple[float, ...], quantity: Any) -> None:
    """Above zero is beyond the limit whichever way it goes, and low, value and high stay in this order."""
    limit, (low, value, high) = numbers[0], sorted(numbers[1:])
    found = judge(Constraint(quantity, limit, "Coat"), Figure(Interval(value=value, low=low, high=high)), cell="a")
    sign = 1 if quantity == "p50" else -1
    assert sign * (value - limit) == found.excess.value
    assert found.excess.low <= found.excess.value <= found.excess.high
    assert {"missed": found.excess.low > 0, "met": found.excess.high <= 0, "undecided": True}[found.verdict]


def test_a_floor_above_the_limit_is_missed() -> None:
    """Where p99 is not known, a p90 that is too long decides; one that is short enough does not."""
    floor = Figure(Interval(value=1.2, low=1.1, high=1.3), is_floor=True, why="too few calls", samples=10)
    assert judge(Constraint("p99", 1.0), floor, cell="a").verdict == "missed"
    below = judge(Constraint("p99", 2.0), floor, cell="a")
    assert (below.verdict, below.why, below.samples_to_tell) == ("undecided", "too few calls", None)


def test_what_would_tell_is_said() -> None:
    """An end two units from an estimate that is one unit from the limit needs four times the samples."""
    crossing = Figure(Interval(value=2e-3, low=0, high=5e-3), samples=10)
    assert judge(MS, crossing, cell="a").samples_to_tell == 40
    assert judge(Constraint("p50", 3e-3), crossing, cell="a").samples_to_tell == 90  # here the other end decides
    on_the_limit = judge(Constraint("p50", 2e-3), crossing, cell="a")
    assert (on_the_limit.verdict, on_the_limit.samples_to_tell) == ("undecided", None)
    assert judge(Constraint("p50", 6e-3), crossing, cell="a").samples_to_tell is None


def test_one_that_meets_all_is_chosen() -> None:
    """PASS: the most accurate of those that certainly keep every limit, whatever else is better."""
    choice = chosen_of(
        model("large", size=200_000, right=9_600),
        model("slow", right=9_500, p99_us=400),
        model("good", right=9_450),
        model("worse", right=9_440),
        max_size="100kB",
        min_accuracy="0.93",
        max_p99="200us",
    )
    assert (choice.verdict, name_of(choice), choice.preferable) == ("PASS", "good", [])
    assert choice.out_of_reach == []


@pytest.mark.parametrize(("prefer", "best"), [("accuracy", "accurate"), ("latency", "fast"), ("size", "small")])
def test_what_is_preferred_comes_first(prefer: str, best: str) -> None:
    """Among those that keep the limits the preference decides, and the other two figures between equals."""
    choice = chosen_of(
        model("accurate twin", right=9_500, p50_us=100, size=50_001),
        model("accurate", right=9_500, p50_us=100),
        model("fast twin", right=9_380, p50_us=50),
        model("fast", p50_us=50, right=9_400),
        model("small twin", size=10_000, right=9_390),
        model("small", size=10_000, right=9_400),
        min_accuracy="0.9",
        prefer=prefer,
    )
    assert best == name_of(choice)


def test_a_limit_that_nothing_keeps_fails() -> None:
    """FAIL: the limit is named with the candidate that comes closest and by how much it misses."""
    choice = chosen_of(model("a", size=150_000), model("b", size=120_000), max_size="100kB", max_p99="200us")
    assert (choice.verdict, choice.chosen) == ("FAIL", None)
    (closest,) = choice.out_of_reach
    assert (closest.cell, closest.constraint.quantity, closest.excess.value) == ("b 1 1", "size", 20_000)


def test_limits_that_nothing_keeps_together_fail() -> None:
    """FAIL without any limit out of reach: one candidate is too large and the other too slow."""
    choice = chosen_of(model("a", size=150_000), model("b", p99_us=300), max_size="100kB", max_p99="200us")
    assert (choice.verdict, choice.out_of_reach) == ("FAIL", [])
    assert [[each.constraint.quantity for each in one.missed] for one in choice.candidates] == [["size"], ["p99"]]


def test_an_interval_across_a_limit_is_inconclusive() -> None:
    """INCONCLUSIVE: one candidate certainly misses, of the other it cannot be told."""
    choice = chosen_of(model("a", p99_us=195), model("b", p99_us=300), max_p99="200us")
    assert (choice.verdict, choice.chosen) == ("INCONCLUSIVE", None)
    assert [each.findings[0].verdict for each in choice.candidates] == ["undecided", "missed"]


def test_a_missed_limit_decides_where_another_cannot_be_told() -> None:
    """FAIL: that p99 is open does not matter for a file that is too large."""
    choice = chosen_of(model("a", p99_us=195, size=150_000), max_p99="200us", max_size="100kB")
    assert choice.verdict == "FAIL"


def test_one_that_may_be_better_is_named() -> None:
    """A candidate that would be preferred, were its limit met, stands beside the choice; a worse one does not."""
    choice = chosen_of(
        model("open", right=9_500, p99_us=195),
        model("sure", right=9_400),
        model("open and worse", right=9_300, p99_us=195),
        max_p99="200us",
    )
    assert (name_of(choice), choice.preferable) == ("sure", ["open 1 1"])
    assert choice.candidate("sure 1 1").dominated_by == "open 1 1"


def test_what_cannot_be_placed_is_not_chosen() -> None:
    """A model of unknown accuracy keeps every limit on size and speed, and nobody knows whether it is any good."""
    choice = chosen_of(model("foreign", right=None), max_size="100kB")
    assert (choice.verdict, choice.chosen) == ("INCONCLUSIVE", None)
    (foreign,) = choice.candidates
    assert (foreign.unplaced, foreign.is_on_front) == ("its decisions were not judged", False)


def test_nothing_is_chosen_on_an_invalid_machine() -> None:
    """Where latencies mean nothing there is no front, whatever is limited."""
    assert chosen_of(model("a"), noise="invalid", max_size="100kB").verdict == "INCONCLUSIVE"


def test_the_dominator_is_named() -> None:
    """Who is not on the front is told of a member that was measured no worse in anything."""
    first, second = chosen_of(model("a", right=9_000), model("b", right=9_100)).candidates
    assert (first.dominated_by, second.dominated_by) == ("b 1 1", None)


def test_an_unknown_class_is_refused() -> None:
    """A limit on a class that the data does not have is a mistake in writing."""
    with pytest.raises(UsageError, match="unknown class 'Shrit': did you mean 'Shirt'"):
        chosen_of(model("a"), min_class_f1=["Shrit=0.8"])


def test_a_choice_survives_its_json() -> None:
    """What a program reads is the whole judgement."""
    choice = chosen_of(model("a", p99_us=None), model("b", right=None), max_p99="200us", min_class_f1=["Coat=0.8"])
    read = msgspec.json.decode(choice.to_json(), type=Choice)
    assert msgspec.structs.replace(read, seal=choice.seal) == choice


MODELS = st.lists(
    st.builds(
        dict,
        size=st.sampled_from([10_000, 50_000, 90_000, 110_000]),
        right=st.sampled_from([9_200, 9_300, 9_340, 9_400, None]),
        p50_us=st.sampled_from([50, 100, None]),
        p99_us=st.sampled_from([150, 195, 300, None]),
    ),
    min_size=1,
    max_size=5,
)


@given(MODELS, st.sampled_from(["accuracy", "latency", "size"]))
def test_the_verdict_follows_from_the_findings(figures: list[dict[str, Any]], prefer: str) -> None:
    """PASS if one that is placed keeps all, FAIL if each misses one, else INCONCLUSIVE; no other beats the choice."""
    models = [model(str(number), **each) for number, each in enumerate(figures)]
    choice = chosen_of(*models, prefer=prefer, max_size="100kB", min_accuracy="0.93", max_p99="200us")
    kept = [each for each in choice.candidates if each.meets_all and not each.unplaced]
    failed = all(any(it.verdict == "missed" for it in each.findings) for each in choice.candidates)
    assert choice.verdict == ("PASS" if kept else "FAIL" if failed else "INCONCLUSIVE")
    assert (choice.chosen is not None) == (choice.verdict == "PASS")
    for each in kept:
        assert not point_of(each).dominates(point_of(choice.candidate(choice.chosen or "")))
    for each in choice.out_of_reach:
        assert all(it.excess.value >= each.excess.value for it in findings_on(each.constraint, choice))


def findings_on(constraint: Constraint, choice: Choice) -> list[Any]:
    return [it for each in choice.candidates for it in each.findings if it.constraint == constraint]


def point_of(candidate: Candidate) -> Point:
    return Point(candidate.artifact.size_bytes, candidate.accuracy.value, candidate.p50_s.value)
