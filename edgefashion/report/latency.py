"""The figure of raw samples: every timed call of every cell."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgefashion.records import BenchReport, CellResult
from edgefashion.report import format as fmt
from edgefashion.report.drawing import BLUE, FAINT, INK, new_figure, nothing_in, shorten, styled, time_axis
from edgefashion.report.words import cell_names, data_notes, results_by_cell, with_shared_settings

_BINS = 400
_SMOOTHING = np.array([1, 4, 6, 4, 1]) / 16


@styled
def latency_distributions(bench: BenchReport) -> Figure:
    """Every timed call of every cell: one row a cell, density above, the calls themselves below."""
    names, results, samples = cell_names(bench.plan), results_by_cell(bench), _samples_s(bench)
    shown = [cell.label for cell in bench.plan.cells if cell.label in samples]
    height_in = 1.5 + 0.62 * len(shown)
    figure = new_figure(9.0, height_in, title="Latency of every timed call", notes=data_notes(bench.data))
    if not shown:
        return nothing_in(figure)
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
        if result and result.median_s:
            axes.plot([result.median_s.value] * 2, [row + 0.05, row - 0.62], color=INK, linewidth=1.2)
    axes.set_xscale("log")
    axes.set_xlim(edges[0], edges[-1])
    axes.set_ylim(len(shown) - 0.6, -0.75)
    time_axis(axes.xaxis, shortest_s=edges[0], longest_s=edges[-1])
    axes.set_yticks(range(len(shown)), [shorten(names[label]) for label in shown])
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="x")
    axes.set_xlabel("time of one call, logarithmic")
    axes.set_title(with_shared_settings(bench.plan, "a line marks the median"))
    return figure


def _samples_s(bench: BenchReport) -> dict[str, NDArray[np.float64]]:
    calls: dict[str, list[int]] = {}
    for launch in bench.launches:
        calls.setdefault(launch.cell, []).extend(call for block in launch.blocks_ns for call in block)
    return {label: np.array(each) * 1e-9 for label, each in calls.items() if each}


def _draw_calls(axes: Axes, row: int, calls_s: NDArray[np.float64], edges: NDArray[np.float64]) -> None:
    density = np.convolve(np.histogram(calls_s, edges)[0], _SMOOTHING, mode="same")
    middles = np.sqrt(edges[:-1] * edges[1:])
    axes.fill_between(middles, row - 0.62 * density / density.max(), row, color=BLUE, alpha=0.55, linewidth=0)
    axes.axhline(row, color=FAINT, linewidth=0.6, zorder=0)
    jitter = np.random.default_rng(0).uniform(0.06, 0.26, len(calls_s))
    opacity = float(np.clip(300 / len(calls_s), 0.08, 0.7))
    axes.plot(calls_s, row + jitter, ".", color=BLUE, markersize=2, markeredgewidth=0, alpha=opacity, rasterized=True)


def _latency_words(result: CellResult | None, calls: int) -> str:
    median = fmt.duration(result.median_s.value) if result and result.median_s else fmt.MISSING
    p99 = fmt.duration(result.p99_s) if result and result.p99_s is not None else fmt.MISSING
    return f"median {median}\np99 {p99}, {fmt.count(calls)} calls"
