"""The figure of a study: accuracy against size and against latency, and the front in both."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from edgefashion.records import Interval
from edgefashion.records.tuning import TunedTrial, TuneReport
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    BLUE,
    COLOURS,
    GREY,
    ORANGE,
    new_figure,
    nothing_in,
    place_labels,
    styled,
    time_axis,
)
from edgefashion.report.tuning_grids import limits_words, trials_words
from edgefashion.report.words import data_notes

_MARKER = 36.0  # square points
_GREEN = COLOURS[2]
_MARGIN = 1.3  # of a logarithmic axis


@dataclass(frozen=True)
class _Shown:
    """A complete trial with everything that is drawn of it."""

    trial: TunedTrial
    accuracy: Interval
    size_bytes: int
    latency: Interval | None


@styled
def tuning_front(report: TuneReport) -> Figure:
    """Each complete trial once a panel; full on the front, blue if picked, orange lines are limits."""
    limits = limits_words(report.limits)
    notes = [trials_words(report), *([f"limits: {limits}"] if limits else []), *data_notes(report.plan.data)]
    timed = report.plan.machine is not None
    figure = new_figure(11.0 if timed else 6.5, 4.6, title=f"{report.study}: the Pareto front", notes=notes)
    shown = [
        _Shown(each, each.accuracy, each.worth.size_bytes, each.costs.latency)
        for each in report.trials
        if each.accuracy and each.worth and each.costs
    ]
    if not shown:
        return nothing_in(figure, "no trial is complete")
    panels = figure.subplots(1, 2 if timed else 1, squeeze=False, sharey=True)[0]
    _draw(panels[0], shown, report, cost=lambda each: each.size_bytes)
    _size_axis(panels[0], [each.size_bytes for each in shown], limit=report.limits.size_bytes)
    panels[0].set_ylabel("accuracy of the int8 model on the validation pictures, %")
    panels[0].set_title("full: on the front; blue: picked, green: keeps the limits, grey: does not")
    if timed:
        _draw(panels[1], shown, report, cost=lambda each: each.latency.value if each.latency else None)
        known = [each.latency for each in shown if each.latency]
        _latency_axis(panels[1], known, limit=report.limits.latency_s)
        panels[1].set_title("the front is that of all three: size, latency and accuracy")
    labelled = [each for each in shown if each.trial.on_front or each.trial.number == report.picked]
    points = [(float(each.size_bytes), 100 * each.accuracy.value) for each in labelled]
    place_labels(panels[0], points, [_MARKER] * len(points), [str(each.trial.number) for each in labelled])
    return figure


def _draw(axes: Axes, shown: Sequence[_Shown], report: TuneReport, *, cost: Callable[[_Shown], float | None]) -> None:
    for each in shown:
        x, y = cost(each), 100 * each.accuracy.value
        if x is None:
            continue
        colour = BLUE if each.trial.number == report.picked else _GREEN if each.trial.keeps(report.limits) else GREY
        inside = colour if each.trial.on_front else "white"
        axes.scatter(x, y, s=_MARKER, facecolor=inside, edgecolor=colour, zorder=3)
    axes.grid()
    axes.margins(y=0.1)


def _size_axis(axes: Axes, sizes: Sequence[int], *, limit: float | None) -> None:
    axes.set_xscale("log")
    axes.set_xlim(min(sizes) / _MARGIN, max(sizes) * _MARGIN)
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 1.5, 2, 3, 5, 7), numticks=12))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda size, _: fmt.size(round(size))))
    axes.set_xlabel("size of the int8 file, logarithmic (left is smaller)")
    _limit(axes, limit)


def _latency_axis(axes: Axes, latencies: Sequence[Interval], *, limit: float | None) -> None:
    if latencies:
        shortest_s = min(each.value for each in latencies) / _MARGIN
        longest_s = max(each.value for each in latencies) * _MARGIN
        axes.set_xscale("log")
        axes.set_xlim(shortest_s, longest_s)
        time_axis(axes.xaxis, shortest_s=shortest_s, longest_s=longest_s)
    axes.set_xlabel("median latency of one call, logarithmic (left is faster)")
    _limit(axes, limit)


def _limit(axes: Axes, limit: float | None) -> None:
    if limit is not None:
        axes.axvline(limit, color=ORANGE, linewidth=0.8, linestyle="--")
