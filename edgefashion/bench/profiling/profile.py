"""Where the time of a call goes, operator by operator, in a run of its own: profiling never disturbs a timed one.

result = explain(profile(model, session=spec, batch=1, cpus=[0], inputs=inputs), measure_ceilings([0]))
print(result.sentence)
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.bench.process.isolation import pinned, worker_environment
from edgefashion.bench.process.worker import Broken
from edgefashion.bench.profiling.child import Job, Measured
from edgefashion.bench.profiling.native import build
from edgefashion.bench.profiling.onnx_graph import Graph, read_graph
from edgefashion.bench.profiling.operators import Kernel, operator
from edgefashion.errors import CheckFailed, NotAvailable
from edgefashion.records import Operator, Profile, SessionSpec

_BOOT = "from edgefashion.bench.profiling.child import main; main()"
_TIMEOUT_S = 180.0


def profile(model: Model, *, session: SessionSpec, batch: int, cpus: list[int], inputs: NDArray[Any]) -> Profile:
    """Profile an ONNX model in onnxruntime, in a fresh process on `cpus`; takes about two seconds.

    Args:
        model: An ONNX model.
        session: How onnxruntime is asked to run it.
        batch: Pictures a call.
        cpus: The cores that the process may use.
        inputs: [inputs, batch, …] in the model's own type and shape; calls rotate through them.

    Raises:
        CheckFailed: The model cannot be opened, fails, or its process ends.
        BadInput: The model's file is no ONNX.
    """
    graph = read_graph(model.content)
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
        stored = Path(folder) / "inputs.npy"
        np.save(stored, inputs, allow_pickle=False)
        job = Job(model=str(model.path), sha256=model.sha256, session=session, cpus=cpus, inputs=str(stored))
        measured = _ask(job, worker_environment(session.threads) | _fine_clock(Path(folder)))
    return Profile(
        artifact=model.info,
        session=session,
        batch=batch,
        cpus=cpus,
        calls=measured.calls,
        call_s=measured.call_s,
        profiled_call_s=measured.profiled_call_s,
        probe_s=measured.probe_s,
        probe_per_input_s=measured.probe_per_input_s,
        resolution_s=measured.resolution_s,
        operators=fitted([_operator(kernel, graph, measured) for kernel in measured.kernels], measured.call_s),
    )


def fitted(operators: list[Operator], call_s: float) -> list[Operator]:
    """The operators, scaled down where they are longer than the call that they are part of."""
    scale = min(1.0, call_s / (sum(each.time_s for each in operators) or call_s))
    return [msgspec.structs.replace(each, time_s=scale * each.time_s) for each in operators]


def provider_shares(profile: Profile) -> dict[str, float]:
    """Each provider's share of the time inside operators, as the host sees it; empty where that time is zero.

    A provider that computes while the host goes on, such as CUDA's, shows here only what it takes to start its work.
    """
    shares: dict[str, float] = {}
    for each in profile.operators:
        shares[each.provider] = shares.get(each.provider, 0.0) + each.time_s
    total = profile.operators_s
    return {provider: seconds / total for provider, seconds in shares.items()} if total else {}


def _operator(kernel: Kernel, graph: Graph, measured: Measured) -> Operator:
    further_inputs = max(0, len(kernel.inputs) - 1)
    return operator(kernel, graph, probe_s=measured.probe_s + measured.probe_per_input_s * further_inputs)


def _ask(job: Job, environment: dict[str, str]) -> Measured:
    with pinned(job.cpus):
        try:
            done = subprocess.run(
                [sys.executable, "-c", _BOOT],
                input=msgspec.json.encode(job),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=environment,
            )
        except subprocess.TimeoutExpired:
            raise CheckFailed(f"profiling {job.model} did not end within {_TIMEOUT_S:.0f} s") from None
    return _decode(done, job)


def _decode(done: "subprocess.CompletedProcess[bytes]", job: Job) -> Measured:
    try:
        return msgspec.json.decode(done.stdout, type=Measured)
    except msgspec.DecodeError:
        pass
    try:
        reason = msgspec.json.decode(done.stdout, type=Broken).error
    except msgspec.DecodeError:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        reason = ": ".join([f"the process {how}", *said[-1:]])
    raise CheckFailed(f"{job.model} cannot be profiled: {reason}")


def _fine_clock(folder: Path) -> dict[str, str]:
    """What makes the profile's clock finer; nothing where it cannot be compiled or loaded."""
    if sys.platform != "linux":
        return {}
    try:
        library = build("clock.c", folder / "clock.so", "-shared", "-fPIC")
    except NotAvailable:
        return {}
    loaded = os.environ.get("LD_PRELOAD")
    return {"LD_PRELOAD": f"{library}:{loaded}" if loaded else str(library)}
