"""Figures of trainings and benchmarks; each function returns one that no screen is needed for.

plots.save(plots.tradeoff(bench), Path("tradeoff.png"))
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from edgefashion.recipes import published_losses
from edgefashion.records import BenchReport, Quality, TrainingReport
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    look,
    new_figure,
    nothing_in,
    place_labels,
    png,
    ratio_axis,
    save,
    shorten,
    spread,
    styled,
    time_axis,
)
from edgefashion.report.latency import latency_distributions
from edgefashion.report.words import cell_names, data_notes, results_by_cell, variant_qualities, with_shared_settings

__all__ = [
    "confusion_matrix",
    "f1_by_variant",
    "latency_distributions",
    "losses",
    "png",
    "ratio_intervals",
    "save",
    "tradeoff",
]

_RANK_COLOURS = {"faster": BLUE, "slower": ORANGE}
_LARGEST_MARKER = 260  # square points


@styled
def confusion_matrix(quality: Quality, labels: Sequence[str], title: str, *, note: str = "") -> Figure:
    """Pictures by true class (rows) and predicted class (columns); shades are shares of the true class."""
    counts = np.array(quality.confusion)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(6.6, 6.2, title=title, notes=[note] if note else ())
    axes = figure.add_subplot()
    axes.set_title(f"{fmt.count(quality.images)} pictures, accuracy {fmt.percent(quality.accuracy)}")
    # The square root makes a confusion of one in a hundred visible beside hits of ninety.
    axes.imshow(np.sqrt(shares), cmap="Blues", vmin=0, vmax=1.1)
    for (row, column), number in np.ndenumerate(counts):
        if number:
            colour = "white" if shares[row, column] > 0.35 else INK  # noqa: PLR2004 - where dark ink meets dark blue
            axes.text(column, row, fmt.count(number), ha="center", va="center", size=8, color=colour)
    names = [shorten(label) for label in labels]
    axes.set_xticks(range(len(names)), names, rotation=40, ha="right", rotation_mode="anchor", color=INK)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("predicted class")
    axes.set_ylabel("true class")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    return figure


@styled
def losses(training: TrainingReport) -> Figure:
    """Training and validation loss by epoch; the published final losses, where they belong, drawn as dashes."""
    published = published_losses(training)
    figure = new_figure(7.2, 4.2, title=f"Loss of {training.recipe.name}", notes=data_notes(training.data))
    axes = figure.add_subplot()
    epochs = [each.epoch for each in training.history]
    series = {
        "training": [each.train_loss for each in training.history],
        "validation": [each.validation_loss for each in training.history],
    }
    for (_, values), colour, marker in zip(series.items(), (BLUE, ORANGE), "os", strict=True):
        axes.plot(epochs, values, color=colour, marker=marker, markersize=4)
    axes.set_ylim(bottom=0)
    if published:
        for value, colour in zip(published, (BLUE, ORANGE), strict=True):
            axes.axhline(value, color=colour, linestyle=(0, (5, 4)), linewidth=0.9, alpha=0.6)
        words = f"published: {published[0]:.3f} training, {published[1]:.3f} validation"
        axes.annotate(
            words, (0, min(published)), (4, -4), ("axes fraction", "data"), "offset points", va="top", color=GREY
        )
    ends = [values[-1] for values in series.values()]
    heights = spread(ends, 0.055 * axes.get_ylim()[1])
    for name, end, height, colour in zip(series, ends, heights, (BLUE, ORANGE), strict=True):
        axes.annotate(
            f"{name} {end:.3f}", (1.01, height), xycoords=("axes fraction", "data"), va="center", color=colour
        )
    axes.set_xlabel("epoch")
    axes.set_ylabel("cross-entropy, nats")
    axes.set_title(f"the weights of epoch {training.best_epoch} were kept: lowest validation loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
    return figure


@styled
def f1_by_variant(bench: BenchReport) -> Figure:
    """F1 of each class by artifact, and beside it what each artifact changes against the reference."""
    qualities = variant_qualities(bench)
    figure = new_figure(9.0, 4.8, title="F1 per class", notes=data_notes(bench.data))
    if not qualities:
        return nothing_in(figure)
    reference = results_by_cell(bench).get(bench.plan.reference)
    base_quality = reference.quality if reference else next(iter(qualities.values()))
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
    levels.set_yticks(rows, [shorten(bench.data.labels[index]) for index in order])
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
    cells = [cell for cell in bench.plan.cells if cell.label in results and cell.label != bench.plan.duplicate]
    timed = [(cell, results[cell.label], median) for cell in cells if (median := results[cell.label].median_s)]
    left_out = [shorten(names[cell.label]) for cell in cells if results[cell.label].median_s is None]
    notes = [*data_notes(bench.data), *([f"fewer than two launches: {', '.join(left_out)}"] if left_out else [])]
    figure = new_figure(9.0, 4.4, title="Accuracy, latency and size", notes=notes)
    if not timed:
        return nothing_in(figure)
    axes = figure.add_subplot()
    points = [(median.value, 100 * result.quality.accuracy) for _, result, median in timed]
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


@styled
def ratio_intervals(bench: BenchReport) -> Figure:
    """Time a picture of each cell over that of the reference, with 95 % intervals."""
    names = cell_names(bench.plan)
    compared = [(result, result.ratio) for result in bench.results if result.ratio]
    compared.sort(key=lambda pair: (pair[0].cell == bench.plan.duplicate, pair[1].value))
    title = f"Time a picture, as a ratio to {shorten(names[bench.plan.reference])}"
    figure = new_figure(9.0, 1.5 + 0.4 * max(len(compared), 2), title=title, notes=data_notes(bench.data))
    if not compared:
        return nothing_in(figure)
    axes = figure.add_subplot()
    axes.axvline(1, color=INK, linewidth=1)
    for row, (result, ratio) in enumerate(compared):
        colour = _RANK_COLOURS.get(result.rank, GREY)
        axes.plot([ratio.low, ratio.high], [row, row], color=colour, linewidth=2.5, solid_capstyle="butt")
        axes.plot(ratio.value, row, color=colour, marker="o", markersize=5)
        words = f"{fmt.ratio(ratio)}  {result.rank}"
        axes.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", color=colour)
    axes.set_xscale("log")
    lowest, highest = min(ratio.low for _, ratio in compared), max(ratio.high for _, ratio in compared)
    axes.set_xlim(min(lowest * 0.95, 0.9), max(highest * 1.05, 1.1))
    ratio_axis(axes.xaxis, lowest=lowest, highest=highest)
    axes.set_yticks(range(len(compared)), [shorten(names[result.cell]) for result, _ in compared])
    axes.set_ylim(len(compared) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("ratio with 95 % interval, logarithmic (left is faster)")
    axes.set_title(with_shared_settings(bench.plan, "A/A check: the reference against itself"))
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
