"""Which flipped decisions come with their picture, and what the figures of them are called; nothing is drawn here."""

import math
import re

from edgefashion.records import DataIdentity, Flip, Parity, VerifyReport
from edgefashion.report.names import variant_names

_UNFIT_FOR_A_FILE = re.compile(r"[^\w.+-]")


def surest_first(parity: Parity) -> list[Flip]:
    """Every flip, that with the largest reference margin first."""
    return sorted(parity.flips, key=lambda flip: flip.reference_margin, reverse=True)


def pictured(parity: Parity, data: DataIdentity) -> list[Flip]:
    """The flips whose picture is there and has the data's shape, surest first."""
    size = math.prod(data.image_shape)
    return [flip for flip in surest_first(parity) if len(flip.pixels) == size]


def galleries(report: VerifyReport) -> dict[str, Parity]:
    """For the name of each gallery, fit for a file, the artifact whose flips it shows."""
    names = variant_names(parity.artifact for parity in report.results)
    return {
        f"flips-{_UNFIT_FOR_A_FILE.sub('-', names[parity.artifact.sha256])}": parity
        for parity in report.results
        if pictured(parity, report.data)
    }
