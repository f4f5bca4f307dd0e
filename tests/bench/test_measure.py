"""The whole measurement, on real processes."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgefashion import bench
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.bench import Request, afterwards, analyse, suite
from edgefashion.bench.analyse import Medians
from edgefashion.bench.plan import NULL_MODEL, cores_for, make_plan
from edgefashion.bench.process import launch
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import BenchReport, CellResult, Plan, SustainedRun
from edgefashion.subjects import open_model

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"
BRIEFLY_S = 0.1  # two generations run whatever the budget

replace = msgspec.structs.replace


@dataclass
class Watched:
    """A progress that remembers what it was told."""

    plans: list[Plan] = field(default_factory=list)
    evaluated: list[str] = field(default_factory=list)
    generations: list[tuple[int, float, dict[str, int]]] = field(default_factory=list)

    def planned(self, plan: Plan) -> None:
        self.plans.append(plan)

    def evaluating(self, cell: str) -> None:
        self.evaluated.append(cell)

    def generation(self, number: int, spent_s: float, medians: Medians) -> None:
        self.generations.append((number, spent_s, {label: len(each) for label, each in medians.items()}))

    def phase(self, words: str) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def watched() -> Watched:
    """Whoever watches the measurement that most tests look at."""
    return Watched()


@pytest.fixture(scope="module")
def measured(sample: Dataset, watched: Watched) -> BenchReport:
    """Two models of the committed run, one of them beside itself as its baseline, two generations."""
    fp32, int8 = (open_artifact(COMMITTED / name) for name in ("fp32.onnx", "int8-static.onnx"))
    request = Request([fp32, int8], baselines=[fp32], runtimes=["onnxruntime"], budget_s=BRIEFLY_S)
    return bench.measure(request, sample, progress=watched)


def briefly(*models: Artifact, **changes: object) -> Request:
    """A request that takes as little time as there is."""
    settings = {"runtimes": ["onnxruntime"], "overhead_cells": False, "budget_s": BRIEFLY_S, **changes}
    return Request(models, **settings)


def by_role(report: BenchReport, role: str) -> list[CellResult]:
    return [result for result in report.results if report.plan.cell(result.cell).role == role]


# What is measured


def test_every_cell_is_measured(measured: BenchReport) -> None:
    """Two launches each in the order of the plan: the models, the baseline, the copy, and what a call costs."""
    assert measured.failures == []
    assert [cell.label for cell in measured.plan.cells] == [result.cell for result in measured.results]
    assert [cell.role for cell in measured.plan.cells] == [
        "baseline",
        "subject",
        "subject",
        "duplicate",
        "naive call",
        "null model",
    ]
    assert {2} == {result.launches for result in measured.results}
    assert {2 * measured.plan.rounds} == {result.blocks for result in measured.results}
    assert not measured.partial


def test_quality_stands_beside_latency(measured: BenchReport, sample: Dataset) -> None:
    """Of every cell that classifies pictures, with each of its decisions; the null model classifies none."""
    for result in measured.results:
        if result in by_role(measured, "null model"):
            assert (result.quality, result.decisions) == (None, b"")
            continue
        assert result.quality is not None
        right = np.frombuffer(result.decisions, np.uint8) == sample.test.labels
        assert right.mean() == result.quality.accuracy > 0.8
        assert len(right) == result.quality.images == 1000
    assert measured.data == sample.identity


def test_a_call_of_nothing_takes_less_than_any_other(measured: BenchReport) -> None:
    """The null model is what a call costs: every model is called the same way, and does something besides."""
    (null,) = by_role(measured, "null model")
    assert null.latency.median_s is not None
    for result in measured.results:
        assert result.latency.median_s is not None
        assert result is null or result.latency.median_s.value > null.latency.median_s.value
    calls = {launch.cell: launch.calls_per_sample for launch in measured.launches}
    assert calls[null.cell] > 1


def test_memory_and_start_are_told(measured: BenchReport) -> None:
    """A cold start is mostly imports here, and the peak holds the model."""
    for result in measured.results:
        assert result.startup.total_s > result.startup.import_s > result.startup.first_run_s > 0
        assert result.peak_bytes > result.model_bytes >= 0
        assert result.placement is not None
        assert set(result.placement.nodes) <= {"CPUExecutionProvider"}


# How it is measured


def test_every_raw_sample_is_kept(measured: BenchReport, tmp_path: Path) -> None:
    """The figures can be derived again from the stored nanoseconds."""
    loaded = BenchReport.load(measured.save(tmp_path / "bench.json", indent=0))
    assert measured == replace(loaded, seal=measured.seal)
    compared = analyse.comparisons(loaded.plan, analyse.launch_medians(loaded.plan, loaded.launches))
    for result in loaded.results:
        launches = analyse.launches_of(result.cell, loaded.launches)
        assert analyse.latency(launches) == result.latency
        assert analyse.count_calls(launches) == result.calls
        assert compared.get(result.cell) == result.comparison


def test_blocks_are_interleaved(measured: BenchReport) -> None:
    """Each round holds every cell once, and the rounds are not in one order."""
    labels = sorted(cell.label for cell in measured.plan.cells)
    rounds = [measured.order[start : start + len(labels)] for start in range(0, len(measured.order), len(labels))]
    assert len(rounds) == 2 * measured.plan.rounds
    assert all(labels == sorted(each) for each in rounds)
    assert len({tuple(each) for each in rounds}) > 1


def test_the_canary_sings_in_every_round(measured: BenchReport) -> None:
    """A fixed amount of work between the blocks, in each generation."""
    assert [canary.generation for canary in measured.canaries] == [0, 1]
    assert all(len(canary.spins_ns) == measured.plan.rounds for canary in measured.canaries)
    assert all(min(canary.spins_ns) > 0 for canary in measured.canaries)


def test_a_job_says_what_its_cell_says(committed: Artifact, tmp_path: Path) -> None:
    """Pace, batch and seed are the cell's; only the naive cell is called naively; each job has its own folder."""
    request = Request([committed], runtimes=["onnxruntime"], scenarios=["closed", "paced:20"], batches=[1, 3], seed=5)
    plan = make_plan(request)
    models = {model.sha256: model for model in (committed, open_model(NULL_MODEL))}
    jobs = suite._jobs(plan, models, {}, tmp_path, pythons={})
    for cell in plan.cells:
        job = jobs[cell.label]
        assert (job.batch, job.seed, job.session, job.cpus) == (cell.batch, 5, cell.session, cores_for(cell))
        assert job.naive == (cell.role == "naive call")
        assert job.paced_s == (None if cell.scenario == "closed" else 0.05)
        assert job.sha256 == cell.artifact.sha256
        assert job.memory_limit_bytes is not None
    assert len({job.outputs for job in jobs.values()}) == len(plan.cells)


