"""One artifact beside its reference."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.decisions import Certificate, Decisions
from edgefashion.records.judgement import Check
from edgefashion.records.training import Environment, Quality
from edgefashion.records.worst_case import Recheck, WorstCases


class Flip(Record, frozen=True):
    """A picture on which two models decide differently."""

    index: int
    label: int
    reference_class: int
    candidate_class: int
    reference_margin: float  # top-1 minus top-2 logit
    candidate_margin: float
    pixels: bytes = b""  # uint8, row by row; only of the flips that the reference was surest of


class Parity(Record, frozen=True):
    """One artifact beside its reference on the same pictures: figures first, verdict last."""

    artifact: ArtifactInfo
    runtime: str
    reference: str
    images: int
    max_abs: float
    mean_abs: float
    max_rel: float  # |candidate - reference| / max(|reference|, 1)
    mean_rel: float
    max_reference_logit: float
    agreement: float
    flips: list[Flip]
    reference_quality: Quality | None  # None when only golden outputs were compared
    quality: Quality | None
    checks: list[Check]
    decisions: Decisions | None = None  # None when only golden outputs were compared, likewise the certificate
    certificate: Certificate | None = None

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)


class Broken(Record, frozen=True):
    """A model of which no figure could be had, and why."""

    artifact: ArtifactInfo
    reason: str


class VerifyReport(Document, frozen=True, kw_only=True):
    """verify.json: the parity of one or more artifacts."""

    kind: Literal["verification"] = "verification"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity
    results: list[Parity]
    environment: Environment
    searches: list[WorstCases] = msgspec.field(default_factory=list)  # for worst inputs, one an artifact
    broken: list[Broken] = msgspec.field(default_factory=list)
    interrupted: bool = False  # a search was stopped before its time
    rechecks: list[Recheck] = msgspec.field(default_factory=list)  # of inputs that earlier searches kept

    @property
    def failed(self) -> list[str]:
        """Variants that did not pass, and by what they were judged."""
        return [
            *(model.reason for model in self.broken),
            *(parity.artifact.variant for parity in self.results if not parity.passed),
            *(f"{found.artifact.variant} on its worst input" for found in self.searches if not found.passed),
            *(f"{again.artifact.variant} on a kept input" for again in self.rechecks if not again.passed),
        ]

    @property
    def passed(self) -> bool:
        """Whether every artifact passed."""
        return not self.failed
