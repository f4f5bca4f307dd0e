"""bench.json: raw samples, and the figures derived from them."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Gate, Interval, Noise
from edgefashion.records.operating import LoadgenRun, SustainedRun
from edgefashion.records.plan import Placement, Plan
from edgefashion.records.profile import Roofline
from edgefashion.records.samples import Canary, Failure, HostLoad, Launch
from edgefashion.records.training import Environment, Quality

Rank = Literal["reference", "faster", "slower", "no difference found", "not enough launches", "not ranked"]
Label = Literal["imprecise", "no_steady_state", "partial placement"]


class Latency(Record, frozen=True):
    """Time of one call: each figure is taken within launches, its interval across them."""

    median_s: Interval | None  # None below two launches
    clean_median_s: Interval | None  # of the blocks without involuntary context switches
    mean_s: Interval | None
    p90_s: Interval | None  # None where a launch has too few calls to bound the percentile
    p99_s: Interval | None
    p999_s: Interval | None


class Startup(Record, frozen=True):
    """Seconds of each part of a cold start: median over launches, with the files in the page cache."""

    spawn_s: float
    import_s: float
    session_s: float
    first_run_s: float
    second_run_s: float

    @property
    def total_s(self) -> float:
        """From nothing to the first answer."""
        return self.spawn_s + self.import_s + self.session_s + self.first_run_s


class Comparison(Record, frozen=True):
    """Time a picture over that of the reference, paired by generation."""

    ratio: Interval  # geometric mean with Student's t-interval
    hodges_lehmann: float  # the same without any assumption on the spread's shape
    wilcoxon_p: float  # two-sided, for "no difference"


class Energy(Record, frozen=True):
    """Joules a picture above the idle machine, or why they are unknown."""

    joules_per_image: float | None
    source: str  # the counter, or the reason why there is none


class CellResult(Record, frozen=True):
    """The figures of one cell, all derived from its launches."""

    cell: str
    launches: int
    calls: int
    blocks: int
    disturbed_blocks: int  # with involuntary context switches
    latency: Latency
    throughput_per_s: float  # pictures: observed ones over the time of timed calls
    comparison: Comparison | None  # None for the reference itself, or below two shared generations
    rank: Rank
    labels: list[Label]
    quality: Quality | None  # None where it is not known: a foreign model, a null model
    decisions: bytes  # top-1 class of each test picture, one byte each; empty where not known
    placement: Placement | None
    startup: Startup
    model_bytes: int  # median growth of resident memory through the session and its first run
    peak_bytes: int  # largest resident memory of any launch
    energy: Energy | None
    runtime_version: str = ""  # empty in results of earlier versions
    runtime_bytes: int | None = None  # of the files that a device needs of the runtime; None where not known


class BenchReport(Document, frozen=True, kw_only=True):
    """bench.json: plan, raw samples, order, and the figures derived from them."""

    kind: Literal["benchmark"] = "benchmark"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity | None  # None where no model could be judged by pictures
    plan: Plan
    launches: list[Launch]
    canaries: list[Canary]
    order: list[str]  # cell labels in the order in which blocks ran
    host: HostLoad
    results: list[CellResult]
    failures: list[Failure]
    noise: Noise
    warnings: list[str]
    gate: Gate | None = None
    rooflines: list[Roofline] = msgspec.field(default_factory=list)
    loadgen: list[LoadgenRun] = msgspec.field(default_factory=list)
    sustained: list[SustainedRun] = msgspec.field(default_factory=list)
    operating_points: str = ""  # whether the ranking of models depends on the point; empty where there is only one
    partial: bool
    wall_s: float
    environment: Environment
