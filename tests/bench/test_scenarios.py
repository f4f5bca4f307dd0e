"""Operating points by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.scenarios import Scenarios, period_s, sort_out
from edgefashion.errors import UsageError

NEITHER = [
    "paced",
    "paced:",
    "paced:0",
    "paced:-1",
    "paced:nan",
    "paced:inf",
    "paced:fast",
    "Closed",
    "closed:5",
    "",
    "pace:5",
]


@given(rate=st.floats(min_value=1e-3, max_value=1e6))
def test_a_pace_is_calls_a_second(rate: float) -> None:
    """What is between two calls is one second divided by it; a closed loop has no pace."""
    assert 1 / rate == period_s(f"paced:{rate}")
    assert period_s("closed") is None


@pytest.mark.parametrize("scenario", NEITHER)
def test_what_is_neither_closed_nor_paced_is_refused(scenario: str) -> None:
    """The sentence quotes it and lists every form there is."""
    with pytest.raises(UsageError) as caught:
        period_s(scenario)
    assert str(caught.value).startswith(
        f"unknown scenario {scenario!r}: expected closed, paced:N (calls a second), batch"
    )


@pytest.mark.parametrize(
    "scenario",
    [*NEITHER, "batch:8", "sustained", "sustained:0", "sustained:long", "sustained:inf", "mlperf", "mlperf:"],
)
def test_a_scenario_that_nobody_knows_is_refused(scenario: str) -> None:
    """Wherever it stands among the others, before anything is measured."""
    with pytest.raises(UsageError) as caught:
        sort_out(["closed", scenario, "batch"])
    assert f"unknown scenario {scenario!r}" in str(caught.value)
    assert "sustained:SECONDS, or mlperf:SingleStream" in str(caught.value)


def test_scenarios_are_sorted_by_how_they_are_measured() -> None:
    """Each once, in the order given: what is planned, how long to go on, and what LoadGen is asked for."""
    names = ["mlperf:Offline", "batch", "sustained:60", "paced:30", "batch", "mlperf:Server", "sustained:1.5"]
    assert Scenarios(("batch", "paced:30"), (60.0, 1.5), ("Offline", "Server")) == sort_out(names)


@pytest.mark.parametrize(
    ("names", "planned"),
    [
        ([], ("closed",)),
        (["sustained:5"], ("closed",)),
        (["paced:10"], ("paced:10",)),
        (["paced:10", "sustained:5"], ("closed", "paced:10")),
        (["mlperf:Offline", "paced:10"], ("closed", "paced:10")),
        (["paced:10", "closed", "sustained:5"], ("paced:10", "closed")),
        (["batch", "sustained:5"], ("batch",)),
    ],
)
def test_what_runs_afterwards_needs_a_closed_loop(names: list[str], planned: tuple[str, ...]) -> None:
    """Long runs and LoadGen take up the cells of the closed loop: without one they would silently measure nothing."""
    assert planned == sort_out(names).planned
