"""Figures of raw samples and of what they add up to: every call, every launch over time, every ratio."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgefashion.records import BenchReport, CellResult
from edgefashion.report import format as fmt
from edgefashion.report.drawing import (
    BLUE,
    FAINT,
    GREY,
    INK,
    ORANGE,
    name_rows,
    new_figure,
    nothing_in,
    ratio_axis,
    shorten,
    styled,
    time_axis,
)
from edgefashion.report.names import (
    cell_names,
    measured,
    reading_order,
    results_by_cell,
    with_shared_settings,
)
from edgefashion.report.samples import Floats, calls_by_cell_s
from edgefashion.report.words import data_notes

_BINS = 400
_SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16
_RANK_COLOURS = {"faster": BLUE, "slower": ORANGE}


@styled
def latency_distributions(bench: BenchReport) -> Figure:
    """Every timed call of every cell: one row a cell, density above, the calls themselves below."""
    names, results, samples = cell_names(bench.plan), results_by_cell(bench), calls_by_cell_s(bench)
    shown = [cell.label for cell in reading_order(bench.plan) if cell.label in samples]
    height_in = 1.5 + 0.62 * len(shown)
    figure = new_figure(9.0, height_in, title="Latency of every timed call", notes=data_notes(bench.data))
    if not shown:
        return nothing_in(figure, "nothing was measured")
    axes = figure.add_subplot()
    everything = np.concatenate([samples[label] for label in shown])
    edges = np.geomspace(everything.min() * 0.98, everything.max() * 1.02, _BINS + 1)
    for row, label in enumerate(shown):
        _draw_calls(axes, row, samples[label], edges)
        result = results.get(label)
        axes.annotate(
            _latency_words(result, len(samples[label])),
            (1.01, row),
            xycoords=("axes fraction", "data"),
            va="center",
            size=8,
        )
        if result and result.latency.median_s:
            axes.plot([result.latency.median_s.value] * 2, [row + 0.05, row - 0.62], color=INK, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    time_axis(axes.xaxis, shortest_s=edges[0], longest_s=edges[-1])
    name_rows(axes, [names[label] for label in shown])
    axes.set_ylim(len(shown) - 0.6, -0.75)
    axes.grid(axis="x")
    axes.set_xlabel("time of one call, logarithmic")
    axes.set_title(with_shared_settings(bench.plan, "a line marks the median"))
    return figure


@styled
def ratio_intervals(bench: BenchReport) -> Figure:
    """Time a picture of each cell over that of its reference, with 95 % intervals."""
    names = cell_names(bench.plan)
    # The null model is tens of times faster than any model: its ratio would flatten the others.
    compared = [
        (cell, result.rank, result.comparison.ratio)
        for cell, result in measured(bench)
        if result.comparison and cell.role != "null model"
    ]
    compared.sort(key=lambda each: (each[0].role != "subject", each[0].role == "duplicate", each[2].value))
    references = {cell.reference for cell, *_ in compared} or {bench.plan.reference}
    reference = names[references.pop()] if len(references) == 1 else "each cell's reference"
    title = f"Time a picture, as a ratio to {shorten(reference)}"
    figure = new_figure(9.0, 1.5 + 0.4 * max(len(compared), 2), title=title, notes=data_notes(bench.data))
    if not compared:
        return nothing_in(figure, "not enough launches")
    axes = figure.add_subplot()
    axes.axvline(1, color=INK, linewidth=1)
    for row, (cell, rank, ratio) in enumerate(compared):
        colour = _RANK_COLOURS.get(rank, GREY) if cell.role == "subject" else GREY
        # A round marker would be wider than most intervals.
        axes.plot([ratio.low, ratio.high], [row, row], color=colour, linewidth=6, alpha=0.5, solid_capstyle="butt")
        axes.plot(ratio.value, row, color=colour, marker="|", markersize=12, markeredgewidth=1.5)
        words = f"{fmt.ratio(ratio)}  {rank}"
        axes.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", color=colour)
    axes.set_xscale("log")
    lowest, highest = min(ratio.low for *_, ratio in compared), max(ratio.high for *_, ratio in compared)
    axes.set_xlim(min(lowest * 0.95, 0.9), max(highest * 1.05, 1.1))
    ratio_axis(axes.xaxis, lowest=lowest, highest=highest)
    name_rows(axes, [names[cell.label] for cell, *_ in compared])
    axes.set_ylim(len(compared) - 0.4, -0.6)
    axes.grid(axis="x")
    axes.set_xlabel("ratio with 95 % interval, logarithmic (left is faster)")
    axes.set_title(with_shared_settings(bench.plan, "A/A check: the reference against itself"))
    return figure


def _draw_calls(axes: Axes, row: int, calls_s: Floats, edges: Floats) -> None:
    density = np.convolve(np.histogram(calls_s, edges)[0], _SMOOTHING, mode="same")
    middles = np.sqrt(edges[:-1] * edges[1:])
    axes.fill_between(middles, row - 0.62 * density / density.max(), row, color=BLUE, alpha=0.55, linewidth=0)
    axes.axhline(row, color=FAINT, linewidth=0.6, zorder=0)
    jitter = np.random.default_rng(0).uniform(0.06, 0.26, len(calls_s))
    opacity = float(np.clip(300 / len(calls_s), 0.25, 0.7))
    axes.plot(calls_s, row + jitter, ".", color=BLUE, markersize=2, markeredgewidth=0, alpha=opacity, rasterized=True)


def _latency_words(result: CellResult | None, samples: int) -> str:
    latency = result.latency if result else None
    median, p99 = (
        fmt.duration(interval.value) if interval else fmt.MISSING
        for interval in ((latency.median_s, latency.p99_s) if latency else (None, None))
    )
    return f"median {median}\np99 {p99}, {fmt.count(samples)} samples"
