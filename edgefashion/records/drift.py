"""Where a candidate's tensors depart from their reference: its errors along the graph."""

from math import log10
from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import SCHEMA, Document, Record


class Deviation(Record, frozen=True):
    """How far one tensor is from its reference, over all of its finite elements."""

    max_abs: float
    rms: float  # root of the mean squared difference
    not_finite: int = 0  # elements that are infinite or no number


class CutPoint(Record, frozen=True):
    """A tensor of the candidate whose reference value is known, and the part of the graph that ends in it.

    That part, the segment, begins where the nearest cut points before it end. The *own* error is that of the segment
    when it is fed with reference values; the *accumulated* error is that of the candidate as a whole.
    """

    tensor: str
    reference: str
    layer: str
    operators: list[str]  # of the segment, in the order of execution
    after: list[str]  # tensors of the cut points where the segment begins; the model's input is none
    depth: int  # cut points on the longest way to here, this one included
    elements: int
    peak: float  # largest |reference|
    rms: float  # of the reference
    own: Deviation
    accumulated: Deviation
    measure: Literal["max_abs", "rms"]  # which figure of the own error is judged
    limit: float  # the most of it that rounding explains

    @property
    def departs(self) -> bool:
        """Whether the own error is more than rounding explains."""
        figure = self.own.max_abs if self.measure == "max_abs" else self.own.rms
        return bool(self.own.not_finite) or figure > self.limit

    @property
    def own_sqnr_db(self) -> float | None:
        """Signal-to-quantization-noise ratio of the segment alone; None where it is exact."""
        return sqnr_db(self.rms, self.own.rms)

    @property
    def accumulated_sqnr_db(self) -> float | None:
        """Signal-to-quantization-noise ratio of the candidate up to here; None where it is exact."""
        return sqnr_db(self.rms, self.accumulated.rms)

    @property
    def own_noise(self) -> float:
        """Power of the own error as a share of the signal's; infinite where there is no sound answer."""
        if self.own.not_finite:
            return float("inf")
        if self.own.rms == 0:
            return 0.0
        return (self.own.rms / self.rms) ** 2 if self.rms else float("inf")


class Drift(Document, frozen=True, kw_only=True):
    """drift/<variant>.json: one artifact beside its reference, tensor by tensor in the order of execution."""

    kind: Literal["drift"] = "drift"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    candidate: ArtifactInfo
    reference: str
    images: int
    points: list[CutPoint]
    # What found no counterpart: tensors of the candidate that lie inside segments, and modules or tensors of the
    # reference that the candidate does not compute.
    candidate_only: list[str]
    reference_only: list[str]
    # Largest change of a logit between the file in its usual session and the graph that gives up its tensors, whose
    # operators are not fused.
    unfused_max_abs: float
    peak_logit: float  # largest |reference|

    @property
    def first(self) -> CutPoint | None:
        """The first node that departs; None if none does."""
        return next((point for point in self.points if point.departs), None)

    @property
    def worst(self) -> list[CutPoint]:
        """The cut points that add an error of their own, most noise beside their signal first."""
        noisy = [point for point in self.points if point.own_noise]
        return sorted(noisy, key=lambda point: point.own_noise, reverse=True)


class SegmentCase(Record, frozen=True):
    """One input of a segment that was saved, and what it gave: lies beside its model."""

    model_sha256: str
    candidate: ArtifactInfo
    reference: str
    picture: int  # its index among those that were run
    inputs: list[str]
    point: CutPoint
    error: Deviation  # of the segment on this one picture
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)


def sqnr_db(signal_rms: float, noise_rms: float) -> float | None:
    """10 log10(signal²/noise²) in decibels; None without noise, minus infinity without a signal."""
    if noise_rms == 0:
        return None
    return 20 * log10(signal_rms / noise_rms) if signal_rms else float("-inf")
