"""What models answer on an emulated processor, beside this one's answers: correctness, never a latency."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Check
from edgefashion.records.training import Environment


class EmulatedResult(Record, frozen=True):
    """One artifact on one emulated processor."""

    artifact: ArtifactInfo
    runtime: str  # with its version, the same on both sides
    processor: str  # by the emulator's name, as cortex-a53
    images: int
    equal_decisions: int  # pictures with the same top-1 class
    equal_logits: int  # pictures whose logits are the same bits
    max_abs: float  # largest difference of a logit
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)


class EmulatedReport(Document, frozen=True, kw_only=True):
    """Every artifact on every emulated processor; the machine beside it is the one that emulated."""

    kind: Literal["emulated"] = "emulated"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity
    architecture: str  # as its own system names it
    emulator: str  # with its version
    python: str  # there
    versions: dict[str, str]  # of packages there
    results: list[EmulatedResult]
    environment: Environment

    @property
    def passed(self) -> bool:
        """Whether every artifact answers there as it does here."""
        return all(result.passed for result in self.results)
