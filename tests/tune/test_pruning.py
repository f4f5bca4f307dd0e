"""Pruning: what certainly costs too much, and what can no longer win; nothing else."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion.records import Interval
from edgefashion.records.tuning import CostLimits, Costs

pytest.importorskip("torch")
pytest.importorskip("optuna")

from edgefashion.tune.pruning import (
    FEWEST_FINISHED,
    Finished,
    beyond,
    hopeless,
    violations,
)


def costs(size_bytes: int, latency_us: float | None = None) -> Costs:
    """Costs with a latency known to ± 10 %, or without."""
    if latency_us is None:
        return Costs(size_bytes=size_bytes)
    return Costs(size_bytes, Interval(latency_us * 1e-6, latency_us * 0.9e-6, latency_us * 1.1e-6), "quiet")


@pytest.mark.parametrize(
    ("of", "limits", "expected"),
    [
        (costs(36_181), CostLimits(size_bytes=36_000), "its int8 file has 36,181 bytes, more than 36,000"),
        (costs(36_180), CostLimits(size_bytes=36_000), ""),  # trained, it may have 35,999
        (costs(36_181), CostLimits(), ""),
        (costs(1, 45), CostLimits(latency_s=40e-6), "a call takes at least 40.5 µs, more than 40.0 µs"),
        (costs(1, 44), CostLimits(latency_s=40e-6), ""),  # 39.6 µs are possible
        (costs(1), CostLimits(latency_s=40e-6), ""),
        (costs(9, 45), CostLimits(size_bytes=8, latency_s=40e-6), "its int8 file has 9 bytes, more than 8"),
    ],
)
def test_beyond_a_limit_for_certain(of: Costs, limits: CostLimits, expected: str) -> None:
    """A size is known but for the digits of its manifest; a latency misses its limit only with its whole interval."""
    assert expected == beyond(of, limits)


def test_violations_are_shares_of_the_limits() -> None:
    """The sampler is told how far beyond each limit a network is, and nothing of what is not limited."""
    found = violations(costs(54_000, 20), CostLimits(size_bytes=36_000, latency_s=36e-6))
    assert pytest.approx({"size": 0.4925, "latency": -0.5}) == found
    assert violations(costs(54_000, 20), CostLimits()) == {}


# What can no longer win

SMALL, LARGE = costs(10_000, 20), costs(20_000, 40)
CURVES = [(0.5, 0.7, 0.80), (0.6, 0.7, 0.85), (0.5, 0.8, 0.82), (0.6, 0.8, 0.84), (0.5, 0.6, 0.79)]
FINISHED = [Finished(number, SMALL, curve) for number, curve in enumerate(CURVES)]


def test_training_that_cannot_win_is_stopped() -> None:
    """The most that was gained from epoch 1 on is .32, so .529 could reach .849, and trial 1 has .85 for less."""
    assert hopeless([0.529], LARGE, FINISHED) == (
        "52.90% after epoch 1, and no trial gained more than 32.00 points from there: "
        "trial 1, which costs no more, ended at 85.00%"
    )
    assert hopeless([0.531], LARGE, FINISHED) == ""
    # From epoch 2 on it is .19.
    assert hopeless([0.6, 0.655], LARGE, FINISHED).startswith("65.50% after epoch 2")
    assert hopeless([0.6, 0.661], LARGE, FINISHED) == ""


def test_what_costs_less_in_anything_goes_on() -> None:
    """However bad it is, a network that is smaller or faster than all better ones may be on the front."""
    for cheaper in (costs(9_999, 40), costs(20_000, 19)):
        assert hopeless([0.1], cheaper, FINISHED) == ""
    assert hopeless([0.1], SMALL, FINISHED)


def test_few_trials_say_too_little() -> None:
    """Nothing is stopped before five trials have shown how much a training may gain."""
    assert FEWEST_FINISHED == 5
    assert hopeless([0.1], LARGE, FINISHED[:4]) == ""
    assert hopeless([0.1], LARGE, FINISHED)


def test_last_epoch_is_the_end() -> None:
    """After the last epoch there is nothing left to save, and the trial is completed."""
    assert hopeless([0.1, 0.1, 0.1], LARGE, FINISHED) == ""


curve = st.lists(st.integers(0, 5000).map(lambda right: right / 5000), min_size=4, max_size=4)
trials = st.lists(st.tuples(st.integers(1, 3), st.integers(1, 3), curve), min_size=6, max_size=12)


@settings(max_examples=30)
@given(trials, st.integers(1, 3))
def test_nothing_on_the_front_is_lost(drawn: list[tuple[int, int, list[float]]], epoch: int) -> None:
    """A training that gains no more than some finished one did is stopped only if its end is worse than a rival's."""
    finished = [Finished(number, costs(size, late), curve) for number, (size, late, curve) in enumerate(drawn)]
    for each in finished:
        if hopeless(each.accuracies[:epoch], each.costs, finished):
            rivals = [
                other
                for other in finished
                if other.costs.size_bytes <= each.costs.size_bytes and other.costs.latency_s <= each.costs.latency_s
            ]
            assert max(rival.accuracies[-1] for rival in rivals) > each.accuracies[-1]
