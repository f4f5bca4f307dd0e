"""Figures of quality: F1 of each class, and accuracy against latency."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgefashion.records import BenchReport, Quality
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    FAINT,
    GREY,
    look,
    new_figure,
    nothing_in,
    place_labels,
    shorten,
    styled,
    time_axis,
)
from edgefashion.report.names import cell_names, results_by_cell, subjects, with_shared_settings
from edgefashion.report.words import data_notes, variant_qualities

_LARGEST_MARKER = 260  # square points


@styled
def f1_by_variant(bench: BenchReport) -> Figure:
    """F1 of each class by artifact, and beside it what each artifact changes against the reference."""
    qualities = variant_qualities(bench)
    figure = new_figure(9.0, 4.8, title="F1 per class", notes=data_notes(bench.data))
    if not qualities:
        return nothing_in(figure, "quality is not known")
    reference = results_by_cell(bench).get(bench.plan.reference)
    base_quality = (reference and reference.quality) or next(iter(qualities.values()))
    base = _f1(base_quality)
    order = np.argsort(base)
    levels, changes = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    rows = np.arange(len(base))
    shift = 0.6 / len(qualities)
    for position, (name, quality) in enumerate(qualities.items()):
        f1 = _f1(quality)[order]
        offset = (position - (len(qualities) - 1) / 2) * shift
        style = {**look(position), "linestyle": "none", "markersize": 4.5}
        levels.plot(f1, rows - offset, label=shorten(name), **style)
        if quality is not base_quality:
            changes.plot(100 * (f1 - base[order]), rows - offset, **style)
    levels.set_yticks(rows, [shorten(base_quality.per_class[index].label) for index in order])
    levels.set_title("F1")
    changes.set_title("change against the reference, points")
    changes.axvline(0, color=GREY, linewidth=0.8)
    # Below a tenth of a point either way a change is one picture: do not blow it up to the whole width.
    widest = max(0.1, *np.abs(changes.get_xlim()))
    changes.set_xlim(-widest, widest)
    for axes in (levels, changes):
        axes.set_yticks(np.arange(len(base) + 1) - 0.5, minor=True)
        axes.grid(axis="y", which="minor")
        axes.grid(axis="x")
        axes.tick_params(axis="y", which="both", length=0)
    # The weakest classes are at the bottom left: the bottom right is free.
    levels.legend(loc="lower right", fontsize=8, framealpha=1, edgecolor=FAINT)
    return figure


@styled
def tradeoff(bench: BenchReport) -> Figure:
    """Accuracy against median latency; a marker's area is proportional to its artifact's size."""
    names, results = cell_names(bench.plan), results_by_cell(bench)
    judged = [
        (cell, quality, results[cell.label].latency.median_s)
        for cell in subjects(bench.plan)
        if cell.label in results and (quality := results[cell.label].quality)
    ]
    timed = [(cell, quality, median) for cell, quality, median in judged if median]
    left_out = [shorten(names[cell.label]) for cell, _, median in judged if median is None]
    notes = [*data_notes(bench.data), *([f"fewer than two launches: {', '.join(left_out)}"] if left_out else [])]
    figure = new_figure(9.0, 4.4, title="Accuracy, latency and size", notes=notes)
    if not timed:
        return nothing_in(figure, "not enough launches" if judged else "quality is not known")
    axes = figure.add_subplot()
    points = [(median.value, 100 * quality.accuracy) for _, quality, median in timed]
    largest = max(cell.artifact.size_bytes for cell, _, _ in timed)
    areas = [_LARGEST_MARKER * cell.artifact.size_bytes / largest for cell, _, _ in timed]
    for position, (point, area, (_, _, median)) in enumerate(zip(points, areas, timed, strict=True)):
        colour = look(position)["color"]
        # Small markers lie on top of large ones, and a white rim keeps two at one place apart.
        axes.scatter(*point, s=area, color=colour, edgecolor="white", linewidth=1, zorder=3 - area / _LARGEST_MARKER)
        axes.plot([median.low, median.high], [point[1]] * 2, color=colour, linewidth=1.5)
    axes.set_xscale("log")
    _widen(axes, points)
    axes.set_xlabel("median latency of one call, logarithmic (left is faster)")
    axes.set_ylabel("accuracy, %")
    axes.set_title(with_shared_settings(bench.plan, "a marker's area is the artifact's size"))
    axes.grid()
    texts = [f"{shorten(names[cell.label])}\n{fmt.size(cell.artifact.size_bytes)}" for cell, _, _ in timed]
    place_labels(axes, points, areas, texts)
    return figure


def _f1(quality: Quality) -> NDArray[np.float64]:
    return np.array([each.f1 for each in quality.per_class])


def _widen(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    """Room for labels on all sides, and never an axis so narrow that noise looks like a difference."""
    latencies_s, accuracies = zip(*points, strict=True)
    shortest_s, longest_s = min(latencies_s) / 1.5, max(latencies_s) * 1.5
    axes.set_xlim(shortest_s, longest_s)
    time_axis(axes.xaxis, shortest_s=shortest_s, longest_s=longest_s)
    margin = max(0.3, 0.35 * (max(accuracies) - min(accuracies)))
    axes.set_ylim(min(accuracies) - margin, max(accuracies) + margin)
