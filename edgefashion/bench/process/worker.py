"""One launch: a fresh process that opens one cell, proves that it is right, warms up, and times blocks.

It is started by `edgefashion.bench.process.launch` and speaks JSON lines: a `Job` comes in and `Ready` goes out; then
each line "block" that comes in is answered with a `Block`. An error goes out as `Broken`. The process ends when
its input does or its parent dies, so it cannot outlive it.
"""

import gc
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import msgspec

from edgefashion.bench.process import isolation
from edgefashion.bench.process.sampling import (
    SHORTEST_SAMPLE_NS,
    Calls,
    Clock,
    settle,
    time_block,
    time_paced,
    warm_up,
)
from edgefashion.errors import BadInput, CheckFailed, EdgefashionError, ExitCode
from edgefashion.records import ColdStart, Memory, Placement, Record, SessionSpec

if TYPE_CHECKING:
    from edgefashion.runtimes import Session

# Same artifact, runtime and provider as in the parent: only the order of sums may differ.
_RELATIVE_TOLERANCE = 1e-3
# Enough of them in six blocks to bound the 90th percentile of a launch.
_PACED_CALLS = 7


class Job(Record, frozen=True):
    """What a worker is to measure."""

    artifact: str  # path; of a Python call with its function, as in "mine.py:make_call"
    sha256: str
    session: SessionSpec
    naive: bool  # time the plain `run` instead of a call on bound inputs and outputs
    cpus: list[int]
    inputs: str | None  # path of a .npy: [inputs, batch, …]; None: made from the model's own input
    outputs: str  # path of a .npy: [inputs, batch, …]; the first launch writes it where it is missing
    batch: int
    seed: int  # of inputs that are made
    block_s: float
    paced_s: float | None  # time from call to call; None: closed loop
    warmup_cap_s: float
    memory_limit_bytes: int | None
    spawned_ns: int  # the parent's monotonic clock when it started this process
    python: str = ""  # the interpreter; the parent's own by default


class Ready(Record, frozen=True):
    """What a worker found out while it became ready."""

    threads_seen: int
    cold: ColdStart
    memory: Memory
    steady: bool
    warmup_calls: int
    warmup_ns: list[int]
    calls_per_sample: int
    placement: Placement | None  # None but in the first launch of a job: finding out may take a profile


class Block(Record, frozen=True):
    """One block: nanoseconds of each sample, and the involuntary context switches meanwhile."""

    samples_ns: list[int]
    switches: int
    settling_calls: int = 0  # before the first sample


class Broken(Record, frozen=True):
    """Why a worker could not go on."""

    error: str
    code: int = ExitCode.CHECK_FAILED  # the exit code that the error asks for


def main(entered_ns: int) -> None:
    """Serve one job on stdin and a private copy of stdout; `entered_ns` is the monotonic clock at the first line."""
    isolation.die_with_parent()
    # Libraries that print must not write into the protocol.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        serve(sys.stdin, replies, entered_ns)
    except EdgefashionError as error:
        _reply(replies, Broken(error=str(error), code=error.exit_code))
        sys.exit(error.exit_code)
    except MemoryError:
        _reply(replies, Broken(error="it asked for more memory than the machine has free"))
        sys.exit(ExitCode.CHECK_FAILED)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        _reply(replies, Broken(error=f"{type(error).__name__}: {error}"))
        sys.exit(ExitCode.BUG)


def serve(commands: TextIO, replies: TextIO, entered_ns: int) -> None:
    """Read a job, become ready, then time a block for each further line."""
    job = msgspec.json.decode(commands.readline(), type=Job)
    calls, ready, clock = prepare(job, entered_ns)
    _reply(replies, ready)
    for _ in commands:
        _reply(replies, _block(calls, job, ready.calls_per_sample, clock))


def prepare(job: Job, entered_ns: int) -> tuple[Calls, Ready, Clock]:
    """Open the cell, check its outputs, warm it up; returns the clock that its calls are timed with, too.

    Raises:
        CheckFailed: It answers wrongly, or a thread left its cores.
    """
    if job.memory_limit_bytes is not None:
        isolation.limit_memory(job.memory_limit_bytes)
    import numpy as np

    from edgefashion.bench.inputs import made_for
    from edgefashion.runtimes import load_runtime, open_session
    from edgefashion.subjects import open_model

    load_runtime(job.session.runtime).available(job.session.provider)  # imports the runtime itself
    stored = None if job.inputs is None else np.load(job.inputs, allow_pickle=False)
    isolation.resident_bytes()  # imports what reads it
    imported_ns = time.monotonic_ns()
    model = open_model(Path(job.artifact))
    if model.sha256 != job.sha256:
        raise CheckFailed(f"{job.artifact} changed while it was measured")
    before_bytes = isolation.resident_bytes()
    phases_apart = isolation.reset_peak()
    session = open_session(model, job.session)
    session_s = (time.monotonic_ns() - imported_ns) / 1e9
    first_input = made_for(session, batch=job.batch, seed=job.seed, count=1)[0] if stored is None else stored[0]
    _, first_run_s = _timed(lambda: session.run(first_input))
    _, second_run_s = _timed(lambda: session.run(first_input))
    children_bytes = _children_bytes()
    after_bytes = isolation.resident_bytes() + children_bytes
    session_peak_bytes = isolation.peak_resident_bytes() + children_bytes
    inputs = _made(session, job) if stored is None else stored
    _check([as_numbers(session.run(batch)) for batch in inputs], Path(job.outputs))
    calls = _calls(session, inputs, naive=job.naive)
    clock: Clock = getattr(session, "clock", time.perf_counter_ns)
    shortest_sample_ns: int = getattr(session, "shortest_sample_ns", SHORTEST_SAMPLE_NS)
    # Collected once and never again: a collection between blocks would cool the caches that settling warms.
    gc.collect()
    gc.freeze()
    isolation.reset_peak()
    warm = warm_up(calls, cap_s=job.warmup_cap_s, clock=clock, shortest_sample_ns=shortest_sample_ns)
    ready = Ready(
        threads_seen=isolation.count_threads_inside(job.cpus),
        cold=ColdStart(
            spawn_s=(entered_ns - job.spawned_ns) / 1e9,
            import_s=(imported_ns - entered_ns) / 1e9,
            session_s=session_s,
            first_run_s=first_run_s,
            second_run_s=second_run_s,
        ),
        memory=Memory(
            imported_bytes=before_bytes,
            model_bytes=max(0, after_bytes - before_bytes),
            session_peak_bytes=session_peak_bytes,
            run_peak_bytes=isolation.peak_resident_bytes() + _children_bytes(),
            phases_apart=phases_apart,
        ),
        steady=warm.steady,
        warmup_calls=warm.calls,
        warmup_ns=warm.sub_blocks_ns,
        calls_per_sample=warm.calls_per_sample if job.paced_s is None else 1,
        placement=_placement(session, Path(job.outputs).with_name("placed")),
    )
    return calls, ready, clock


