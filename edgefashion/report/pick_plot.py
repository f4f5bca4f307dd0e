"""The figure behind a choice: accuracy, latency and size of every candidate, and which of them are on the front."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgefashion.records import Interval, Plan
from edgefashion.records.pick import Candidate, Choice
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    BLUE,
    COLOURS,
    FAINT,
    GREY,
    INK,
    ORANGE,
    new_figure,
    nothing_in,
    place_labels,
    shorten,
    styled,
    time_axis,
)
from edgefashion.report.names import cell_names, with_shared_settings
from edgefashion.report.pick_words import limit_words
from edgefashion.report.words import data_notes

_LARGEST_MARKER = 260  # square points
_GREEN = COLOURS[2]
_LEGEND = "blue: chosen, green: keeps all limits, orange: cannot be told, grey: misses one"


@styled
def front(choice: Choice, plan: Plan) -> Figure:
    """Accuracy against median latency with both intervals; a marker's area is the size, and it is full on the front."""
    limits = ", ".join(map(limit_words, choice.constraints))
    notes = [*([f"{_LEGEND}; limits: {limits}"] if limits else []), *data_notes(choice.data)]
    figure = new_figure(9.0, 4.8, title="The Pareto front", notes=notes)
    shown = [(each, each.accuracy, each.p50_s) for each in choice.candidates if each.accuracy and each.p50_s]
    if not shown:
        return nothing_in(figure, "no candidate's accuracy and latency are known")
    axes = figure.add_subplot()
    largest = max(each.artifact.size_bytes for each, _, _ in shown)
    areas = [_LARGEST_MARKER * each.artifact.size_bytes / largest for each, _, _ in shown]
    for area, (candidate, accuracy, p50_s) in zip(areas, shown, strict=True):
        _mark(axes, candidate, _colour(candidate, choice), accuracy=accuracy, p50_s=p50_s, area=area)
    _draw_limits(axes, choice)
    _scale(axes, [accuracy for _, accuracy, _ in shown], [p50_s for _, _, p50_s in shown])
    axes.set_xlabel("median latency of one call, logarithmic (left is faster)")
    axes.set_ylabel("accuracy, %")
    axes.set_title(with_shared_settings(plan, "a marker's area is the artifact's size; full: on the front"))
    axes.grid()
    names = cell_names(plan)
    points = [(p50_s.value, 100 * accuracy.value) for _, accuracy, p50_s in shown]
    texts = [f"{shorten(names[each.cell])}\n{fmt.size(each.artifact.size_bytes)}" for each, _, _ in shown]
    place_labels(axes, points, areas, texts)
    return figure


def _mark(axes: Axes, candidate: Candidate, colour: str, *, accuracy: Interval, p50_s: Interval, area: float) -> None:
    x, y = p50_s.value, 100 * accuracy.value
    axes.plot([p50_s.low, p50_s.high], [y, y], color=colour, linewidth=1.2, alpha=0.6)
    axes.plot([x, x], [100 * accuracy.low, 100 * accuracy.high], color=colour, linewidth=0.8, alpha=0.6)
    inside = colour if candidate.is_on_front else "white"
    # Small markers lie on top of large ones, and all of them on top of the intervals.
    axes.scatter(x, y, s=area, facecolor=inside, edgecolor=colour, zorder=4 - area / _LARGEST_MARKER)


def _colour(candidate: Candidate, choice: Choice) -> str:
    if candidate.cell == choice.chosen:
        return BLUE
    if candidate.missed:
        return GREY
    return ORANGE if candidate.undecided else _GREEN


def _draw_limits(axes: Axes, choice: Choice) -> None:
    """The limits that have an axis here."""
    for each in choice.constraints:
        if each.quantity == "accuracy":
            axes.axhline(100 * each.limit, color=INK, linewidth=0.8, linestyle="--")
        elif each.quantity == "p50":
            axes.axvline(each.limit, color=INK, linewidth=0.8, linestyle="--")


def _scale(axes: Axes, accuracies: list[Interval], latencies: list[Interval]) -> None:
    """Room for labels and for every interval."""
    shortest_s = min(each.low for each in latencies) / 1.5
    longest_s = max(each.high for each in latencies) * 1.5
    axes.set_xscale("log")
    axes.set_xlim(shortest_s, longest_s)
    time_axis(axes.xaxis, shortest_s=shortest_s, longest_s=longest_s)
    lowest, highest = min(each.low for each in accuracies), max(each.high for each in accuracies)
    axes.set_ylim(100 * lowest - 0.5, 100 * highest + 0.5)
    axes.tick_params(which="both", color=FAINT)
