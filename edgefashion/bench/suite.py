"""The whole measurement: quality first, then latency, then what may be said about it."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from edgefashion import environment
from edgefashion.artifact import Artifact
from edgefashion.bench.analyse import Timing, launches_of, paired_ratios, timing
from edgefashion.bench.plan import cores_for, make_plan
from edgefashion.bench.schedule import run_schedule
from edgefashion.bench.verdict import rank, warnings_about
from edgefashion.bench.worker import Job
from edgefashion.data import Dataset
from edgefashion.records import BenchReport, Cell, CellResult, Interval, Placement, Plan, Quality
from edgefashion.runtimes import Logits, Pixels, open_session, run_all
from edgefashion.verify.quality import measure_quality

_INPUTS = 16  # different batches that a worker rotates through


class Progress(Protocol):
    """What a measurement tells whoever watches."""

    def evaluating(self, cell: str) -> None:
        """Quality of this cell is being measured."""

    def generation(self, number: int, spent_s: float, plan: Plan, ratios: dict[str, Interval]) -> None:
        """A generation is done; the ratios are those known so far."""


class Silent:
    """A progress that nobody watches."""

    def evaluating(self, cell: str) -> None:
        """Say nothing."""

    def generation(self, number: int, spent_s: float, plan: Plan, ratios: dict[str, Interval]) -> None:
        """Say nothing."""


def measure(
    artifacts: Sequence[Artifact],
    data: Dataset,
    *,
    runtimes: Sequence[str] | None = None,
    providers: Sequence[str] = ("cpu",),
    threads: Sequence[int] = (1,),
    batches: Sequence[int] = (1,),
    reference: str | None = None,
    budget_s: float = 60.0,
    seed: int = 0,
    progress: Progress | None = None,
) -> BenchReport:
    """Quality and latency of every artifact in every setting, side by side.

    Each cell runs in fresh processes pinned to as many cores as it has threads; a worker's outputs are checked before
    it is timed; blocks of all cells are interleaved at random; ratios to the reference are paired by generation.

    Args:
        artifacts: Models and checkpoints.
        data: Its test pictures give quality and inputs.
        runtimes: Runtimes by name; all that are installed by default.
        providers: Execution providers by short or own name.
        threads: Intra-op thread counts.
        batches: Pictures a call.
        reference: Variant or cell that ratios refer to; the first float32 ONNX model by default.
        budget_s: Seconds for the timed part; at least two generations run even if they take longer.
        seed: Decides the inputs and the order.
        progress: Is told what happens.

    Raises:
        UsageError: The request makes no sense.
        NotAvailable: A provider is unknown, absent, or did not get every node.
    """
    started = time.monotonic()
    progress = progress or Silent()
    plan = make_plan(
        artifacts,
        runtimes=runtimes,
        providers=providers,
        threads=threads,
        batches=batches,
        reference=reference,
        budget_s=budget_s,
        seed=seed,
    )
    by_digest = {artifact.sha256: artifact for artifact in artifacts}
    inputs = _draw_inputs(plan, data)
    truths = _evaluate(plan, by_digest, data, inputs, progress)
    with tempfile.TemporaryDirectory(prefix="edgefashion-bench-") as folder:
        jobs = _jobs(plan, by_digest, inputs, truths, Path(folder))
        raw = run_schedule(
            plan,
            jobs,
            Path(folder),
            lambda number, spent_s, launches: progress.generation(number, spent_s, plan, paired_ratios(plan, launches)),
        )
    measured = [cell for cell in plan.cells if launches_of(cell, raw.launches)]
    timings = {cell.label: timing(launches_of(cell, raw.launches), batch=cell.batch) for cell in measured}
    found = paired_ratios(plan, raw.launches)
    return BenchReport(
        data=data.identity,
        plan=plan,
        launches=raw.launches,
        order=raw.order,
        results=[_result(cell, timings[cell.label], plan, ratios=found, truth=truths[_key(cell)]) for cell in measured],
        failures=raw.failures,
        warnings=warnings_about(plan, timings, found),
        partial=raw.interrupted,
        wall_s=time.monotonic() - started,
        environment=environment.describe(),
    )


Key = tuple[str, str, str]


@dataclass(frozen=True)
class Truth:
    """What one artifact answers in one runtime and provider, before anything is timed.

    Attributes:
        quality: On all test pictures, one picture a call, as on a device.
        placement: Where its nodes were put.
        outputs: For each batch size, the logits float32[inputs, batch, classes] of the timed inputs.
    """

    quality: Quality
    placement: Placement
    outputs: Mapping[int, Logits]


def _key(cell: Cell) -> Key:
    return cell.artifact.sha256, cell.session.runtime, cell.session.provider


def _draw_inputs(plan: Plan, data: Dataset) -> dict[int, Pixels]:
    """uint8[inputs, batch, H, W] for each batch size: the same pictures for every cell, so none has easier ones."""
    inputs = {}
    for batch in {cell.batch for cell in plan.cells}:
        random = np.random.default_rng([plan.seed, batch])
        inputs[batch] = data.test.pixels[random.integers(len(data.test), size=(_INPUTS, batch))]
    return inputs


def _evaluate(
    plan: Plan, artifacts: Mapping[str, Artifact], data: Dataset, inputs: Mapping[int, Pixels], progress: Progress
) -> dict[Key, Truth]:
    truths: dict[Key, Truth] = {}
    for cell in plan.cells:
        if _key(cell) in truths:
            continue
        progress.evaluating(cell.label)
        with open_session(artifacts[cell.artifact.sha256], cell.session) as session:
            logits = run_all(session, data.test.pixels)
            truths[_key(cell)] = Truth(
                quality=measure_quality(logits, data.test.labels, data.labels),
                placement=session.placement,
                # Run as they will be timed: a dynamically quantized model's answer to a picture depends on
                # the other pictures of its batch.
                outputs={size: np.stack([session.run(each) for each in drawn]) for size, drawn in inputs.items()},
            )
    return truths


def _jobs(
    plan: Plan,
    artifacts: Mapping[str, Artifact],
    inputs: Mapping[int, Pixels],
    truths: Mapping[Key, Truth],
    folder: Path,
) -> dict[str, Job]:
    jobs = {}
    for number, cell in enumerate(plan.cells):
        pictures, answers = folder / f"inputs-{cell.batch}.npy", folder / f"outputs-{number}.npy"
        np.save(pictures, inputs[cell.batch], allow_pickle=False)
        np.save(answers, truths[_key(cell)].outputs[cell.batch], allow_pickle=False)
        jobs[cell.label] = Job(
            artifact=str(artifacts[cell.artifact.sha256].path.absolute()),
            sha256=cell.artifact.sha256,
            session=cell.session,
            cpus=cores_for(cell),
            inputs=str(pictures),
            outputs=str(answers),
            block_s=plan.block_s,
        )
    return jobs


def _result(cell: Cell, figures: Timing, plan: Plan, *, ratios: Mapping[str, Interval], truth: Truth) -> CellResult:
    ratio = ratios.get(cell.label)
    return CellResult(
        cell=cell.label,
        launches=figures.launches,
        calls=figures.calls,
        median_s=figures.median_s,
        mean_s=figures.mean_s,
        p90_s=figures.p90_s,
        p99_s=figures.p99_s,
        throughput_per_s=figures.throughput_per_s,
        ratio=ratio,
        rank=rank(cell.label, ratio, plan, duplicate=ratios.get(plan.duplicate)),
        quality=truth.quality,
        placement=truth.placement,
        session_s=figures.session_s,
        peak_rss_bytes=figures.peak_rss_bytes,
    )
