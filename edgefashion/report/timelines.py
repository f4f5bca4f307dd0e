"""Figures of speed over time, one row a cell: launches of a benchmark, and windows of a long run."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgefashion.records import BenchReport
from edgefashion.report import format as fmt
from edgefashion.report.drawing import BLUE, FAINT, INK, ORANGE, name_rows, new_figure, nothing_in, styled
from edgefashion.report.names import cell_names, reading_order
from edgefashion.report.samples import Floats, calls_s, canary_medians_s
from edgefashion.report.words import data_notes

_CANARY = "canary"
_REACH = 0.45  # of the distance between two rows, by which a line may leave its own


@dataclass(frozen=True)
class Timeline:
    """A row: when something was timed, how far it then was from the row's median, and what to write beside it.

    Attributes:
        name: Of the row.
        times_s: float64[n], ascending.
        changes: Percent above or below the median, float64[n].
        words: Written at the right.
    """

    name: str
    times_s: Floats
    changes: Floats
    words: str


@styled
def generations(bench: BenchReport) -> Figure:
    """The median of each launch over time, and the canary below.

    What moves all rows together is the machine; what moves one is that model. All rows have the same scale.
    """
    rows = _launches(bench)
    figure = new_figure(9.0, 1.6 + 0.55 * len(rows), title="Launches over time", notes=data_notes(bench.data))
    if not rows:
        return nothing_in(figure, "nothing was measured")
    axes = figure.add_subplot()
    _draw(axes, rows, largest=_scale([row.changes for row in rows if row.name != _CANARY]))
    axes.set_xlabel("seconds since measuring began")
    axes.set_title("each launch's median against that of its row; a grey band is ±1 %")
    return figure


@styled
def sustained(bench: BenchReport) -> Figure:
    """The median call of each window of a long run: does the speed change after minutes?"""
    names = cell_names(bench.plan)
    rows = [
        _timeline(
            names.get(run.cell, run.cell),
            np.array([window.started_s for window in run.windows]),
            np.array([window.median_s for window in run.windows]),
            f"change {fmt.ratio(run.change)}" if run.change else "too short to tell",
        )
        for run in bench.sustained
        if run.windows
    ]
    figure = new_figure(9.0, 1.6 + 0.7 * len(rows), title="Sustained load", notes=data_notes(bench.data))
    if not rows:
        return nothing_in(figure, "nothing was measured")
    axes = figure.add_subplot()
    _draw(axes, rows, largest=_scale([row.changes for row in rows]))
    axes.set_xlabel("seconds since the run began")
    axes.set_title("median call of each window against that of its row; a grey band is ±1 %")
    return figure


def _launches(bench: BenchReport) -> list[Timeline]:
    rows = []
    for cell in reading_order(bench.plan):
        mine = [launch for launch in bench.launches if launch.cell == cell.label and any(launch.blocks_ns)]
        if mine:
            times_s = np.array([launch.started_s for launch in mine])
            medians_s = np.array([np.median(calls_s(launch)) for launch in mine])
            rows.append(_timeline(cell_names(bench.plan)[cell.label], times_s, medians_s))
    spun = [canary for canary in bench.canaries if canary.spins_ns]
    if rows and spun:
        times_s = np.array([canary.started_s for canary in spun])
        rows.append(_timeline(_CANARY, times_s, canary_medians_s(spun)))
    return rows


def _timeline(name: str, times_s: Floats, values: Floats, words: str = "") -> Timeline:
    order = np.argsort(times_s)
    changes = 100 * (values[order] / np.median(values) - 1)
    if not words:
        words = f"spread {fmt.share(float(np.std(changes, ddof=1)) / 100)}" if len(changes) > 1 else "one launch"
    return Timeline(name, times_s[order], changes, words)


def _scale(changes: Sequence[Floats]) -> float:
    """Percent that a row has room for: one launch that went wrong must not flatten all others."""
    sizes = np.abs(np.concatenate(changes))
    return max(1.0, min(float(sizes.max()), 4 * float(np.quantile(sizes, 0.9))))


def _draw(axes: Axes, rows: Sequence[Timeline], *, largest: float) -> None:
    scale = _REACH / largest
    for base, row in enumerate(rows):
        heights = base - scale * np.clip(row.changes, -largest, largest)
        axes.axhspan(base - scale, base + scale, color=FAINT, alpha=0.5, linewidth=0)
        axes.axhline(base, color=FAINT, linewidth=0.8, zorder=0)
        colour = INK if row.name == _CANARY else BLUE
        axes.plot(row.times_s, heights, color=colour, linewidth=1, marker=".", markersize=4)
        worst = int(np.argmax(np.abs(row.changes)))
        if abs(row.changes[worst]) > largest:
            place = (float(row.times_s[worst]), float(heights[worst]))
            change = f"{row.changes[worst]:+.0f} %".replace("-", fmt.MINUS)
            axes.annotate(change, place, (0, 2), textcoords="offset points", size=7, ha="center", color=ORANGE)
        axes.annotate(row.words, (1.01, base), xycoords=("axes fraction", "data"), va="center", size=8)
    name_rows(axes, [row.name for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
