"""What quantizing each layer costs and gains, and which layers may stay float32."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Interval, NoiseLevel
from edgefashion.records.training import Environment


class Assignment(Record, frozen=True):
    """One choice of the layers that stay float32, beside the float32 model on the validation pictures."""

    float_layers: list[str]
    int8_layers: list[str]
    size_bytes: int
    logit_noise: float  # mean absolute difference of a logit
    agreement: float
    accuracy_drop: Interval  # as a fraction, paired by picture
    ratio: Interval | None  # latency over float32's, paired; None where not measured, or by too much noise
    p_beyond: float | None = None  # of the test against "the drop is at or beyond the limit", Holm-adjusted
    on_front: bool = False

    @property
    def words(self) -> str:
        """Which layers stay float32."""
        if not self.float_layers:
            return "all int8"
        if not self.int8_layers:
            return "all float32"
        return f"float32: {', '.join(self.float_layers)}"


class SensitivityReport(Document, frozen=True, kw_only=True):
    """sensitivity.json: each layer quantized alone, then assignments from all int8 to all float32."""

    kind: Literal["sensitivity"] = "sensitivity"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    artifact: ArtifactInfo
    data: DataIdentity  # with validation pictures in the place of test pictures
    noise: NoiseLevel | None  # of the machine while latency was measured; None where it was not
    alone: list[Assignment]  # one int8 layer each, the most damaging first
    assignments: list[Assignment]  # from all int8 to all float32
    max_drop: float | None
    chosen: int | None  # index of the assignment within the limit that is to be taken
    sentence: str
    environment: Environment

    @property
    def float_layers(self) -> list[str]:
        """The layers that stay float32 in the assignment that was chosen."""
        return self.assignments[self.chosen].float_layers if self.chosen is not None else []


class CalibrationSpread(Record, frozen=True):
    """One scheme calibrated several times on as many pictures, each time on others."""

    scheme: str  # with its settings, as the command line takes it
    calibration_images: int
    seeds: list[int]
    accuracies: list[float]  # one a seed
    agreements: list[float]
    accuracy_drop: Interval  # mean over seeds, with the spread of seeds and of pictures
    agreement: Interval  # mean over seeds with Student's t


class StabilityReport(Document, frozen=True, kw_only=True):
    """stability.json: how far results hang on the pictures that happened to calibrate."""

    kind: Literal["stability"] = "stability"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    artifact: ArtifactInfo
    data: DataIdentity  # with validation pictures in the place of test pictures
    spreads: list[CalibrationSpread]
    sentences: list[str]  # which differences are real; the others are not ranked
    environment: Environment
