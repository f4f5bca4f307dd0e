"""One launch: a fresh process that opens one cell, proves that it is right, warms up, and times blocks.

It is started as `python -m edgefashion.bench.worker` and speaks JSON lines: a `Job` comes in and `Ready` goes
out; then each line "block" that comes in is answered with the nanoseconds of the block's calls. An error goes
out as `{"error": …}`. The process ends when its input does, so it cannot outlive its parent.
"""

import gc
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TextIO

import msgspec

from edgefashion.bench import isolation
from edgefashion.errors import CheckFailed, EdgefashionError, ExitCode
from edgefashion.records import Record, SessionSpec

_MIN_CALLS = 20  # a block
_WINDOW_NS = 50_000_000  # warm-up is judged by two adjacent windows of this length
_STEADY_CHANGE = 0.02  # how much their medians may differ
_WARMUP_CAP_NS = 1_500_000_000
# Same artifact, runtime and provider as in the parent: only the order of sums may differ.
_RELATIVE_TOLERANCE = 1e-3


class Job(Record, frozen=True):
    """What a worker is to measure."""

    artifact: str  # path
    sha256: str
    session: SessionSpec
    cpus: list[int]
    inputs: str  # path of a .npy: uint8[inputs, batch, H, W]
    outputs: str  # path of a .npy: float32[inputs, batch, classes]
    block_s: float


class Ready(Record, frozen=True):
    """What a worker found out while it became ready."""

    threads_seen: int
    import_s: float
    session_s: float
    first_run_s: float
    steady: bool
    warmup_calls: int
    peak_rss_bytes: int
    session_rss_bytes: int


class Broken(Record, frozen=True):
    """Why a worker could not become ready."""

    error: str


Calls = Sequence[Callable[[], object]]


def main() -> None:
    """Serve one job on stdin and a private copy of stdout."""
    # Libraries that print must not write into the protocol.
    replies = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        serve(sys.stdin, replies)
    except EdgefashionError as error:
        _reply(replies, Broken(error=str(error)))
        sys.exit(error.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        _reply(replies, Broken(error=f"{type(error).__name__}: {error}"))
        sys.exit(ExitCode.BUG)


def serve(commands: TextIO, replies: TextIO) -> None:
    """Read a job, become ready, then time a block for each further line."""
    job = msgspec.json.decode(commands.readline(), type=Job)
    calls, ready = prepare(job)
    _reply(replies, ready)
    replies.writelines(msgspec.json.encode(time_block(calls, job.block_s)).decode() + "\n" for _ in commands)


def prepare(job: Job) -> tuple[Calls, Ready]:
    """Open the cell, check its outputs, warm it up.

    Raises:
        CheckFailed: It answers wrongly, or a thread left its cores.
    """
    started = time.perf_counter()
    import numpy as np

    from edgefashion.artifact import open_artifact
    from edgefashion.runtimes import RUNTIMES, open_session

    RUNTIMES.load(job.session.runtime).available()  # imports the runtime itself
    imported = time.perf_counter()
    artifact = open_artifact(Path(job.artifact))
    if artifact.sha256 != job.sha256:
        raise CheckFailed(f"{job.artifact} changed while it was measured")
    inputs, expected = np.load(job.inputs, allow_pickle=False), np.load(job.outputs, allow_pickle=False)
    before_bytes = isolation.resident_bytes()
    opening = time.perf_counter()
    session = open_session(artifact, job.session)
    opened = time.perf_counter()
    first = session.run(inputs[0])
    ran = time.perf_counter()
    after_bytes = isolation.resident_bytes()
    outputs = np.stack([first, *(session.run(batch) for batch in inputs[1:])])
    worst, allowed = float(np.abs(outputs - expected).max()), _RELATIVE_TOLERANCE * float(np.abs(expected).max())
    # A comparison that is false for NaN: what is not surely right is wrong.
    if not worst <= allowed:
        raise CheckFailed(f"it answers wrongly: logits are off by {worst:.3g}, at most {allowed:.3g} is explicable")
    calls = [session.bind(batch) for batch in inputs]
    steady, warmup_calls = warm_up(calls)
    return calls, Ready(
        threads_seen=isolation.count_threads_inside(job.cpus),
        import_s=imported - started,
        session_s=opened - opening,
        first_run_s=ran - opened,
        steady=steady,
        warmup_calls=warmup_calls,
        peak_rss_bytes=isolation.peak_resident_bytes(),
        session_rss_bytes=max(0, after_bytes - before_bytes),
    )


def warm_up(calls: Calls) -> tuple[bool, int]:
    """Call until two adjacent windows agree or the cap is reached; returns (agreed, number of calls)."""
    done, spent_ns, before = 0, 0, None
    while spent_ns < _WARMUP_CAP_NS:
        samples = time_block(calls, _WINDOW_NS / 1e9)
        done += len(samples)
        spent_ns += max(_WINDOW_NS, sum(samples))
        now = median(samples)
        if before is not None and abs(now - before) <= _STEADY_CHANGE * before:
            return True, done
        before = now
    return False, done


def time_block(calls: Calls, seconds: float) -> list[int]:
    """Nanoseconds of each call, rotating through `calls` for at least `seconds` and 20 calls."""
    clock = time.perf_counter_ns
    samples: list[int] = []
    keep, count = samples.append, len(calls)
    index = 0
    gc.collect()
    gc.disable()
    try:
        end = clock() + int(seconds * 1e9)
        while True:
            call = calls[index % count]
            start = clock()
            call()
            stop = clock()
            keep(stop - start)
            index += 1
            if stop >= end and index >= _MIN_CALLS:
                return samples
    finally:
        gc.enable()


def _reply(replies: TextIO, record: Record) -> None:
    replies.write(msgspec.json.encode(record).decode() + "\n")


if __name__ == "__main__":
    main()
