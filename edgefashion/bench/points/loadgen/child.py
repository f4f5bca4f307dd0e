"""The child's side: the process that LoadGen asks.

Queries are answered inside LoadGen's own call: a single server with a queue before it, whose waiting LoadGen counts
because it times from a query's scheduled start. A second thread for the answers would wait for the interpreter's
lock instead. LoadGen sleeps until a query of Server is due, so there the timer of the system, some 50 µs on Linux, is
part of a latency.
"""

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.bench.points.loadgen.job import Job, Reply
from edgefashion.bench.process import isolation
from edgefashion.bench.process.sampling import time_block, warm_up
from edgefashion.errors import CheckFailed, EdgefashionError, NotAvailable, UsageError
from edgefashion.runtimes import Session, open_session, run_all
from edgefashion.subjects import open_model

_LOAD = 0.5  # of what a closed loop answers: at half load a queue is stable, and its waiting is seen
_CLOSED_LOOP_S, _WARMUP_CAP_S = 0.5, 3.0
# What LoadGen 6.0 was seen to take for each query that it draws, and for each picture in it.
_QUERY_BYTES, _PICTURE_BYTES = 280, 50
_RELATIVE_TOLERANCE = 1e-3  # as for workers: only the order of sums may differ

Answer = Callable[[list[int]], object]


