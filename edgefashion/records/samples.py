"""Raw samples: what a worker process saw, as it saw it."""

from edgefashion.records.base import Record


class ColdStart(Record, frozen=True):
    """Seconds from nothing to the second answer, part by part; each part begins where the one before it ends."""

    spawn_s: float  # from the parent's fork until the worker's first line
    import_s: float
    session_s: float  # reading and checking the file included
    first_run_s: float
    second_run_s: float


class Memory(Record, frozen=True):
    """Resident memory of a worker; a peak is that of its phase alone, where the kernel lets it be reset."""

    imported_bytes: int  # before the session
    model_bytes: int  # after the session and its first run, less the above
    session_peak_bytes: int  # while the session was made and first run
    run_peak_bytes: int  # while it was warmed up and timed
    phases_apart: bool  # False where the peak could not be reset between phases


class Launch(Record, frozen=True):
    """One worker process of one cell in one generation, with its raw samples."""

    cell: str
    generation: int
    started_s: float  # since measuring began
    cpus: list[int]
    threads_seen: int
    cold: ColdStart
    memory: Memory
    steady: bool  # two adjacent warm-up windows agreed before the cap
    warmup_calls: int
    warmup_ns: list[int]  # the median call of each sub-block, in order
    calls_per_sample: int  # 1, or more where a call is too short to be timed alone
    blocks_ns: list[list[int]]  # one list a block, one integer a sample: nanoseconds of calls_per_sample calls
    switches: list[int]  # involuntary context switches during each block


class Canary(Record, frozen=True):
    """A fixed amount of work, timed between the cells' blocks: what changes here is the machine."""

    generation: int
    started_s: float  # since measuring began
    spins_ns: list[int]


class HostLoad(Record, frozen=True):
    """What the machine did to the measurement between its begin and its end; None where the system does not tell."""

    wall_s: float
    steal_share: float | None  # of the processors' time with work: taken by other guests of the hypervisor
    pressure_share: float | None  # of the wall time in which some task waited for a processor (PSI)
    throttled_share: float | None  # of the wall time in which the cgroup was held back
    throttled_periods: int | None


class Failure(Record, frozen=True):
    """A cell that could not be measured, and why."""

    cell: str
    reason: str
