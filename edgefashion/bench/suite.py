"""The whole measurement: quality first, then latency, then what may be said about it."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec
import numpy as np

from edgefashion import environment
from edgefashion.bench.afterwards import Bench, check_request, measure_afterwards
from edgefashion.bench.analyse import Medians, comparisons, launches_of
from edgefashion.bench.gate import Pair, judge
from edgefashion.bench.gate.baseline import pairs_of, stored_pairs
from edgefashion.bench.machine.canary import spin_ns
from edgefashion.bench.machine.host import HostWatch
from edgefashion.bench.machine.noise import interruptions_per_call, judge_noise
from edgefashion.bench.plan import NULL_MODEL, ON_CPU, cores_for, make_plan
from edgefashion.bench.points.operating import compare_points
from edgefashion.bench.process.isolation import pinned
from edgefashion.bench.process.launch import Launched, Worker
from edgefashion.bench.process.probe import Found, look_at
from edgefashion.bench.process.trial import open_strangers
from edgefashion.bench.process.worker import Job
from edgefashion.bench.request import Request, Subject
from edgefashion.bench.results import disturbed_share, results_of
from edgefashion.bench.scenarios import period_s
from edgefashion.bench.schedule import Tools, run_schedule
from edgefashion.bench.truth import Key, Truth, find_truths, key
from edgefashion.bench.verdict import warnings_about
from edgefashion.data import Dataset
from edgefashion.records import BenchReport, Cell, Gate, Plan
from edgefashion.subjects import open_model

_SHORTEST_TIMEOUT_S, _LONGEST_TIMEOUT_S = 60.0, 120.0


class Progress(Protocol):
    """What a measurement tells whoever watches."""

    def planned(self, plan: Plan) -> None:
        """This is what will be measured."""

    def evaluating(self, cell: str) -> None:
        """Quality of this cell is being measured."""

    def generation(self, number: int, spent_s: float, medians: Medians) -> None:
        """A generation is done; these are the launch medians so far, in seconds a picture."""

    def phase(self, words: str) -> None:
        """Something is measured beside the generations."""


class Silent:
    """A progress that nobody watches."""

    def planned(self, plan: Plan) -> None:
        """Say nothing."""

    def evaluating(self, cell: str) -> None:
        """Say nothing."""

    def generation(self, number: int, spent_s: float, medians: Medians) -> None:
        """Say nothing."""

    def phase(self, words: str) -> None:
        """Say nothing."""


def measure(
    request: Request,
    data: Dataset | None = None,
    *,
    stored: BenchReport | None = None,
    logs: Path | None = None,
    started_s: float | None = None,
    reserve_s: float = 0.0,
    progress: Progress | None = None,
) -> BenchReport:
    """Quality and latency of every model in every setting, side by side.

    Each cell runs in fresh processes pinned to as many cores as it has threads; a worker's outputs are checked before
    it is timed; blocks of all cells are interleaved at random; ratios to the reference are paired by generation. A
    cell is measured until its intervals are narrow, or the budget is spent. A model with a baseline is judged by the
    gate.

    Args:
        request: What to measure, and how long.
        data: Its test pictures give quality and inputs; needed as soon as one of the models is an artifact.
        stored: A baseline of which only figures are left: the gate gives advice, no proof.
        logs: Folder for the logs of MLPerf LoadGen; a temporary one by default.
        started_s: When the budget began, by the monotonic clock; now by default.
        reserve_s: Seconds at the end of the budget that are for what the caller does afterwards.
        progress: Is told what happens.

    Raises:
        UsageError: The request makes no sense.
        BadInput: A model cannot be opened or fed.
        NotAvailable: A provider is unknown, absent, or did not get every node.
    """
    started_s = time.monotonic() if started_s is None else started_s
    progress = progress or Silent()
    check_request(request)
    plan = make_plan(request)
    progress.planned(plan)
    models = {model.sha256: model for model in (*request.models, *request.baselines, open_model(NULL_MODEL))}
    footprints = _footprints(plan, request)
    truths, crashed = find_truths(plan, models, data, pythons=request.pythons, evaluating=progress.evaluating)
    with tempfile.TemporaryDirectory(prefix="edgefashion-bench-") as name:
        folder = Path(name)
        jobs = _jobs(plan, models, truths, folder, pythons=request.pythons)
        closed = [*crashed, *open_strangers(plan, models, jobs)]
        watch = HostWatch.start()
        raw = run_schedule(
            plan,
            _tools(plan, jobs),
            progress.generation,
            started_s=started_s,
            reserve_s=reserve_s,
            failures=closed,
        )
        host = watch.stop()
        bench = Bench(plan, models, jobs, folder, logs or folder, progress.phase)
        healthy = [] if raw.interrupted else [label for label in raw.medians if label not in raw.failed]
        after = measure_afterwards(request, bench, healthy)
    medians = {label: found for label, found in raw.medians.items() if label not in raw.failed}
    compared = comparisons(plan, medians)
    noise = judge_noise(
        host=host,
        canaries=raw.canaries,
        disturbed_share=disturbed_share(raw),
        interruptions=interruptions_per_call(launches_of(plan.reference, raw.launches)),
        reference_medians_s=np.array(list(medians.get(plan.reference, {}).values())),
        duplicate=compared[plan.duplicate].ratio if plan.duplicate in compared else None,
    )
    results = results_of(
        plan, raw, compared=compared, noise=noise, truths=truths, energy=after.energy, footprints=footprints
    )
    report = BenchReport(
        data=data.identity if data and truths else None,
        plan=plan,
        launches=raw.launches,
        canaries=raw.canaries,
        order=raw.order,
        host=host,
        results=results,
        failures=[*raw.failures, *after.failures],
        noise=noise,
        warnings=warnings_about(plan, results),
        rooflines=after.rooflines,
        loadgen=after.loadgen,
        sustained=after.sustained,
        operating_points=compare_points(plan, results, after.sustained),
        partial=raw.interrupted or after.interrupted,
        wall_s=time.monotonic() - started_s,
        environment=environment.describe(),
    )
    labels = data.test.labels if data else None
    pairs = stored_pairs(report, stored, labels) if stored else pairs_of(plan, medians, truths, labels)
    gate = _judge(pairs, report, stored) if stored or request.baselines else None
    return msgspec.structs.replace(report, gate=gate)


def _judge(pairs: Sequence[Pair], report: BenchReport, stored: BenchReport | None) -> Gate:
    gate = judge(
        pairs,
        noise=report.noise.level,
        classes=report.data.labels if report.data else [],
        paired=stored is None,
        seed=report.plan.seed,
    )
    differing = environment.differences(stored.environment, report.environment) if stored else []
    if not differing:
        return gate
    # Another machine is another speed: latency does not decide. The answers are the same on every machine.
    reason = f"INCONCLUSIVE: the baseline was measured on another machine: {'; '.join(differing)}"
    if any(check.verdict == "FAIL" for check in gate.quality):
        return msgspec.structs.replace(gate, reasons=[*gate.reasons, reason])
    return msgspec.structs.replace(gate, verdict="INCONCLUSIVE", reasons=[reason, *gate.reasons])


def _tools(plan: Plan, jobs: Mapping[str, Job]) -> Tools:
    import psutil

    timeout_s = min(_LONGEST_TIMEOUT_S, max(_SHORTEST_TIMEOUT_S, plan.budget_s))
    cpus = cores_for(plan.cell(plan.reference))

    def start(label: str) -> Launched:
        # Workers of a generation live at the same time: what each says last must be its own.
        return Worker(jobs[label], Path(jobs[label].outputs).with_name("stderr"), timeout_s=timeout_s)

    def canary() -> int:
        with pinned(cpus):
            return spin_ns()

    return Tools(start=start, canary=canary, free_bytes=lambda: float(psutil.virtual_memory().available))


def _footprints(plan: Plan, request: Request) -> dict[str, Found]:
    """What each runtime of the plan is, in the interpreter that it will run in."""
    runtimes = dict.fromkeys(cell.session.runtime for cell in plan.cells)
    return {name: look_at(name, python=request.pythons.get(name, "")) for name in runtimes}


def _jobs(
    plan: Plan,
    models: Mapping[str, Subject],
    truths: Mapping[Key, Truth],
    folder: Path,
    *,
    pythons: Mapping[str, str],
) -> dict[str, Job]:
    return {
        cell.label: _job(cell, plan, models, truths, folder / str(number), python=pythons.get(cell.session.runtime, ""))
        for number, cell in enumerate(plan.cells)
    }


def _job(
    cell: Cell,
    plan: Plan,
    models: Mapping[str, Subject],
    truths: Mapping[Key, Truth],
    folder: Path,
    *,
    python: str,
) -> Job:
    """A worker's job, with its inputs and the outputs it is held to in a folder of its own."""
    import psutil

    folder.mkdir()
    truth = truths.get(key(cell))
    if truth is not None:
        np.save(folder / "inputs.npy", truth.inputs[cell.batch], allow_pickle=False)
        np.save(folder / "outputs.npy", truth.outputs[cell.batch], allow_pickle=False)
    return Job(
        artifact=str(models[cell.artifact.sha256].path.absolute()),
        sha256=cell.artifact.sha256,
        session=cell.session,
        naive=cell.role == "naive call",
        cpus=cores_for(cell),
        inputs=None if truth is None else str(folder / "inputs.npy"),
        outputs=str(folder / "outputs.npy"),
        batch=cell.batch,
        seed=plan.seed,
        block_s=plan.block_s,
        paced_s=period_s(cell.scenario),
        warmup_cap_s=plan.warmup_cap_s,
        # A GPU's driver maps far more addresses than there is memory, and a Python call may use one.
        memory_limit_bytes=psutil.virtual_memory().available
        if cell.session.provider in ON_CPU and cell.session.runtime != "python"
        else None,
        spawned_ns=0,
        python=python,
    )
