"""The figure of flipped decisions: the pictures themselves, with what both models say of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from edgefashion.records import DataIdentity, Flip, Parity
from edgefashion.report import format as fmt
from edgefashion.report.drawing import COLOURS, GREY, ORANGE, new_figure, styled
from edgefashion.report.flips import pictured
from edgefashion.report.format import clean
from edgefashion.report.words import data_notes

_COLUMNS = 6
_MOST = 48
_WIDTH_IN = 9.0
_LONGEST_NAME = 13
_SIZE = 7.5
_GREEN = COLOURS[2]
# In widths and heights of a picture: one place of the grid, and where its texts stand.
_PLACE_WIDTH, _PLACE_HEIGHT = 1.2, 1.5
_ABOVE, _FIRST_BELOW, _SECOND_BELOW = -0.03, 1.03, 1.14


@styled
def flips_gallery(parity: Parity, data: DataIdentity) -> Figure:
    """Pictures on which artifact and reference decide differently, those that the reference was surest of first."""
    shown = pictured(parity, data)[:_MOST]
    rows = -(-len(shown) // _COLUMNS)
    total = fmt.count(len(parity.flips))
    counted = f"{len(shown)} of {total} shown, " if len(shown) < len(parity.flips) else ""
    notes = [
        f"{counted}largest reference margin first; above each picture its number and true class",
        "was: what the reference says, now: what the artifact says, each with its margin; ✓ marks who is right",
        *data_notes(data),
    ]
    title = f"{parity.artifact.variant}: {total} of {fmt.count(parity.images)} decisions differ"
    height_in = 0.9 + rows * _WIDTH_IN / _COLUMNS * _PLACE_HEIGHT / _PLACE_WIDTH
    figure = new_figure(_WIDTH_IN, height_in, title=title, notes=notes)
    # One frame for all pictures: laying out one for each takes seconds.
    axes = figure.add_subplot()
    axes.set_axis_off()
    for number, flip in enumerate(shown):
        row, column = divmod(number, _COLUMNS)
        _draw(axes, flip, data, left=column * _PLACE_WIDTH, top=row * _PLACE_HEIGHT)
    axes.set_xlim((1 - _PLACE_WIDTH) / 2, _COLUMNS * _PLACE_WIDTH - (_PLACE_WIDTH - 1) / 2)
    axes.set_ylim((rows - 1) * _PLACE_HEIGHT + 1.3, -0.15)
    return figure


def _draw(axes: Axes, flip: Flip, data: DataIdentity, *, left: float, top: float) -> None:
    pixels = np.frombuffer(flip.pixels, dtype=np.uint8).reshape(data.image_shape)
    axes.imshow(pixels, cmap="gray_r", vmin=0, vmax=255, extent=(left, left + 1, top + 1, top))
    now_right, was_right = flip.candidate_class == flip.label, flip.reference_class == flip.label
    was = _says("was", data.labels, flip.reference_class, flip.reference_margin, right=was_right)
    now = _says("now", data.labels, flip.candidate_class, flip.candidate_margin, right=now_right)
    name = f"{flip.index} · {_name(data.labels, flip.label)}"
    colour = _GREEN if now_right else ORANGE if was_right else GREY
    middle = left + 0.5
    axes.text(middle, top + _ABOVE, name, ha="center", va="bottom", size=_SIZE, weight="bold")
    axes.text(middle, top + _FIRST_BELOW, was, ha="center", va="top", size=_SIZE)
    axes.text(middle, top + _SECOND_BELOW, now, ha="center", va="top", size=_SIZE, color=colour)


def _says(when: str, labels: Sequence[str], index: int, margin: float, *, right: bool) -> str:
    return f"{when} {_name(labels, index)} {fmt.significant(margin, 2)}{' ✓' if right else ''}"


def _name(labels: Sequence[str], index: int) -> str:
    return clean(labels[index], _LONGEST_NAME) if 0 <= index < len(labels) else str(index)
