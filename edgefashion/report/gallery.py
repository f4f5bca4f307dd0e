"""The figure of flipped decisions: the pictures themselves, with what both models say of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from edgefashion.records import DataIdentity, Flip, Parity
from edgefashion.report import format as fmt
from edgefashion.report.drawing import COLOURS, GREY, INK, ORANGE, styled
from edgefashion.report.flips import pictured
from edgefashion.report.format import clean
from edgefashion.report.plate import Place, draw_plate
from edgefashion.report.words import data_notes

_MOST = 48
_LONGEST_NAME = 13
_GREEN = COLOURS[2]


@styled
def flips_gallery(parity: Parity, data: DataIdentity) -> Figure:
    """Pictures on which artifact and reference decide differently, those that the reference was surest of first."""
    shown = pictured(parity, data)[:_MOST]
    total = fmt.count(len(parity.flips))
    counted = f"{len(shown)} of {total} shown, " if len(shown) < len(parity.flips) else ""
    notes = [
        f"{counted}largest reference margin first; above each picture its number and true class",
        "was: what the reference says, now: what the artifact says, each with its margin; ✓ marks who is right",
        *data_notes(data),
    ]
    title = f"{parity.artifact.variant}: {total} of {fmt.count(parity.images)} decisions differ"
    return draw_plate([_place(flip, data) for flip in shown], title=title, notes=notes)


def _place(flip: Flip, data: DataIdentity) -> Place:
    now_right, was_right = flip.candidate_class == flip.label, flip.reference_class == flip.label
    was = _says("was", data.labels, flip.reference_class, flip.reference_margin, right=was_right)
    now = _says("now", data.labels, flip.candidate_class, flip.candidate_margin, right=now_right)
    return Place(
        pixels=np.frombuffer(flip.pixels, dtype=np.uint8).reshape(data.image_shape),
        above=f"{flip.index} · {_name(data.labels, flip.label)}",
        below=[(was, INK), (now, _GREEN if now_right else ORANGE if was_right else GREY)],
    )


def _says(when: str, labels: Sequence[str], index: int, margin: float, *, right: bool) -> str:
    return f"{when} {_name(labels, index)} {fmt.significant(margin, 2)}{' ✓' if right else ''}"


def _name(labels: Sequence[str], index: int) -> str:
    return clean(labels[index], _LONGEST_NAME) if 0 <= index < len(labels) else str(index)
