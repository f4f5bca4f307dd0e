"""Faults that were injected on purpose, and whether the gate that stands against each fired."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.training import Environment


class FaultResult(Record, frozen=True):
    """One fault, the gate that must see it, and what it said."""

    fault: str
    gate: str
    caught: bool
    evidence: str  # what the gate said, or what it let pass
    wall_s: float


class CleanResult(Record, frozen=True):
    """One gate on sound models, several times."""

    gate: str
    repetitions: int
    alarms: list[str]  # what it said where it should have been silent


class SelftestReport(Document, frozen=True, kw_only=True):
    """What `edgefashion selftest --json` prints."""

    kind: Literal["selftest"] = "selftest"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    artifact: ArtifactInfo
    data: DataIdentity
    faults: list[FaultResult]
    clean: list[CleanResult]
    environment: Environment

    @property
    def missed(self) -> list[str]:
        """Faults that no gate saw."""
        return [each.fault for each in self.faults if not each.caught]

    @property
    def alarms(self) -> list[str]:
        """Every false alarm."""
        return [f"{each.gate}: {alarm}" for each in self.clean for alarm in each.alarms]

    @property
    def passed(self) -> bool:
        """Whether every fault was caught and nothing else was called one."""
        return not self.missed and not self.alarms
