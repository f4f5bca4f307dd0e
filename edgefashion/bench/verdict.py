"""What the figures allow one to say: ranks, labels, and warnings about the measurement itself."""

import math
from collections.abc import Mapping, Sequence

from edgefashion.records import CellResult, Comparison, Interval, Label, Launch, Noise, Placement, Plan, Rank

# Two copies of the same cell may differ by this much before the measurement is called disturbed.
DUPLICATE_TOLERANCE = 0.01


def rank(label: str, plan: Plan, compared: Mapping[str, Comparison], noise: Noise) -> Rank:
    """Faster or slower only if the interval excludes 1, and by more than the reference's own copy differs.

    The duplicate of the reference is the same model in the same setting. If the run was disturbed, a difference
    of the size between the two is what this machine makes out of nothing, and no other cell is ranked by it. Where
    the noise makes the measurement invalid nothing is ranked, and the null model never is.
    """
    if label == plan.cell(label).reference:
        return "reference"
    if label not in compared or plan.duplicate not in compared:
        return "not enough launches"
    if noise.level == "invalid" or plan.cell(label).role == "null model":
        return "not ranked"
    ratio, copy = compared[label].ratio, compared[plan.duplicate].ratio
    floor = abs(math.log(copy.value)) if is_disturbed(copy) and label != plan.duplicate else 0.0
    if ratio.low <= 1 <= ratio.high or abs(math.log(ratio.value)) <= floor:
        return "no difference found"
    return "faster" if ratio.value < 1 else "slower"


def labels(launches: Sequence[Launch], *, half_width: float, precision: float, placement: Placement) -> list[Label]:
    """What a reader must know about one cell: its `half_width` beside the `precision` aimed at, warm-ups, devices."""
    said: list[Label] = []
    if half_width > precision:
        said.append("imprecise")
    if sum(launch.steady for launch in launches) * 2 <= len(launches):
        said.append("no_steady_state")
    if len(placement.nodes) > 1:
        said.append("partial placement")
    return said


def is_disturbed(duplicate: Interval) -> bool:
    """Whether two copies of the same cell were told apart, or differ by more than the tolerance."""
    return not duplicate.low <= 1 <= duplicate.high or abs(duplicate.value - 1) > DUPLICATE_TOLERANCE


def warnings_about(plan: Plan, results: Sequence[CellResult]) -> list[str]:
    """Sentences that belong above the table."""
    said: list[str] = []
    by_cell = {result.cell: result for result in results}
    copy = by_cell[plan.duplicate].comparison if plan.duplicate in by_cell else None
    if copy is not None and is_disturbed(copy.ratio):
        ratio = copy.ratio
        said.append(
            f"the machine was disturbed: two copies of the reference differ by {abs(ratio.value - 1):.1%} "
            f"(95 % interval of their ratio {ratio.low:.3f} to {ratio.high:.3f}); smaller differences mean nothing"
        )
    said += _labelled(results, "no_steady_state", "no steady state in most warm-ups")
    said += _labelled(
        results, "imprecise", f"imprecise (an interval wider than ±{plan.precision:.0%}); a larger --budget helps"
    )
    said += _labelled(results, "partial placement", "partly on another device than asked for")
    return said


def _labelled(results: Sequence[CellResult], label: Label, words: str) -> list[str]:
    cells = [result.cell for result in results if label in result.labels]
    return [f"{words}: {'; '.join(cells)}"] if cells else []