def main() -> None:
    """Serve the job on stdin; the reply goes to a private copy of stdout, because libraries print to the other."""
    isolation.die_with_parent()
    replies = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        reply = perform(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    except EdgefashionError as error:
        reply = Reply(error=str(error))
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        reply = Reply(error=f"{type(error).__name__}: {error}")
    replies.write(msgspec.json.encode(reply))
    replies.close()
    os._exit(0)  # LoadGen's threads outlive a test that ended with an error, and crash an interpreter that tidies up


def perform(job: Job) -> Reply:
    """Open the cell, check its outputs, measure a closed loop, run the test.

    Raises:
        CheckFailed: The cell answers wrongly, or a thread left its cores.
        NotAvailable: The test's queries do not fit into memory.
    """
    model = open_model(Path(job.artifact))
    if model.sha256 != job.sha256:
        raise CheckFailed(f"{job.artifact} changed while it was measured")
    inputs = np.load(job.inputs, allow_pickle=False)
    with open_session(model, job.session) as session:
        _check(run_all(session, inputs, batch=job.batch), np.load(job.expected, allow_pickle=False))
        answer = _answerer(session, inputs, batch=job.batch)
        samples_s = _closed_loop(answer, len(inputs), batch=job.batch)
        target_qps = job.target_qps or _LOAD / float(samples_s.mean())
        fastest_s = float(samples_s.min())
        require_memory(job, fastest_s=fastest_s, target_qps=target_qps)
        threads_seen = _test(job, answer, pictures=len(inputs), fastest_s=fastest_s, target_qps=target_qps)
    return Reply(
        closed_loop_s=float(np.median(samples_s)),
        target_qps=target_qps if job.scenario == "Server" else None,
        threads_seen=threads_seen,
    )


def require_memory(job: Job, *, fastest_s: float, target_qps: float) -> None:
    """Refuse a test whose queries would not fit into memory: LoadGen draws them all before it begins.

    For the streams it draws twice, for Offline 1.1 times as many as fit into the duration at the expected speed.

    Raises:
        NotAvailable: Says how much memory is missing.
    """
    import psutil

    calls = job.seconds / fastest_s
    drawn = {"Server": target_qps * job.seconds, "Offline": 1.1 * calls}
    queries = drawn.get(job.scenario, 2 * calls)
    needed = queries * (_QUERY_BYTES + _PICTURE_BYTES * job.batch)
    free = psutil.virtual_memory().available
    if needed > free:
        raise NotAvailable(
            f"mlperf:{job.scenario} for {job.seconds:g} s needs {needed / 1e9:.1f} GB, because LoadGen draws its "
            f"{queries:,.0f} queries beforehand: {free / 1e9:.1f} GB are free; take fewer seconds"
        )


def _check(outputs: NDArray[Any], expected: NDArray[Any]) -> None:
    worst, allowed = float(np.abs(outputs - expected).max()), _RELATIVE_TOLERANCE * float(np.abs(expected).max())
    # A comparison that is false for NaN: what is not surely right is wrong.
    if not worst <= allowed:
        raise CheckFailed(f"it answers wrongly: outputs are off by {worst:.3g}, at most {allowed:.3g} is explicable")


def _answerer(session: Session, inputs: NDArray[Any], *, batch: int) -> Answer:
    """A call on the pictures of given numbers.

    Single pictures are bound beforehand. Which pictures meet in a larger query is LoadGen's choice, so they are
    gathered when it comes.
    """
    if hasattr(session, "clock"):
        raise UsageError(f"{session.spec.runtime} is timed by a clock of its own, which LoadGen cannot use")
    if batch > 1:
        return lambda numbers: session.run(inputs[numbers])
    calls = [session.bind(inputs[number : number + 1]) for number in range(len(inputs))]
    return lambda numbers: calls[numbers[0]]()


def _closed_loop(answer: Answer, pictures: int, *, batch: int) -> NDArray[np.float64]:
    """Seconds of each call, float64[n]."""
    starts = range(pictures - batch + 1)
    calls = [lambda numbers=list(range(start, start + batch)): answer(numbers) for start in starts]
    warm_up(calls, cap_s=_WARMUP_CAP_S)
    return np.array(time_block(calls, seconds=_CLOSED_LOOP_S)) / 1e9


def _test(job: Job, answer: Answer, *, pictures: int, fastest_s: float, target_qps: float) -> int:
    """Let LoadGen run; returns the number of threads of this process while it did."""
    import mlperf_loadgen as loadgen

    complete, response = loadgen.QuerySamplesComplete, loadgen.QuerySampleResponse
    threads: list[int] = []

    def issue(query: Sequence[Any]) -> None:
        for start in range(0, len(query), job.batch):
            part = query[start : start + job.batch]
            answer([sample.index for sample in part])
            complete([response(sample.id, 0, 0) for sample in part])

    system = loadgen.ConstructSUT(issue, lambda: None)
    library = loadgen.ConstructQSL(
        pictures,
        pictures,
        lambda _: None,
        # The test is over but LoadGen's threads still live.
        lambda _: threads.append(isolation.count_threads_inside(job.cpus)),
    )
    try:
        loadgen.StartTestWithLogSettings(
            system,
            library,
            _settings(loadgen, job, fastest_s, target_qps),
            _log_settings(loadgen, job.logs),
            # By default a file of this name in the working directory would change the settings.
            str(Path(job.logs) / "audit.config"),
        )
    finally:
        loadgen.DestroyQSL(library)
        loadgen.DestroySUT(system)
    return threads[-1]


def _settings(loadgen: Any, job: Job, fastest_s: float, target_qps: float) -> Any:
    settings = loadgen.TestSettings()
    settings.scenario = getattr(loadgen.TestScenario, job.scenario)
    settings.mode = loadgen.TestMode.PerformanceOnly
    settings.min_duration_ms = round(job.seconds * 1e3)
    # LoadGen draws its queries beforehand, as many as these expectations ask for: were they too slow, it would run
    # out of queries before the time is over. So they are those of the fastest call.
    settings.single_stream_expected_latency_ns = round(fastest_s * 1e9)
    settings.multi_stream_expected_latency_ns = round(fastest_s * 1e9)
    settings.offline_expected_qps = job.batch / fastest_s
    settings.multi_stream_samples_per_query = job.batch
    settings.server_target_qps = target_qps
    settings.server_target_latency_ns = round(job.latency_bound_s * 1e9)
    return settings


def _log_settings(loadgen: Any, folder: str) -> Any:
    settings = loadgen.LogSettings()
    settings.enable_trace = False
    settings.log_output.outdir = folder
    return settings
