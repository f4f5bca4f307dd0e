"""What was measured: raw samples, and the figures derived from them."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.training import Environment, Quality


class SessionSpec(Record, frozen=True):
    """How a runtime is asked to run an artifact."""

    runtime: str
    provider: str
    threads: int = 1  # intra-op; inter-op is always 1
    spinning: bool = False  # whether idle pool threads burn a core while they wait


class Placement(Record, frozen=True):
    """Which device or provider each node was really given, and how that is known."""

    nodes: dict[str, int]
    source: str

    @property
    def text(self) -> str:
        """For a table: "24 of 24 nodes on CPUExecutionProvider"."""
        total = sum(self.nodes.values())
        return ", ".join(f"{count} of {total} nodes on {provider}" for provider, count in self.nodes.items())


class Cell(Record, frozen=True):
    """One thing that is measured: an artifact in a runtime with every setting that changes its speed."""

    label: str  # unique in its plan
    artifact: ArtifactInfo
    session: SessionSpec
    batch: int


class Plan(Record, frozen=True):
    """What will be measured, and in what order it will be drawn."""

    cells: list[Cell]
    reference: str  # label of the cell that ratios refer to
    duplicate: str  # label of the reference's second copy: its ratio must be 1
    budget_s: float
    max_generations: int
    rounds: int  # blocks per launch
    block_s: float
    seed: int


class Launch(Record, frozen=True):
    """One worker process of one cell in one generation, with its raw samples."""

    cell: str
    generation: int
    cpus: list[int]
    threads_seen: int
    import_s: float
    session_s: float
    first_run_s: float
    steady: bool  # two adjacent warm-up windows agreed before the cap
    warmup_calls: int
    peak_rss_bytes: int
    session_rss_bytes: int  # growth of resident memory while the session was made and first run
    blocks_ns: list[list[int]]  # one list a block, one integer a call


class Interval(Record, frozen=True):
    """An estimate with its two-sided 95 % interval."""

    value: float
    low: float
    high: float


class CellResult(Record, frozen=True):
    """The figures of one cell, all derived from its launches."""

    cell: str
    launches: int
    calls: int
    median_s: Interval | None  # None below two launches
    mean_s: float
    p90_s: float | None  # None where a launch has too few calls to bound the percentile
    p99_s: float | None
    throughput_per_s: float  # images, closed loop
    ratio: Interval | None  # to the reference, paired by generation; None for the reference itself
    rank: Literal["reference", "faster", "slower", "no difference found", "not enough launches"]
    quality: Quality
    placement: Placement
    session_s: float
    peak_rss_bytes: int


class Failure(Record, frozen=True):
    """A cell that could not be measured, and why."""

    cell: str
    reason: str


class BenchReport(Document, frozen=True, kw_only=True):
    """bench.json: plan, raw samples, order, and the figures derived from them."""

    kind: Literal["benchmark"] = "benchmark"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity
    plan: Plan
    launches: list[Launch]
    order: list[str]  # cell labels in the order in which blocks ran
    results: list[CellResult]
    failures: list[Failure]
    warnings: list[str]
    partial: bool
    wall_s: float
    environment: Environment
