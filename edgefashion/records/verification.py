"""One artifact beside its reference."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.training import Environment, Quality


class Flip(Record, frozen=True):
    """A picture on which two models decide differently."""

    index: int
    label: int
    reference_class: int
    candidate_class: int
    reference_margin: float  # top-1 minus top-2 logit
    candidate_margin: float


class Check(Record, frozen=True):
    """One figure held against one limit."""

    name: str
    value: float
    limit: float
    relation: Literal["≤", "≥"]

    @property
    def passed(self) -> bool:
        """Whether the figure respects the limit."""
        return self.value <= self.limit if self.relation == "≤" else self.value >= self.limit


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

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)


class VerifyReport(Document, frozen=True, kw_only=True):
    """verify.json: the parity of one or more artifacts."""

    kind: Literal["verification"] = "verification"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity
    results: list[Parity]
    environment: Environment

    @property
    def passed(self) -> bool:
        """Whether every artifact passed."""
        return all(parity.passed for parity in self.results)
