"""Logit noise against latency or size, one marker an assignment."""

from matplotlib.figure import Figure

from edgefashion.records import Assignment, SensitivityReport
from edgefashion.report.drawing import BLUE, GREY, ORANGE, new_figure, place_labels, styled
from edgefashion.report.words import data_notes

_MARKER = 40.0  # square points


@styled
def assignment_front(report: SensitivityReport) -> Figure:
    """Every assignment; those on the front are joined by a line, and the chosen one has a colour of its own."""
    figure = new_figure(9.0, 4.4, title="int8 or float32, layer by layer", notes=data_notes(report.data))
    axes = figure.add_subplot()
    timed = all(each.ratio for each in report.assignments)
    costs = [each.ratio.value if timed and each.ratio else each.size_bytes / 1e3 for each in report.assignments]
    points = [(cost, each.logit_noise) for cost, each in zip(costs, report.assignments, strict=True)]
    front = sorted(point for point, each in zip(points, report.assignments, strict=True) if each.on_front)
    axes.plot(*zip(*front, strict=True), color=GREY, linewidth=1, zorder=1)
    for index, ((cost, noise), each) in enumerate(zip(points, report.assignments, strict=True)):
        if timed and each.ratio:
            axes.plot([each.ratio.low, each.ratio.high], [noise] * 2, color=GREY, linewidth=1, zorder=1)
        colour = ORANGE if index == report.chosen else BLUE if each.on_front else GREY
        axes.scatter(cost, noise, s=_MARKER, color=colour, edgecolor="white", linewidth=0.8, zorder=2)
    axes.set_xlabel("latency / float32, same run" if timed else "size, kB")
    axes.set_ylabel("mean |Δ logit|")
    axes.set_ylim(bottom=-0.05 * max(noise for _, noise in points))
    axes.grid()
    axes.margins(x=0.2, y=0.15)
    place_labels(axes, points, [_MARKER] * len(points), [_label(each) for each in report.assignments])
    return figure


def _label(assignment: Assignment) -> str:
    """How many layers are float32: which, the table says, as each assignment has those of the one before it."""
    if not assignment.float_layers or not assignment.int8_layers:
        return assignment.words
    count = len(assignment.float_layers)
    return f"{count} layer{'s' if count > 1 else ''} float32"
