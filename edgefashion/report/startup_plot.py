"""The figure of cold starts."""

from collections.abc import Callable, Mapping

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from edgefashion.records import BenchReport, Startup
from edgefashion.report import format as fmt
from edgefashion.report.drawing import COLOURS, name_rows, new_figure, nothing_in, round_duration, styled
from edgefashion.report.names import cell_names, measured, with_shared_settings
from edgefashion.report.words import data_notes

_PARTS: Mapping[str, Callable[[Startup], float]] = {
    "spawn": lambda start: start.spawn_s,
    "imports": lambda start: start.import_s,
    "session": lambda start: start.session_s,
    "first run": lambda start: start.first_run_s,
}
_PART_COLOURS = (COLOURS[6], COLOURS[5], COLOURS[0], COLOURS[1])


@styled
def cold_starts(bench: BenchReport) -> Figure:
    """From nothing to the first answer: one bar a cell, one piece a part."""
    names, shown = cell_names(bench.plan), measured(bench)
    figure = new_figure(9.0, 1.9 + 0.42 * len(shown), title="Cold start", notes=data_notes(bench.data))
    if not shown:
        return nothing_in(figure, "nothing was measured")
    axes = figure.add_subplot()
    starts = [result.startup for _, result in shown]
    left_s = np.zeros(len(starts))
    for (name, part), colour in zip(_PARTS.items(), _PART_COLOURS, strict=True):
        widths_s = np.array([part(start) for start in starts])
        axes.barh(range(len(starts)), widths_s, left=left_s, height=0.6, color=colour, label=name)
        left_s += widths_s
    for row, start in enumerate(starts):
        session, first = fmt.duration(start.session_s), fmt.duration(start.first_run_s)
        words = f"{fmt.duration(start.total_s)} in all\nsession {session}, first run {first}"
        axes.annotate(words, (1.01, row), xycoords=("axes fraction", "data"), va="center", size=8)
    name_rows(axes, [names[cell.label] for cell, _ in shown])
    axes.set_ylim(len(shown) - 0.5, -0.5)
    axes.grid(axis="x")
    axes.xaxis.set_major_formatter(FuncFormatter(lambda seconds, _: round_duration(seconds)))
    axes.set_xlabel("time since the worker was started")
    axes.set_title(with_shared_settings(bench.plan, "until the first answer, median over launches"))
    figure.legend(loc="outside lower right", ncols=len(_PARTS), fontsize=8, frameon=False)
    return figure