def test_launches_stay_on_their_cores(measured: BenchReport) -> None:
    """One core for one thread, all its threads seen, each launch after the begin and before the end."""
    assert {1} == {len(launch.cpus) for launch in measured.launches}
    assert all(launch.threads_seen >= 1 for launch in measured.launches)
    assert all(0 < launch.started_s < measured.wall_s for launch in measured.launches)


def test_who_watches_is_told(measured: BenchReport, watched: Watched) -> None:
    """The plan, each model once before it is judged, and each generation with all that is known by then."""
    assert watched.plans == [measured.plan]
    assert len(watched.evaluated) == 2
    assert [number for number, _, _ in watched.generations] == [1, 2]
    labels = {cell.label for cell in measured.plan.cells}
    assert [dict.fromkeys(labels, number) for number in (1, 2)] == [known for _, _, known in watched.generations]
    assert 0 < watched.generations[0][1] < watched.generations[1][1] < measured.wall_s


# What is made of it


def test_the_reference_has_no_ratio_and_its_copy_has(measured: BenchReport) -> None:
    """The copy's ratio is what the machine makes of nothing."""
    results = {result.cell: result for result in measured.results}
    assert results[measured.plan.reference].comparison is None
    assert results[measured.plan.reference].rank == "reference"
    copy = results[measured.plan.duplicate].comparison
    assert copy is not None
    assert 0.2 < copy.ratio.value < 5
    assert {"reference"} != {result.rank for result in measured.results}


def test_two_generations_are_never_precise(measured: BenchReport) -> None:
    """Their intervals are as wide as Student's t makes them, and the report says so."""
    wide = [result for result in measured.results if "imprecise" in result.labels]
    assert wide
    assert any(warning.startswith("imprecise") for warning in measured.warnings)


