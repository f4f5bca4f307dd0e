"""What was computed elsewhere on the golden pictures, beside what the artifact answers."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Check
from edgefashion.records.training import Environment


class Hypothesis(Record, frozen=True):
    """One way to make the outputs that were found out of the artifact, and how much of them it explains."""

    rank: int
    fault: str
    remedy: str
    unexplained: float  # share of the outputs' variance
    allowed: float  # the share that rounding explains
    agreement: float  # share of the pictures on which it decides like the outputs
    parameters: dict[str, float] = msgspec.field(default_factory=dict)  # what was fitted to the outputs

    @property
    def fits(self) -> bool:
        """Whether no more is left unexplained than rounding explains."""
        return self.unexplained <= self.allowed


class Contract(Record, frozen=True):
    """The outputs beside the golden ones; where they differ, what explains them, best first."""

    artifact: ArtifactInfo
    outputs: str  # where they came from
    images: int
    max_abs: float
    agreement: float  # share of the pictures on which the outputs decide like the artifact
    correct: int  # pictures on which the outputs decide as the label says
    chance: float  # probability that guessing is right as often
    checks: list[Check]
    hypotheses: list[Hypothesis]
    remarks: list[str]  # what was not tried and why, and what else matters
    conclusion: Literal["match", "explained", "another model", "none fits"]
    sentence: str

    @property
    def passed(self) -> bool:
        """Whether the outputs are the artifact's."""
        return self.conclusion == "match"


class ContractReport(Document, frozen=True, kw_only=True):
    """The diagnosis of one file of outputs."""

    kind: Literal["contract"] = "contract"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    contract: Contract
    environment: Environment

    @property
    def passed(self) -> bool:
        """Whether the outputs are the artifact's."""
        return self.contract.passed