def inputs_beside(job: Job) -> Path:
    """Where a job's inputs lie: given, or made by its first launch and left beside the outputs."""
    return Path(job.outputs).with_name("inputs.npy") if job.inputs is None else Path(job.inputs)


def _children_bytes() -> int:
    """Resident memory of the processes this one started, as a browser: what is each one's own, and once what is shared.

    Their peaks are not known: it is what they have when a phase ends.
    """
    import psutil

    found = []
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended since it was listed
            found.append(child.memory_info())
    shared = [getattr(each, "shared", 0) for each in found]
    return int(sum(each.rss for each in found) - sum(shared) + max(shared, default=0))


def _made(session: "Session", job: Job) -> Any:
    import numpy as np

    from edgefashion.bench.inputs import made_for

    inputs = made_for(session, batch=job.batch, seed=job.seed)
    if not inputs_beside(job).exists():
        np.save(inputs_beside(job), inputs, allow_pickle=False)
    return inputs


def _calls(session: "Session", inputs: Any, *, naive: bool) -> Calls:
    if not naive:
        return [session.bind(batch) for batch in inputs]
    return [partial(session.run, batch) for batch in inputs]


def _placement(session: "Session", mark: Path) -> Placement | None:
    if mark.exists():
        return None
    mark.touch()
    return session.placement


def as_numbers(output: Any) -> Any:
    """A model's output as an array.

    Raises:
        BadInput: It is a sequence, a map or text.
    """
    import numpy as np

    if not isinstance(output, np.ndarray) or output.dtype.kind not in "biuf":
        raise BadInput("the model's first output is no array of numbers: it cannot be checked from launch to launch")
    return output


def _check(found: list[Any], expected_path: Path) -> None:
    """Hold outputs against those expected, or leave them there for the launches that follow.

    Raises:
        CheckFailed: They differ by more than the order of sums explains.
        BadInput: Their shape depends on the input's values.
    """
    import numpy as np

    if len({output.shape for output in found}) > 1:
        raise BadInput("the model's output changes its shape with the input's values: it cannot be checked")
    outputs = np.stack(found)
    if not expected_path.exists():
        np.save(expected_path, outputs, allow_pickle=False)
        return
    expected = np.load(expected_path, allow_pickle=False)
    if outputs.shape != expected.shape:
        raise CheckFailed(f"it answers wrongly: outputs have shape {outputs.shape} instead of {expected.shape}")
    answers, wanted = outputs.astype(np.float64), expected.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity less infinity, which is looked at in the next line
        difference = np.abs(answers - wanted)
    difference[(answers == wanted) | (np.isnan(answers) & np.isnan(wanted))] = 0
    worst = float(difference.max(initial=0))
    allowed = _RELATIVE_TOLERANCE * float(np.abs(wanted[np.isfinite(wanted)]).max(initial=0))
    # A comparison that is false for NaN: what is not surely right is wrong.
    if not worst <= allowed:
        raise CheckFailed(f"it answers wrongly: outputs are off by {worst:.3g}, at most {allowed:.3g} is explicable")


def _block(calls: Calls, job: Job, calls_per_sample: int, clock: Clock) -> Block:
    if job.paced_s is None:
        settling_calls = settle(calls, at_most_s=job.block_s, clock=clock)
    else:
        settling_calls = len(time_paced(calls, period_s=job.paced_s, count=1, clock=clock))
    before = isolation.involuntary_switches()
    if job.paced_s is None:
        samples_ns = time_block(calls, seconds=job.block_s, calls_per_sample=calls_per_sample, clock=clock)
    else:
        samples_ns = time_paced(calls, period_s=job.paced_s, count=_PACED_CALLS, clock=clock)
    return Block(samples_ns, isolation.involuntary_switches() - before, settling_calls)


def _timed(work: Callable[[], Any]) -> tuple[Any, float]:
    start = time.perf_counter()
    result = work()
    return result, time.perf_counter() - start


def _reply(replies: TextIO, record: Record) -> None:
    replies.write(msgspec.json.encode(record).decode() + "\n")
