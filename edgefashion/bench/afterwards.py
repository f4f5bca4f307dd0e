"""What is measured after the generations, one cell at a time: long runs, LoadGen, where the time goes, energy."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.bench.machine.energy import find_meter, measure_energy
from edgefashion.bench.plan import ON_CPU, cores_for
from edgefashion.bench.points.loadgen import require_scenario, run_loadgen
from edgefashion.bench.points.sustained import run_sustained
from edgefashion.bench.process.launch import Worker, WorkerFailed
from edgefashion.bench.process.worker import Job, inputs_beside
from edgefashion.bench.profiling.bottleneck import explain
from edgefashion.bench.profiling.ceilings import measure_ceilings
from edgefashion.bench.profiling.profile import profile
from edgefashion.bench.request import Request, Subject
from edgefashion.bench.scenarios import CLOSED, sort_out
from edgefashion.errors import EdgefashionError, UsageError
from edgefashion.records import Cell, Energy, Failure, LoadgenRun, Plan, Profile, Roofline, SustainedRun


@dataclass
class Afterwards:
    """What came of it; a cell that failed is named with the reason, and the rest goes on until Ctrl-C."""

    sustained: list[SustainedRun] = field(default_factory=list)
    loadgen: list[LoadgenRun] = field(default_factory=list)
    rooflines: list[Roofline] = field(default_factory=list)
    energy: dict[str, Energy] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    interrupted: bool = False


@dataclass(frozen=True)
class Bench:
    """Everything that a phase needs of the measurement before it.

    Attributes:
        plan: The cells.
        models: By digest.
        jobs: A worker's job by cell label; their input and output files still exist.
        folder: For what workers say on stderr.
        logs: For LoadGen's own logs.
        phase: Is told what begins.
    """

    plan: Plan
    models: Mapping[str, Subject]
    jobs: Mapping[str, Job]
    folder: Path
    logs: Path
    phase: Callable[[str], None]


def check_request(request: Request) -> None:
    """Refuse what cannot be measured before anything is.

    Raises:
        UsageError: A scenario is unknown.
        NotAvailable: LoadGen is asked for and not installed.
    """
    for name in sort_out(request.scenarios).loadgen:
        require_scenario(name)


def measure_afterwards(request: Request, bench: Bench, labels: Sequence[str]) -> Afterwards:
    """Run what was asked for beside the generations on the cells called `labels`, which were measured without fault."""
    found = Afterwards()
    try:
        _measure_all(request, bench, labels, found)
    except KeyboardInterrupt:
        found.interrupted = True
    return found


def _measure_all(request: Request, bench: Bench, labels: Sequence[str], found: Afterwards) -> None:
    wanted = sort_out(request.scenarios)
    cells = [bench.plan.cell(label) for label in labels]
    subjects = [cell for cell in cells if cell.role == "subject" and cell.scenario == CLOSED]
    ceilings = measure_ceilings(cores_for(subjects[0])) if request.profile and subjects else None
    for cell in subjects:
        if request.energy:
            with _noted(cell, found):
                found.energy[cell.label] = _energy(cell, bench)
        for seconds in wanted.sustained_s:
            with _noted(cell, found):
                found.sustained.append(_sustained(seconds, cell, bench))
        for scenario in wanted.loadgen:
            with _noted(cell, found):
                found.loadgen.append(_loadgen(scenario, cell, bench))
        if ceilings is not None and cell.session.runtime == "onnxruntime":
            with _noted(cell, found):
                found.rooflines.append(explain(_profile(cell, bench), ceilings))


@contextmanager
def _noted(cell: Cell, found: Afterwards) -> Iterator[None]:
    """What fails within is one more failure of the cell, and costs it nothing else that is known of it."""
    try:
        yield
    except (WorkerFailed, EdgefashionError) as error:
        found.failures.append(Failure(cell=cell.label, reason=str(error)))


def _energy(cell: Cell, bench: Bench) -> Energy:
    meter = find_meter(device="cpu" if cell.session.provider in ON_CPU else "gpu")
    if isinstance(meter, str):
        return Energy(joules_per_image=None, source=meter)
    bench.phase(f"energy of {cell.label}")
    with Worker(bench.jobs[cell.label], bench.folder / "stderr") as worker:

        def run(seconds: float) -> int:
            calls, end_s = 0, time.monotonic() + seconds
            while time.monotonic() < end_s:
                block = worker.block()
                calls += block.settling_calls + len(block.samples_ns) * worker.ready.calls_per_sample
            return calls

        return measure_energy(meter, run, images_per_call=cell.batch)


def _sustained(seconds: float, cell: Cell, bench: Bench) -> SustainedRun:
    bench.phase(f"{cell.label}: {seconds:.0f} s without a break")
    return run_sustained(bench.jobs[cell.label], cell=cell.label, seconds=seconds, errors=bench.folder / "stderr")


def _loadgen(scenario: str, cell: Cell, bench: Bench) -> LoadgenRun:
    bench.phase(f"{cell.label}: mlperf:{scenario}")
    if bench.jobs[cell.label].python:
        raise UsageError(f"mlperf:{scenario} runs in this environment, and {cell.session.runtime} in another one")
    number = bench.plan.cells.index(cell)
    inputs = _inputs(cell, bench)
    return run_loadgen(
        bench.models[cell.artifact.sha256],
        cell=cell.label,
        session=cell.session,
        cpus=cores_for(cell),
        inputs=inputs.reshape(-1, *inputs.shape[2:]),
        scenario=scenario,
        logs=bench.logs / f"{number}-{scenario}",
    )


def _profile(cell: Cell, bench: Bench) -> Profile:
    bench.phase(f"profile of {cell.label}")
    if bench.jobs[cell.label].python:
        raise UsageError(f"--profile runs in this environment, and {cell.session.runtime} in another one")
    return profile(
        bench.models[cell.artifact.sha256],
        session=cell.session,
        batch=cell.batch,
        cpus=cores_for(cell),
        inputs=_inputs(cell, bench),
    )


def _inputs(cell: Cell, bench: Bench) -> NDArray[Any]:
    """[inputs, batch, …]: what was timed; workers leave what they made themselves beside their outputs."""
    found: NDArray[Any] = np.load(inputs_beside(bench.jobs[cell.label]), allow_pickle=False)
    return found
