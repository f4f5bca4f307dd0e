"""Which trials are not worth their training, or the rest of it.

Optuna's own pruners compare one value: `Trial.report` and `should_prune` refuse a study with several objectives. They
could not judge one anyway, as a worse accuracy is no reason to stop a network that is smaller. Both rules here keep
everything that may still be on the front.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from edgefashion.records.tuning import CostLimits, Costs

# Fewer say too little about how much a training may still gain.
FEWEST_FINISHED = 5
# Share of a file that the digits in its manifest, which only the trained model has, may make it smaller or larger.
_DIGITS = 0.005
# Of sums of accuracies, far below a single picture.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Finished:
    """A training that came to its end.

    Attributes:
        number: Of the trial.
        costs: Of its network.
        accuracies: On the validation pictures, after each epoch.
    """

    number: int
    costs: Costs
    accuracies: Sequence[float]


def violations(costs: Costs, limits: CostLimits) -> dict[str, float]:
    """By how much each given limit is missed for certain, as a share of it; zero or less where it may be kept.

    A size is known but for digits; a latency misses its limit where its whole interval lies beyond it.
    """
    found = {}
    if limits.size_bytes is not None:
        found["size"] = (1 - _DIGITS) * costs.size_bytes / limits.size_bytes - 1
    if limits.latency_s is not None and costs.latency is not None:
        found["latency"] = costs.latency.low / limits.latency_s - 1
    return found


def beyond(costs: Costs, limits: CostLimits) -> str:
    """Why a network is not worth training; empty if it may keep the limits."""
    missed = violations(costs, limits)
    if missed.get("size", 0) > 0:
        return f"its int8 file has {costs.size_bytes:,} bytes, more than {limits.size_bytes:,.0f}"
    if costs.latency and limits.latency_s and missed.get("latency", 0) > 0:
        low_us, limit_us = 1e6 * costs.latency.low, 1e6 * limits.latency_s
        return f"a call takes at least {low_us:.1f} µs, more than {limit_us:.1f} µs"
    return ""


def hopeless(accuracies: Sequence[float], costs: Costs, finished: Sequence[Finished]) -> str:
    """Why a training may be stopped; empty if it should go on.

    It may where a finished trial, of a network that costs no more in anything, ended with a better accuracy than this
    one would even if it gained as much until its end as any finished trial gained from this epoch on. Such a trial
    would be dominated. What is assumed is that nothing gains more than the best of at least five did; all trainings of
    a study have the same number of epochs, so that gains from the same epoch are comparable.

    Args:
        accuracies: Of this training, on the validation pictures, after each of its epochs so far.
        costs: Of its network.
        finished: The trials to compare with, all with the same number of epochs.
    """
    epoch = len(accuracies)
    if len(finished) < FEWEST_FINISHED or epoch == len(finished[0].accuracies):
        return ""
    most_gained = max(each.accuracies[-1] - each.accuracies[epoch - 1] for each in finished)
    reach = accuracies[-1] + most_gained + _ROUNDING
    rivals = [each for each in finished if _costs_no_more(each.costs, costs) and each.accuracies[-1] > reach]
    if not rivals:
        return ""
    best = max(rivals, key=lambda each: each.accuracies[-1])
    return (
        f"{accuracies[-1]:.2%} after epoch {epoch}, and no trial gained more than {100 * most_gained:.2f} points from "
        f"there: trial {best.number}, which costs no more, ended at {best.accuracies[-1]:.2%}"
    )


def _costs_no_more(one: Costs, other: Costs) -> bool:
    return one.size_bytes <= other.size_bytes and one.latency_s <= other.latency_s
