"""What the parent and the child say to each other: one line of JSON each way."""

from edgefashion.records import Record, Scenario, SessionSpec


class Job(Record, frozen=True):
    """What the child is to do."""

    artifact: str  # path
    sha256: str
    session: SessionSpec
    cpus: list[int]
    inputs: str  # path of a .npy: [pictures, …]
    expected: str  # path of a .npy: [pictures, …], answers to `inputs` taken `batch` at a time
    batch: int  # pictures a call
    scenario: Scenario
    seconds: float
    target_qps: float | None  # of Server; None: half of what a closed loop answers
    latency_bound_s: float  # of Server
    logs: str  # folder


class Reply(Record, frozen=True):
    """What the child found out beside LoadGen's logs; an error if it could not do its job."""

    error: str = ""
    closed_loop_s: float = 0.0
    target_qps: float | None = None
    threads_seen: int = 0
