"""Which model of a benchmark keeps given limits, and what the others miss."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.benchmark import Label
from edgefashion.records.judgement import GateVerdict, Interval, Noise
from edgefashion.records.training import Environment

Quantity = Literal["size", "accuracy", "p50", "p99", "F1"]
Preference = Literal["accuracy", "latency", "size"]
LimitVerdict = Literal["met", "missed", "undecided"]

_LEAST: tuple[Quantity, ...] = ("accuracy", "F1")


class Constraint(Record, frozen=True):
    """A limit that a model must keep."""

    quantity: Quantity
    limit: float  # bytes, seconds of one call, or a share
    label: str = ""  # the class that an F1 is of

    @property
    def relation(self) -> Literal["≤", "≥"]:
        """Quality has a least, everything else a most."""
        return "≥" if self.quantity in _LEAST else "≤"


class Finding(Record, frozen=True):
    """One limit held against one cell: met or missed where the whole interval lies on one side of it."""

    cell: str
    constraint: Constraint
    figure: Interval | None  # in the limit's unit; None where it is not known
    is_floor: bool  # the figure itself is not known, only that it is no smaller than this
    excess: Interval | None  # how far beyond the limit, in its unit; below zero within it
    verdict: LimitVerdict
    why: str = ""  # why it is undecided; empty where it is not, or where the interval says so
    samples: int | None = None  # launches or pictures that the interval rests on
    samples_to_tell: int | None = None  # about how many of them would decide, if the estimate stayed what it is


class Candidate(Record, frozen=True):
    """One model in one setting, with the figures that place it; None where one is not known."""

    cell: str
    artifact: ArtifactInfo
    accuracy: Interval | None
    p50_s: Interval | None
    findings: list[Finding]  # in the order of the limits
    labels: list[Label]
    unplaced: str = ""  # why it is neither on the front nor behind it, and cannot be chosen; empty where it can
    dominated_by: str | None = None  # a member of the front that is no worse in anything and better in something

    @property
    def is_on_front(self) -> bool:
        """Whether no other candidate measured better in something and worse in nothing."""
        return not self.unplaced and self.dominated_by is None

    @property
    def missed(self) -> list[Finding]:
        """The limits that it certainly does not keep."""
        return [each for each in self.findings if each.verdict == "missed"]

    @property
    def undecided(self) -> list[Finding]:
        """The limits of which it cannot be told."""
        return [each for each in self.findings if each.verdict == "undecided"]

    @property
    def meets_all(self) -> bool:
        """Whether it certainly keeps every limit."""
        return not self.missed and not self.undecided


class Choice(Document, frozen=True, kw_only=True):
    """What `edgefashion pick --json` prints."""

    kind: Literal["choice"] = "choice"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    bench_seal: str  # of the bench.json that every figure is from
    prefer: Preference
    constraints: list[Constraint]
    candidates: list[Candidate]
    verdict: GateVerdict
    chosen: str | None  # a cell; None unless the verdict is PASS
    preferable: list[str]  # cells that would be chosen instead if what is undecided about them turned out well
    out_of_reach: list[Finding]  # of each limit that every candidate misses, the one that comes closest
    data: DataIdentity | None
    noise: Noise
    environment: Environment

    def candidate(self, cell: str) -> Candidate:
        """The candidate of that cell."""
        return next(each for each in self.candidates if each.cell == cell)
