"""The parent's side: refuse early, start the child, read what LoadGen wrote."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.bench.points.loadgen.job import Job, Reply
from edgefashion.bench.points.loadgen.log import read_detail
from edgefashion.bench.process import isolation
from edgefashion.bench.process.launch import WorkerFailed
from edgefashion.environment import require
from edgefashion.errors import CannotWrite, UsageError
from edgefashion.records import LoadgenRun, Scenario, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import open_session, resolve_provider, run_all

SCENARIOS: tuple[Scenario, ...] = get_args(Scenario)

_ONE_AT_A_TIME = ("SingleStream", "Server")
_MIN_DURATION_S = 10.0
_BATCH = 8  # pictures in a query of MultiStream (mlperf.conf), and in a call of Offline
_LATENCY_BOUND_S = 0.015  # of Server for ResNet-50, MLPerf's image classifier (mlperf.conf)

_PATIENCE, _GRACE_S = 5, 60.0  # an overloaded Server runs for longer than its duration


def require_scenario(name: str) -> Scenario:
    """The scenario of that name, if LoadGen is installed: to be asked before any work.

    Raises:
        UsageError: There is no such scenario.
        NotAvailable: LoadGen is not installed.
    """
    known = {scenario.lower(): scenario for scenario in SCENARIOS}
    if name.lower() not in known:
        raise UsageError(unknown("scenario of MLPerf", name, SCENARIOS))
    require("mlperf", purpose=f"mlperf:{known[name.lower()]}")
    return known[name.lower()]


def run_loadgen(
    artifact: Model,
    *,
    cell: str,
    session: SessionSpec,
    cpus: list[int],
    inputs: NDArray[Any],
    scenario: str,
    seconds: float = _MIN_DURATION_S,
    logs: Path,
    batch: int = _BATCH,
    expected: NDArray[Any] | None = None,
    latency_bound_s: float | None = None,
    target_qps: float | None = None,
) -> LoadgenRun:
    """Put one cell under the load of MLPerf LoadGen, after its outputs were found to be right.

    Args:
        artifact: The model.
        cell: Label of the cell, for the record.
        session: How a runtime runs it.
        cpus: Cores of the process, LoadGen's own threads included.
        inputs: [pictures, …] that queries are drawn from.
        scenario: One of `SCENARIOS`.
        seconds: Minimum duration; a submission to MLPerf takes 600.
        logs: Folder for LoadGen's logs, made where it is missing; logs of an earlier run in it are replaced.
        batch: Pictures in a query of MultiStream and in a call of Offline; the others take one.
        expected: Right answers to `inputs`, taken `batch` at a time; those of the runtime's CPU provider by default.
        latency_bound_s: Of Server: what its 99th percentile must keep; 15 ms by default.
        target_qps: Of Server: queries a second; by default half of what a closed loop answers.

    Raises:
        UsageError: There is no such scenario, too few pictures, or a number is not positive.
        NotAvailable: LoadGen is not installed.
        CannotWrite: The logs cannot be kept in that folder.
        WorkerFailed: The process crashed, hung, or answered wrongly.
        BadInput: LoadGen's log holds no result.
    """
    chosen = require_scenario(scenario)
    bound_s = _LATENCY_BOUND_S if latency_bound_s is None else latency_bound_s
    if min(seconds, batch, bound_s, 1 if target_qps is None else target_qps) <= 0:
        raise UsageError("seconds, batch, latency bound and target rate must be above zero")
    pictures_a_call = 1 if chosen in _ONE_AT_A_TIME else batch
    if len(inputs) < pictures_a_call:
        raise UsageError(f"mlperf:{chosen} takes {pictures_a_call} pictures at a time: there are {len(inputs)}")
    try:
        logs.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot keep logs in {logs}: {error.strerror or error}") from error
    right = _answers_on_cpu(artifact, session, inputs, pictures_a_call) if expected is None else expected
    with tempfile.TemporaryDirectory(prefix="edgefashion-loadgen-") as name:
        folder = Path(name)
        np.save(folder / "inputs.npy", inputs, allow_pickle=False)
        np.save(folder / "expected.npy", right, allow_pickle=False)
        job = Job(
            artifact=str(artifact.path.absolute()),
            sha256=artifact.sha256,
            session=session,
            cpus=cpus,
            inputs=str(folder / "inputs.npy"),
            expected=str(folder / "expected.npy"),
            batch=pictures_a_call,
            scenario=chosen,
            seconds=seconds,
            target_qps=target_qps,
            latency_bound_s=bound_s,
            logs=str(logs.absolute()),
        )
        reply = _in_child(job)
    facts = read_detail((logs / "mlperf_log_detail.txt").read_text())
    return LoadgenRun(
        cell=cell,
        scenario=chosen,
        loadgen=facts.version,
        valid=facts.valid,
        reasons=facts.reasons,
        queries=facts.queries,
        samples_per_query=facts.samples_per_query,
        batch=pictures_a_call,
        min_duration_s=facts.min_duration_s,
        target_qps=reply.target_qps,
        latency_bound_s=bound_s if chosen == "Server" else None,
        latency=None if chosen == "Offline" else facts.latency,
        samples_per_s=facts.samples_per_s,
        closed_loop_s=reply.closed_loop_s,
        threads_seen=reply.threads_seen,
        logs=logs.name,
    )


def _answers_on_cpu(artifact: Model, spec: SessionSpec, inputs: NDArray[Any], batch: int) -> NDArray[Any]:
    cpu = msgspec.structs.replace(spec, provider=resolve_provider(spec.runtime, "cpu"), options={})
    with open_session(artifact, cpu) as session:
        return run_all(session, inputs, batch=batch)


def _in_child(job: Job) -> Reply:
    with isolation.pinned(job.cpus):
        process = subprocess.Popen(
            [sys.executable, "-m", "edgefashion.bench.points.loadgen"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=isolation.worker_environment(job.session.threads),
            # Ctrl-C in the terminal is the parent's to handle.
            start_new_session=True,
        )
    timeout_s = _GRACE_S + _PATIENCE * job.seconds
    try:
        answer, said = process.communicate(msgspec.json.encode(job), timeout=timeout_s)
    except subprocess.TimeoutExpired:
        raise WorkerFailed(f"LoadGen's process did not end within {timeout_s:.0f} s and was ended") from None
    finally:
        process.kill()
        process.wait()
    try:
        reply = msgspec.json.decode(answer, type=Reply)
    except msgspec.DecodeError:
        last = said.decode(errors="replace").strip().splitlines()[-1:]
        raise WorkerFailed(": ".join([f"LoadGen's process ended with code {process.returncode}", *last])) from None
    if reply.error:
        raise WorkerFailed(reply.error)
    return reply
