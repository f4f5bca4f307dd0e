"""Whether the answer to "which model is faster?" depends on how the models are used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from edgefashion.records import Cell, CellResult, Interval, Plan, SustainedRun

Points = Mapping[str, Mapping[str, Interval]]


@dataclass(frozen=True)
class Reversal:
    """Two cells whose order at one operating point is the opposite of that at another.

    Attributes:
        cell: Faster at `point`, slower at `other_point`.
        other_cell: The other way round.
        point: Where `cell` is faster.
        other_point: Where `other_cell` is faster.
    """

    cell: str
    other_cell: str
    point: str
    other_point: str


def compare_points(plan: Plan, results: Sequence[CellResult], sustained: Sequence[SustainedRun]) -> str:
    """The line of `ranking_differs` for everything that was measured; empty where there is only one operating point.

    A point is a scenario with a batch size, and the last fifth of a long run; a cell goes by its model and session.
    """
    points: dict[str, dict[str, Interval]] = {}
    for result in results:
        cell = plan.cell(result.cell)
        median_s = result.latency.median_s
        if cell.role == "subject" and median_s is not None:
            point = points.setdefault(f"{cell.scenario}, batch {cell.batch}", {})
            point[_model(cell)] = divided(median_s, cell.batch)
    for run in sustained:
        if run.end is not None:
            points.setdefault("the end of a long run", {})[_model(plan.cell(run.cell))] = run.end
    return ranking_differs(points) if len(points) > 1 else ""


def _model(cell: Cell) -> str:
    # A label is its model and session, then batch and scenario: the plan makes the former unique.
    return cell.label.partition(" | batch ")[0]


def divided(interval: Interval, number: int) -> Interval:
    """The interval of a `number`th part."""
    return Interval(value=interval.value / number, low=interval.low / number, high=interval.high / number)


def ranking_differs(points: Points) -> str:
    """One line that says whether the ranking of artifacts differs between operating points.

    Two cells are told apart at a point only where their intervals are disjoint, which errs towards silence: means
    whose 95 % intervals just touch differ at well below 5 % (Schenker & Gentleman 2001, "On judging the significance
    of differences by examining the overlap between confidence intervals").

    Args:
        points: Name of operating point → label of cell → latency a picture. A pair counts where both were measured.
    """
    pairs = _pairs(points)
    if not pairs:
        return "the ranking of artifacts cannot be compared: no two of them were measured at two operating points"
    reversal = find_reversal(points)
    if reversal is not None:
        return (
            f"the ranking of artifacts differs between operating points: {reversal.cell} is faster than "
            f"{reversal.other_cell} at {reversal.point}, and slower at {reversal.other_point}"
        )
    unclear = [(pair, point) for pair, orders in pairs.items() for point, order in orders.items() if not order]
    if not unclear:
        return "the ranking of artifacts is the same at all operating points"
    (cell, other), point = unclear[0]
    tied = f"{cell} and {other} cannot be told apart at {point}"
    if {pair for pair, _ in unclear} == set(pairs):
        return f"whether the ranking of artifacts differs between operating points cannot be told: {tied}"
    return f"the ranking of artifacts is the same at all operating points as far as it can be told: {tied}"


def find_reversal(points: Points) -> Reversal | None:
    """The first pair of cells whose order is surely reversed between two points, or None."""
    for (cell, other), orders in _pairs(points).items():
        faster = next((point for point, order in orders.items() if order < 0), None)
        slower = next((point for point, order in orders.items() if order > 0), None)
        if faster is not None and slower is not None:
            return Reversal(cell=cell, other_cell=other, point=faster, other_point=slower)
    return None


def _pairs(points: Points) -> dict[tuple[str, str], dict[str, int]]:
    """Each pair of cells that two points have in common, with its order at each of them."""
    cells = dict.fromkeys(cell for measured in points.values() for cell in measured)
    found = {
        (cell, other): {
            point: _order(measured[cell], measured[other])
            for point, measured in points.items()
            if cell in measured and other in measured
        }
        for cell, other in combinations(cells, 2)
    }
    return {pair: orders for pair, orders in found.items() if len(orders) > 1}


def _order(interval: Interval, other: Interval) -> int:
    """-1 where the first is surely smaller, 1 where it is surely larger, 0 where the intervals share a value."""
    return int(interval.low > other.high) - int(interval.high < other.low)
