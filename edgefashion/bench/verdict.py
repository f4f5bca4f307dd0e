"""What the figures allow one to say: ranks, and warnings about the measurement itself."""

import math
from collections.abc import Mapping, Sequence
from typing import Literal

from edgefashion.bench.analyse import Timing
from edgefashion.records import Interval, Plan

Rank = Literal["reference", "faster", "slower", "no difference found", "not enough launches"]

# Two copies of the same cell may differ by this much before the measurement is called disturbed.
_DUPLICATE_TOLERANCE = 0.01
_INTERVAL_GOAL = 0.05


def rank(label: str, ratio: Interval | None, plan: Plan, *, duplicate: Interval | None) -> Rank:
    """Faster or slower only if the interval excludes 1, and by more than the reference's own copy differs.

    The duplicate of the reference is the same model in the same setting. If the run was disturbed, a difference
    of the size between the two is what this machine makes out of nothing, and no other cell is ranked by it.
    """
    if label == plan.reference:
        return "reference"
    if ratio is None or duplicate is None:
        return "not enough launches"
    floor = abs(math.log(duplicate.value)) if is_disturbed(duplicate) and label != plan.duplicate else 0.0
    if ratio.low <= 1 <= ratio.high or abs(math.log(ratio.value)) <= floor:
        return "no difference found"
    return "faster" if ratio.value < 1 else "slower"


def is_disturbed(duplicate: Interval) -> bool:
    """Whether two copies of the same cell were told apart, or differ by more than the tolerance."""
    return not duplicate.low <= 1 <= duplicate.high or abs(duplicate.value - 1) > _DUPLICATE_TOLERANCE


def warnings_about(plan: Plan, timings: Mapping[str, Timing], ratios: Mapping[str, Interval]) -> list[str]:
    """Sentences that belong above the table."""
    said: list[str] = []
    duplicate = ratios.get(plan.duplicate)
    if duplicate is not None and is_disturbed(duplicate):
        said.append(
            f"the machine was disturbed: two copies of the reference differ by {abs(duplicate.value - 1):.1%} "
            f"(95 % interval of their ratio {duplicate.low:.3f} to {duplicate.high:.3f}); "
            "smaller differences mean nothing"
        )
    said += _unsteady(timings)
    wide = [label for label, ratio in ratios.items() if (ratio.high - ratio.low) / 2 > _INTERVAL_GOAL * ratio.value]
    if wide:
        said.append(f"imprecise (interval wider than ±{_INTERVAL_GOAL:.0%}): {_names(wide)}; a larger --budget helps")
    return said


def _unsteady(timings: Mapping[str, Timing]) -> list[str]:
    unsteady = [label for label, timing in timings.items() if not timing.steady]
    return [f"no steady state after warm-up: {_names(unsteady)}"] if unsteady else []


def _names(labels: Sequence[str]) -> str:
    return "; ".join(labels)
