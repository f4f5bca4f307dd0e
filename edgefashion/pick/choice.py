"""The judgement: every limit held against every candidate, and the choice that follows."""

from collections.abc import Callable, Mapping, Sequence
from math import ceil

import msgspec

from edgefashion.errors import UsageError
from edgefashion.pick.figures import Figure, figure_of
from edgefashion.pick.front import Point, dominators
from edgefashion.records import BenchReport, Cell, Interval
from edgefashion.records.judgement import GateVerdict
from edgefashion.records.pick import Candidate, Choice, Constraint, Finding, LimitVerdict, Preference
from edgefashion.registry import unknown

# What is asked first comes first; the others decide between equals. Less is better in every place.
_ORDERS: Mapping[Preference, Callable[[Point], tuple[float, float, float]]] = {
    "accuracy": lambda point: (-point.accuracy, point.latency_s, point.size_bytes),
    "latency": lambda point: (point.latency_s, -point.accuracy, point.size_bytes),
    "size": lambda point: (point.size_bytes, -point.accuracy, point.latency_s),
}


def pick(
    bench: BenchReport, cells: Sequence[Cell], constraints: Sequence[Constraint], *, prefer: Preference = "accuracy"
) -> Choice:
    """The best of `cells` among those that certainly keep every limit.

    A limit is met or missed where the whole 95 % interval lies on one side of it. PASS: one candidate at least meets
    them all; the best of these is chosen by its measured figures, so that none of the others dominates it. FAIL: each
    misses one. INCONCLUSIVE: neither, or accuracy or latency of what might be chosen is not known.

    Args:
        bench: A stored benchmark; latencies of two are not comparable.
        cells: The candidates, of its plan.
        constraints: The limits; without any the best of all is chosen.
        prefer: What counts first among those that meet the limits.

    Raises:
        UsageError: A limit is on a class that the benchmark's data does not have.
    """
    _check_classes(bench, constraints)
    candidates = [_candidate(cell, bench, constraints) for cell in cells]
    points = _points(candidates)
    behind = _dominators(points)
    candidates = [msgspec.structs.replace(each, dominated_by=behind.get(each.cell)) for each in candidates]
    placed = [each for each in candidates if each.cell in points]
    ranked = sorted(placed, key=lambda each: _ORDERS[prefer](points[each.cell]))
    chosen = next((each for each in ranked if each.meets_all), None)
    ahead = ranked[: ranked.index(chosen)] if chosen else []
    return Choice(
        bench_seal=bench.seal,
        prefer=prefer,
        constraints=list(constraints),
        candidates=candidates,
        verdict=_verdict(candidates, chosen),
        chosen=chosen.cell if chosen else None,
        preferable=[each.cell for each in ahead if not each.missed],
        out_of_reach=_out_of_reach(candidates, constraints),
        data=bench.data,
        noise=bench.noise,
        environment=bench.environment,
    )


def judge(constraint: Constraint, figure: Figure, *, cell: str) -> Finding:
    """One limit held against one figure."""
    excess = figure.interval and _excess(constraint, figure.interval)
    verdict: LimitVerdict = "undecided"
    if excess and excess.low > 0:
        verdict = "missed"
    elif excess and excess.high <= 0 and not figure.is_floor:
        verdict = "met"
    is_open = verdict == "undecided"
    return Finding(
        cell=cell,
        constraint=constraint,
        figure=figure.interval,
        is_floor=figure.is_floor,
        excess=excess,
        verdict=verdict,
        why=figure.why if is_open else "",
        samples=figure.samples,
        samples_to_tell=_samples_to_tell(excess, figure.samples) if is_open and not figure.is_floor else None,
    )


def _candidate(cell: Cell, bench: BenchReport, constraints: Sequence[Constraint]) -> Candidate:
    result = next((each for each in bench.results if each.cell == cell.label), None)
    accuracy, p50 = figure_of("accuracy", cell, bench), figure_of("p50", cell, bench)
    return Candidate(
        cell=cell.label,
        artifact=cell.artifact,
        accuracy=accuracy.interval,
        p50_s=p50.interval,
        findings=[
            judge(each, figure_of(each.quantity, cell, bench, label=each.label), cell=cell.label)
            for each in constraints
        ],
        labels=result.labels if result else [],
        unplaced=accuracy.why or p50.why,
    )


def _points(candidates: Sequence[Candidate]) -> dict[str, Point]:
    """Where each candidate lies whose accuracy and latency are known."""
    return {
        each.cell: Point(each.artifact.size_bytes, each.accuracy.value, each.p50_s.value)
        for each in candidates
        if each.accuracy and each.p50_s
    }


def _dominators(points: Mapping[str, Point]) -> dict[str, str]:
    """A member of the front for each cell that one dominates."""
    cells = list(points)
    places = dominators(list(points.values()))
    return {cell: cells[place] for cell, place in zip(cells, places, strict=True) if place is not None}


def _verdict(candidates: Sequence[Candidate], chosen: Candidate | None) -> GateVerdict:
    if chosen:
        return "PASS"
    return "FAIL" if all(each.missed for each in candidates) else "INCONCLUSIVE"


def _out_of_reach(candidates: Sequence[Candidate], constraints: Sequence[Constraint]) -> list[Finding]:
    """Of each limit that every candidate misses, the finding that comes closest."""
    found = []
    for place in range(len(constraints)):
        findings = [each.findings[place] for each in candidates]
        if all(each.verdict == "missed" for each in findings):
            found.append(min(findings, key=lambda each: each.excess.value if each.excess else 0.0))
    return found


def _excess(constraint: Constraint, figure: Interval) -> Interval:
    """How far the figure lies beyond the limit: above zero is bad, whichever way the limit goes."""
    limit = constraint.limit
    if constraint.relation == "≤":
        return Interval(value=figure.value - limit, low=figure.low - limit, high=figure.high - limit)
    return Interval(value=limit - figure.value, low=limit - figure.high, high=limit - figure.low)


def _samples_to_tell(excess: Interval | None, samples: int | None) -> int | None:
    """About how many samples bring the interval's end to the limit: half-widths shrink with the square root."""
    if excess is None or samples is None or excess.value == 0:
        return None
    end = excess.low if excess.value > 0 else excess.high
    return ceil(samples * ((end - excess.value) / excess.value) ** 2)


def _check_classes(bench: BenchReport, constraints: Sequence[Constraint]) -> None:
    for each in constraints:
        if each.quantity == "F1" and bench.data and each.label not in bench.data.labels:
            raise UsageError(unknown("class", each.label, tuple(bench.data.labels)))
