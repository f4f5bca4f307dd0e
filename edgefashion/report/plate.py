"""Many small pictures in one figure, each with a line above it and a few below."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from edgefashion.report.drawing import INK, new_figure

COLUMNS = 6
_WIDTH_IN = 9.0
_SIZE = 7.5
# In widths and heights of a picture: how wide a place of the grid is, and where its texts stand.
_PLACE_WIDTH = 1.2
_ABOVE, _FIRST_BELOW, _LINE, _GAP = -0.03, 1.03, 0.11, 0.25


@dataclass(frozen=True)
class Place:
    """A picture and its texts.

    Attributes:
        pixels: uint8[H, W], 0 is background.
        above: What it is called.
        below: Lines of text, each with its colour.
    """

    pixels: NDArray[np.uint8]
    above: str
    below: Sequence[tuple[str, str]]


def draw_plate(places: Sequence[Place], *, title: str, notes: Sequence[str]) -> Figure:
    """The pictures of one or more places, row by row."""
    rows = -(-len(places) // COLUMNS)
    place_height = _FIRST_BELOW + _LINE * max(len(place.below) for place in places) + _GAP
    figure = new_figure(
        _WIDTH_IN, 0.9 + rows * _WIDTH_IN / COLUMNS * place_height / _PLACE_WIDTH, title=title, notes=notes
    )
    # One frame for all pictures: laying out one for each takes seconds.
    axes = figure.add_subplot()
    axes.set_axis_off()
    for number, place in enumerate(places):
        row, column = divmod(number, COLUMNS)
        _draw(axes, place, left=column * _PLACE_WIDTH, top=row * place_height)
    axes.set_xlim((1 - _PLACE_WIDTH) / 2, COLUMNS * _PLACE_WIDTH - (_PLACE_WIDTH - 1) / 2)
    axes.set_ylim(rows * place_height - _GAP + 0.05, -0.15)
    return figure


def _draw(axes: Axes, place: Place, *, left: float, top: float) -> None:
    axes.imshow(place.pixels, cmap="gray_r", vmin=0, vmax=255, extent=(left, left + 1, top + 1, top))
    middle = left + 0.5
    axes.text(middle, top + _ABOVE, place.above, ha="center", va="bottom", size=_SIZE, weight="bold", color=INK)
    for number, (text, colour) in enumerate(place.below):
        axes.text(middle, top + _FIRST_BELOW + number * _LINE, text, ha="center", va="top", size=_SIZE, color=colour)