def test_a_model_beside_itself_does_not_fail_the_gate(measured: BenchReport, sample: Dataset, committed) -> None:
    """Nothing changed: quality passes, and latency is at most not known.

    One run in forty may be a false alarm by the gate's own level, so three in a row are one in 64,000.
    """
    for _ in range(2):
        if measured.gate is not None and measured.gate.verdict == "FAIL":
            measured = bench.measure(briefly(committed, baselines=[committed]), sample)
    assert measured.gate is not None
    assert measured.gate.paired
    assert measured.gate.verdict in {"PASS", "INCONCLUSIVE"}
    assert {"PASS"} == {check.verdict for check in measured.gate.quality}
    (check,) = measured.gate.latency
    assert check.generations == 2
    assert check.baseline == f"{check.cell} (baseline)"


# What goes wrong


def test_a_broken_cell_becomes_a_failure_and_the_rest_is_measured(
    committed: Artifact, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One worker whose answers are wrong: its cell is named with the reason, the others have results."""
    int8 = open_artifact(COMMITTED / "int8-static.onnx")
    jobs = suite._jobs

    def sabotaged(*arguments: object, **settings: object) -> object:
        found = jobs(*arguments, **settings)
        wrong = next(job for label, job in found.items() if label.startswith("int8"))
        np.save(wrong.outputs, np.load(wrong.outputs) + 1)
        return found

    monkeypatch.setattr(suite, "_jobs", sabotaged)
    result = bench.measure(briefly(committed, int8), sample)
    (failure,) = result.failures
    assert failure.cell.startswith("int8")
    assert "answers wrongly" in failure.reason
    assert [cell.label for cell in result.plan.cells if cell.label != failure.cell] == [
        each.cell for each in result.results
    ]


def test_each_worker_s_last_words_are_its_own(
    committed: Artifact, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies in silence is not given the words of its neighbour."""
    boot = (
        "import time; entered_ns = time.monotonic_ns()\n"
        "import edgefashion.bench.process.worker as w, os, sys\n"
        "old = w.prepare\n"
        "def odd(job, *rest):\n"
        "    found = old(job, *rest)\n"
        "    if job.batch == 1: print('just a note of another cell', file=sys.stderr, flush=True)\n"
        "    return found\n"
        "def block(calls, job, per_sample, clock, time_block=w._block):\n"
        "    if job.batch == 2: os.kill(os.getpid(), 9)\n"
        "    return time_block(calls, job, per_sample, clock)\n"
        "w.prepare, w._block = odd, block\n"
        "w.main(entered_ns)"
    )
    monkeypatch.setattr(launch, "_BOOT", boot)
    result = bench.measure(briefly(committed, batches=[1, 2]), sample)
    assert [failure.reason for failure in result.failures] == ["the worker was ended by signal 9"]


def test_a_measurement_in_which_everything_fails_is_a_report(
    committed: Artifact, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No result, every cell with its reason, and a gate that cannot tell."""
    monkeypatch.setattr(launch, "_BOOT", "raise SystemExit('no luck today')")
    result = bench.measure(briefly(committed, baselines=[committed]), sample)
    assert (result.results, result.launches) == ([], [])
    assert {"the worker ended with exit code 1: no luck today"} == {each.reason for each in result.failures}
    assert len(result.failures) == len(result.plan.cells) == 3
    assert result.gate is not None
    assert result.gate.verdict == "INCONCLUSIVE"


@pytest.mark.parametrize("is_foreign", [False, True])
def test_an_absent_provider_is_an_error_before_anything_is_measured(
    committed: Artifact, sample: Dataset, foreign, is_foreign: bool
) -> None:
    """Not a row of the CPU under another name, whoever made the model."""
    model = open_model(foreign("net.onnx", ("FLOAT", ["n", 2]))) if is_foreign else committed
    with pytest.raises(NotAvailable, match="QNNExecutionProvider is not usable"):
        bench.measure(briefly(model, providers=["qnn"]), sample)


def test_an_artifact_needs_pictures(committed: Artifact) -> None:
    """Without them nobody knows what it answers."""
    with pytest.raises(UsageError, match=r"fp32\.onnx classifies pictures"):
        bench.measure(briefly(committed))


def test_what_is_known_survives_an_interruption_of_what_comes_after(committed: Artifact, sample: Dataset) -> None:
    """Ctrl-C in a long run ends that one: the generations before it are kept, and marked partial."""

    class Impatient(Watched):
        def phase(self, words: str) -> None:
            assert "60 s without a break" in words
            raise KeyboardInterrupt

    result = bench.measure(briefly(committed, scenarios=["sustained:60"]), sample, progress=Impatient())
    assert result.partial
    assert {2} == {each.launches for each in result.results}
    assert (result.sustained, result.failures) == ([], [])


def test_one_failure_afterwards_takes_nothing_else_with_it(
    committed: Artifact, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long run that fails is named with its reason; the one after it, and what was measured before, are kept."""
    run = afterwards.run_sustained

    def failing_once(*arguments: object, seconds: float, **others: object) -> SustainedRun:
        if seconds == 1:
            raise launch.WorkerFailed("too hot")
        return run(*arguments, seconds=seconds, **others)

    monkeypatch.setattr(afterwards, "run_sustained", failing_once)
    result = bench.measure(briefly(committed, scenarios=["sustained:1", "sustained:2"], energy=True), sample)
    (model,) = by_role(result, "subject")
    assert [(each.cell, each.reason) for each in result.failures] == [(model.cell, "too hot")]
    assert [each.cell for each in result.sustained] == [model.cell]
    assert model.energy is not None


# Foreign models


def test_a_foreign_model_is_timed_without_pictures(foreign: Callable[..., Path]) -> None:
    """Nothing is known of its quality and nothing is said of it; its time is as good as any."""
    path = foreign("net.onnx", ("FLOAT", ["batch", 64, 64]), operator="Sigmoid")
    result = bench.measure(briefly(open_model(path), batches=[1, 4]))
    assert result.failures == []
    assert result.data is None
    assert [result.plan.cell(each.cell).batch for each in result.results] == [1, 4, 1]
    for each in result.results:
        assert (each.quality, each.decisions) == (None, b"")
        assert each.latency.median_s is not None
    assert result.results[1].comparison is not None


@pytest.mark.parametrize(
    ("inputs", "error", "said"),
    [
        ([("FLOAT", ["n", 2]), ("FLOAT", ["n", 2])], BadInput, "has 2 inputs"),
        ([("FLOAT", [3, 2])], UsageError, "has a fixed batch of 3"),
        ([("FLOAT", ["n", "any"])], BadInput, "open dimensions"),
    ],
    ids=["several", "fixed", "open"],
)
def test_a_foreign_model_that_cannot_be_fed_is_refused_first(foreign, inputs, error, said: str) -> None:
    """Before anything is measured, with the exit code that fits: it would fail in every launch."""
    with pytest.raises(error, match=said):
        bench.measure(briefly(open_model(foreign("net.onnx", *inputs))))


# Stored baselines


def test_a_stored_baseline_gives_advice(measured: BenchReport, committed: Artifact, sample: Dataset) -> None:
    """Its launches are of another time: the verdict is not paired, and quality is compared picture by picture."""
    result = bench.measure(briefly(committed), sample, stored=measured)
    assert result.gate is not None
    assert not result.gate.paired
    assert [check.baseline for check in result.gate.latency] == [by_role(measured, "subject")[0].cell]
    assert {"PASS"} == {check.verdict for check in result.gate.quality}
    assert any("advice" in reason for reason in result.gate.reasons)


def test_a_stored_baseline_that_has_no_counterpart_decides_nothing(
    measured: BenchReport, committed: Artifact, sample: Dataset
) -> None:
    """Another machine, and nothing to compare: it is said, and it is no PASS."""
    elsewhere = replace(
        measured,
        plan=replace(measured.plan, cells=[replace(each, batch=7) for each in measured.plan.cells]),
        environment=replace(measured.environment, cpu="another processor"),
    )
    result = bench.measure(briefly(committed), sample, stored=elsewhere)
    assert result.gate is not None
    assert result.gate.verdict == "INCONCLUSIVE"
    assert "another machine: processor was another processor" in result.gate.reasons[0]
    assert any("no cell has a counterpart" in reason for reason in result.gate.reasons)
