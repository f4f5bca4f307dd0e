"""What was seen at operating points other than a short closed loop: under MLPerf LoadGen, and for minutes."""

from typing import Literal

from edgefashion.records.base import Record
from edgefashion.records.judgement import Interval

Scenario = Literal["SingleStream", "MultiStream", "Offline", "Server"]

_SUBMISSION_S = 600  # the minimum duration of every scenario in MLPerf Inference's mlperf.conf


class QueryLatency(Record, frozen=True):
    """Time from a query's scheduled start to its last answer, as LoadGen measured it: all queries of a run."""

    mean_s: float
    p50_s: float
    p90_s: float
    p95_s: float
    p97_s: float
    p99_s: float
    p999_s: float


class LoadgenRun(Record, frozen=True):
    """One run of MLPerf LoadGen on one cell, as LoadGen itself reports it; never an official submission."""

    cell: str
    scenario: Scenario
    loadgen: str  # its version
    valid: bool
    reasons: list[str]  # why it is not, in LoadGen's words; empty where it is
    queries: int
    samples_per_query: int
    batch: int  # pictures a call
    min_duration_s: float
    target_qps: float | None  # of Server, else None
    latency_bound_s: float | None  # of Server: what its 99th percentile must keep, else None
    latency: QueryLatency | None  # None for Offline, whose samples are all scheduled at the start
    samples_per_s: float | None  # pictures; None for MultiStream, where LoadGen does not report it
    closed_loop_s: float  # median direct call of `batch` pictures, in the same process just before
    threads_seen: int
    logs: str  # name of the folder that keeps LoadGen's own logs

    @property
    def samples(self) -> int:
        """Pictures that were asked for."""
        return self.queries * self.samples_per_query

    @property
    def verdict(self) -> str:
        """LoadGen's verdict in a line, with what it is worth."""
        said = "VALID" if self.valid else f"INVALID ({' '.join(self.reasons)})"
        return (
            f"{said} by MLPerf LoadGen {self.loadgen} at a minimum duration of {self.min_duration_s:g} s; "
            f"not an official submission, which takes {_SUBMISSION_S} s and more"
        )


class Window(Record, frozen=True):
    """The calls of about one second."""

    started_s: float  # since the first window began
    calls: int
    median_s: float  # of a call
    p99_s: float | None  # None where there are too few calls, or each is too short to be timed alone


class SustainedRun(Record, frozen=True):
    """One cell in a closed loop for minutes; the figures compare the first fifth of its windows with the last."""

    cell: str
    batch: int
    windows: list[Window]
    start: Interval | None  # seconds a picture in the first fifth; None where the run is too short to tell
    end: Interval | None  # the same in the last fifth
    change: Interval | None  # end / start
