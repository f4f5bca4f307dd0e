"""The figure of the pictures that every model misses."""

import math
from collections import Counter

import numpy as np
from matplotlib.figure import Figure

from edgefashion.records.confusions import ConfusionsReport, MissedPicture
from edgefashion.report import format as fmt
from edgefashion.report.drawing import GREY, INK, ORANGE, new_figure, nothing_in, styled
from edgefashion.report.format import clean
from edgefashion.report.plate import Place, draw_plate
from edgefashion.report.words import data_notes

_LONGEST_NAME = 13
_MOST_ANSWERS = 3


@styled
def missed_plate(report: ConfusionsReport) -> Figure:
    """Test pictures of the class that every model takes for something else, the surest mistakes first."""
    size = math.prod(report.data.image_shape)
    shown = [picture for picture in report.missed if len(picture.pixels) == size]
    total = fmt.count(len(report.missed))
    title = f"{clean(report.label)}: {total} of {fmt.count(report.images)} pictures that {_who(report)}"
    counted = f"{len(shown)} of {total} shown, " if len(shown) < len(report.missed) else ""
    notes = [
        f"{counted}surest mistakes first; above each picture its number and true class, below it what models answer",
        "confidence: mean over the models; label in doubt: all give the same answer, each at least as surely as usual",
        *data_notes(report.data),
    ]
    if not shown:
        return nothing_in(new_figure(9.0, 2.4, title=title, notes=notes[2:]), "none")
    return draw_plate([_place(picture, report) for picture in shown], title=title, notes=notes)


def _who(report: ConfusionsReport) -> str:
    if len(report.models) == 1:
        return f"{clean(report.models[0].model)} misses"
    return f"all {len(report.models)} models miss"


def _place(picture: MissedPicture, report: ConfusionsReport) -> Place:
    said = [(text, INK) for text in _answers(picture, report.data.labels)]
    doubt = (" · label in doubt", ORANGE) if picture.in_doubt else ("", GREY)
    return Place(
        pixels=np.frombuffer(picture.pixels, dtype=np.uint8).reshape(report.data.image_shape),
        above=f"{picture.index} · {clean(report.label, _LONGEST_NAME)}",
        below=[*said, (f"{picture.mean_confidence:.2f}{doubt[0]}", doubt[1])],
    )


def _answers(picture: MissedPicture, labels: list[str]) -> list[str]:
    """What the models say, the most frequent answer first: "Pullover", or "3 × Pullover" where they differ."""
    if picture.is_unanimous:
        return [clean(labels[picture.answers[0]], _LONGEST_NAME)]
    counts = Counter(picture.answers).most_common(_MOST_ANSWERS)
    return [f"{count} × {clean(labels[index], _LONGEST_NAME)}" for index, count in counts]
