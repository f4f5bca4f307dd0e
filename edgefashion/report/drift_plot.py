"""A figure of a drift: signal-to-noise ratio along the graph."""

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from edgefashion.records.drift import Drift, sqnr_db
from edgefashion.report.drawing import BLUE, GREY, ORANGE, new_figure, shorten, styled
from edgefashion.report.drift_grids import drift_notes

_ROWS_PER_IN = 3.5


@styled
def drift_by_depth(drift: Drift) -> Figure:
    """One row a cut point from top to bottom: what it adds itself, and what has gathered up to it.

    What is exact has no ratio and no marker.
    """
    points = drift.points
    names = [shorten(point.layer) for point in points]
    title = f"Drift of {drift.candidate.variant} from {drift.reference}"
    figure = new_figure(7.2, 1.8 + len(points) / _ROWS_PER_IN, title=title, notes=drift_notes(drift)[:2])
    axes = figure.add_subplot()
    rows = range(len(points))
    series = {
        "the node alone": ([point.own_sqnr_db for point in points], BLUE, "o"),
        "up to here": ([point.accumulated_sqnr_db for point in points], ORANGE, "s"),
    }
    for label, (ratios, colour, marker) in series.items():
        known = [(ratio, row) for ratio, row in zip(ratios, rows, strict=True) if _drawable(ratio)]
        axes.plot(*zip(*known, strict=True) if known else ([], []), marker, color=colour, label=label, markersize=5)
    limits = [(sqnr_db(point.rms, point.limit), row) for point, row in zip(points, rows, strict=True)]
    for ratio, row in limits:
        if points[row].measure == "rms" and ratio is not None and _drawable(ratio):
            axes.plot([ratio, ratio], [row - 0.35, row + 0.35], color=GREY, label="" if row else "limit")
    axes.set_yticks(rows, names)
    axes.set_ylim(len(points) - 0.5, -0.5)
    axes.set_xlabel("signal-to-noise ratio, dB")
    axes.xaxis.set_major_locator(MaxNLocator(8))
    axes.grid(axis="x")
    if points:
        axes.legend(loc="best", frameon=False)
    return figure


def _drawable(ratio: float | None) -> bool:
    return ratio is not None and ratio != float("-inf")
