"""The worst inputs that a search found, with what both models answer."""

from collections.abc import Sequence
from math import ceil

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgefashion.records.worst_case import WorstCases, WorstInput
from edgefashion.report import format as fmt
from edgefashion.report.drawing import BLUE, INK, ORANGE, new_figure, shorten, styled
from edgefashion.report.format import clean
from edgefashion.report.worst_case_grids import difference

_COLUMNS = 5


@styled
def worst_inputs(found: WorstCases, labels: Sequence[str]) -> Figure:
    """The largest differences in their order, then the flip of which the reference was surest if it is none of them."""
    shown = list(found.worst)
    if found.surest_flip and found.surest_flip not in shown:
        shown.append(found.surest_flip)
    rows = ceil(len(shown) / _COLUMNS)
    title = f"{clean(found.artifact.variant)}: the worst of {fmt.count(found.tried)} inputs"
    photographs = found.families[0]
    notes = [f"|Δ|: largest difference of a logit; at most {difference(photographs.max_abs)} on the {photographs.name}"]
    figure = new_figure(9.0, 0.8 + 2.5 * rows, title=title, notes=[*notes, "in brackets: top-1 minus top-2 logit"])
    places = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axes in places.flat:
        axes.set_axis_off()
    for axes, each in zip(places.flat, shown, strict=False):
        _picture(axes, each, found.image_shape, labels)
    return figure


def _picture(axes: Axes, each: WorstInput, shape: Sequence[int], labels: Sequence[str]) -> None:
    axes.imshow(np.frombuffer(each.pixels, np.uint8).reshape(shape), cmap="gray", vmin=0, vmax=255)
    axes.set_title(f"|Δ| {difference(each.max_abs)}\n{shorten(each.family)}", loc="center", color=INK, size=8)
    answers = (
        ("reference", each.reference_class, each.reference_margin, BLUE),
        ("candidate", each.candidate_class, each.candidate_margin, ORANGE if each.is_flip else BLUE),
    )
    for line, (who, decided, margin, colour) in enumerate(answers):
        text = f"{who}: {shorten(labels[decided])} ({difference(margin)})"
        axes.text(0.5, -0.05 - 0.11 * line, text, ha="center", va="top", size=7, color=colour, transform=axes.transAxes)
