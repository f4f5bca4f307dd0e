"""Faults that were injected on purpose, and whether the gate that stands against each fired."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.training import Environment

FaultVerdict = Literal["caught", "missed", "undecided", "not applicable"]


class FaultResult(Record, frozen=True):
    """One fault, the gate that must see it, and what it said."""

    fault: str
    gate: str
    verdict: FaultVerdict
    evidence: str  # what the gate said or let pass, or why there was nothing to see
    wall_s: float

    @property
    def name(self) -> str:
        """The fault and its gate: some faults have two."""
        return f"{self.fault} ({self.gate})"


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
        """Faults that the gate against them let pass."""
        return [each.name for each in self.faults if each.verdict == "missed"]

    @property
    def undecided(self) -> list[str]:
        """Faults of which the gate said that it cannot tell, as on a noisy machine."""
        return [each.name for each in self.faults if each.verdict == "undecided"]

    @property
    def not_applicable(self) -> list[str]:
        """Faults that this model or this machine cannot have."""
        return [each.name for each in self.faults if each.verdict == "not applicable"]

    @property
    def alarms(self) -> list[str]:
        """Every false alarm."""
        return [f"{each.gate}: {alarm}" for each in self.clean for alarm in each.alarms]

    @property
    def passed(self) -> bool:
        """Whether no fault was missed and nothing else was called one."""
        return not self.missed and not self.alarms
