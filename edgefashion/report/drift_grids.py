"""The table of a drift: errors along the graph, and the node where it departs."""

from itertools import groupby

from edgefashion.records.drift import CutPoint, Drift, sqnr_db
from edgefashion.report import format as fmt
from edgefashion.report.format import MINUS, clean
from edgefashion.report.grids import Grid, Row

_SHORT = {"QuantizeLinear": "Q", "DequantizeLinear": "DQ", "DynamicQuantizeLinear": "DynamicQ"}
_NAMED = 3


def drift_grid(drift: Drift) -> Grid:
    """One row a cut point in the order of execution; notes name the first that departs and those that add most."""
    return Grid(
        title=f"Drift of {clean(drift.candidate.name)}/{clean(drift.candidate.variant)} from {clean(drift.reference)}",
        columns=(
            "depth",
            "layer",
            "operators",
            "elements",
            "max |x|",
            "own max |Δ|",
            "own SQNR, dB",
            "limit",
            "total max |Δ|",
            "total SQNR, dB",
            "verdict",
        ),
        rows=tuple(_row(point, first=point == drift.first) for point in drift.points),
        words=frozenset({1, 2, 10}),
        notes=tuple(drift_notes(drift)),
    )


def drift_notes(drift: Drift) -> list[str]:
    """The verdict in words, the nodes that add most error, and what the table does not show."""
    notes = [_verdict(drift)]
    if drift.worst:
        named = (f"{clean(point.layer)} ({_own(point)})" for point in drift.worst[:_NAMED])
        notes.append(f"most error is added by {', '.join(named)}")
    moved = f"that moves the logits by up to {fmt.small(drift.unfused_max_abs)}"
    notes += [
        "own: the operators from the cut point before to this one, on reference values; total: the whole model so far",
        f"{fmt.count(drift.images)} pictures, operators not fused: {moved} of {fmt.small(drift.peak_logit)}",
    ]
    for names, words in (
        (drift.candidate_only, "tensors without counterpart in the reference"),
        (drift.reference_only, "in the reference alone, folded or left out"),
    ):
        if names:
            notes.append(f"{words}: {', '.join(map(clean, names))}")
    if any(_SHORT.keys() & point.operators for point in drift.points):
        notes.append("Q, DQ: QuantizeLinear, DequantizeLinear")
    return notes


def decibels(value: float | None) -> str:
    """A signal-to-noise ratio to the first decimal; "exact" without noise."""
    if value is None:
        return "exact"
    return f"{MINUS if value < 0 else ''}{abs(value):.1f}" if abs(value) != float("inf") else f"{MINUS}∞"


def operators_in_short(operators: list[str]) -> str:
    """Types of operators in order: "DQ ×2, Conv, Q, DQ"."""
    runs = ((_SHORT.get(name, name), len(list(same))) for name, same in groupby(operators))
    return ", ".join(clean(name) if count == 1 else f"{clean(name)} ×{count}" for name, count in runs)


def _row(point: CutPoint, *, first: bool) -> Row:
    cells = (
        str(point.depth),
        clean(point.layer),
        operators_in_short(point.operators),
        fmt.count(point.elements),
        fmt.small(point.peak),
        fmt.small(point.own.max_abs),
        decibels(point.own_sqnr_db),
        _limit(point),
        fmt.small(point.accumulated.max_abs),
        decibels(point.accumulated_sqnr_db),
        "departs first" if first else "departs" if point.departs else "rounding" if point.own_noise else "exact",
    )
    return Row(cells, "bad" if point.departs else "plain")


def _limit(point: CutPoint) -> str:
    """What the own error is held against, in the unit of the figure that is judged."""
    if point.measure == "max_abs":
        return f"|Δ| ≤ {fmt.small(point.limit)}"
    return f"≥ {decibels(sqnr_db(point.rms, point.limit))} dB"


def _own(point: CutPoint) -> str:
    if point.own.not_finite:
        return f"{fmt.count(point.own.not_finite)} values are not finite"
    if point.measure == "max_abs":
        return f"|Δ| up to {fmt.small(point.own.max_abs)}"
    return f"{decibels(point.own_sqnr_db)} dB"


def _verdict(drift: Drift) -> str:
    first = drift.first
    if first is None:
        return "no node departs: each error is of the size that rounding explains"
    return (
        f"first to depart: {clean(first.layer)} ({operators_in_short(first.operators)}), "
        f"{_own(first)} where {_limit(first)} is allowed"
    )
