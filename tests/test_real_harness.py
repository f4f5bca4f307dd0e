"""The whole harness on real processes: identical cells side by side, and beside them one that is slower by 3 %.

A quarter of an hour on two idle cores. `pytest -m slow -rP tests/test_real_harness.py` shows the figures.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest

import edgefashion
from edgefashion.artifact import open_artifact
from edgefashion.bench import suite
from edgefashion.bench.analyse import shared
from edgefashion.bench.gate import Pair, judge
from edgefashion.bench.machine.canary import spin_ns
from edgefashion.bench.plan import make_plan
from edgefashion.bench.process.isolation import pinned
from edgefashion.bench.process.launch import Worker
from edgefashion.bench.request import Request
from edgefashion.bench.schedule import Raw, Tools, run_schedule
from edgefashion.environment import usable_cpus
from edgefashion.records import Cell, LatencyCheck, Plan

pytestmark = pytest.mark.slow

ROOT = Path(edgefashion.__file__).parents[1]
FAKES = Path(__file__).parent / "bench" / "fakes"
MODEL = ROOT / "exported" / "seed-reference" / "fp32.onnx"
RUNS = 17
SLOWER = "0.03"
FINE = 0.025

replace = msgspec.structs.replace


@pytest.fixture(scope="module", autouse=True)
def _plugged_in() -> Iterator[None]:
    """The fake runtimes are installed, here and in every process that is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        for folder in (ROOT, FAKES):
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@dataclass(frozen=True)
class Found:
    """What the gate says of every comparison.

    Attributes:
        same: Of two identical cells; none of them is in two comparisons.
        slower: Of a cell that works longer by 3 %.
    """

    same: list[LatencyCheck]
    slower: list[LatencyCheck]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Found:
    """Six pairs of identical cells and a slower one in each of 17 runs; every core has runs of its own."""
    plan = twins_and_a_slower_one()
    folder = tmp_path_factory.mktemp("jobs")
    cores = usable_cpus()[-2:]
    with ThreadPoolExecutor(len(cores)) as pool:
        shares = [range(number, RUNS, len(cores)) for number in range(len(cores))]
        raws = [raw for share in pool.map(partial(runs_of, plan, folder), cores, shares) for raw in share]
    checks = [check_of(cell, raw) for raw in raws for cell in plan.cells if cell.reference != cell.label]
    return Found(
        same=[each for each in checks if not each.cell.endswith("slower")],
        slower=[each for each in checks if each.cell.endswith("slower")],
    )


def twins_and_a_slower_one() -> Plan:
    """Of the committed model in ONNX Runtime, and of a fixed amount of work in a hash function: three pairs each."""
    plan = make_plan(
        Request([open_artifact(MODEL)], runtimes=["onnxruntime", "fake-work"], overhead_cells=False, budget_s=1e6)
    )
    real, work = (
        next(each for each in plan.cells if each.session.runtime == name) for name in ("onnxruntime", "fake-work")
    )
    cells = [twin for cell in (real, work) for number in (1, 2, 3) for twin in twins(cell, number)]
    slower = replace(
        work,
        label=f"{work.label} slower",
        session=replace(work.session, options={"slower": SLOWER}),
        reference=next(cell.label for cell in cells if cell.session == work.session),
    )
    return replace(plan, cells=[*cells, slower], max_generations=plan.min_generations)


def twins(cell: Cell, number: int) -> list[Cell]:
    one = f"{cell.label} {number}"
    return [replace(cell, label=label, reference=one) for label in (one, f"{one} again")]


def runs_of(plan: Plan, folder: Path, core: int, seeds: Sequence[int]) -> list[Raw]:
    """Whole runs, one after the other, all on one core."""
    return [run(replace(plan, seed=seed), folder / str(seed), core) for seed in seeds]


def run(plan: Plan, folder: Path, core: int) -> Raw:
    folder.mkdir()
    model = open_artifact(MODEL)
    jobs = suite._jobs(plan, {model.sha256: model}, {}, folder)

    def start(label: str) -> Worker:
        job = replace(jobs[label], cpus=[core])
        return Worker(job, Path(job.outputs).with_name("stderr"))

    def canary() -> int:
        with pinned([core]):
            return spin_ns()

    raw = run_schedule(plan, Tools(start=start, canary=canary), lambda *_: None, started_s=0.0)
    assert raw.failures == []
    return raw


def check_of(cell: Cell, raw: Raw) -> LatencyCheck:
    """The gate's own, with the small margin of a quiet machine: the one that cries most easily."""
    mine, reference = shared(raw.medians, cell.label, cell.reference)
    (check,) = judge(
        [Pair(cell.label, cell.reference, np.log(mine), np.log(reference))], noise="quiet", classes=()
    ).latency
    return check


def in_words(count: int, total: int) -> str:
    interval = binomtest(count, total).proportion_ci()
    return f"{count} of {total} ({count / total:.1%}, exact 95 % interval {interval.low:.1%} to {interval.high:.1%})"


def say(words: str) -> None:
    """What the documents quote."""
    print(words)  # noqa: T201 - shown by -rP


def test_identical_cells_are_told_apart_at_the_nominal_rate(found: Found) -> None:
    """Of at least 100 comparisons, the share of intervals that exclude 1 agrees with one in twenty."""
    excluding = sum(not each.ratio.low <= 1 <= each.ratio.high for each in found.same)
    widths = np.median([each.ratio.relative_half_width for each in found.same])
    say(f"intervals that exclude 1: {in_words(excluding, len(found.same))}; median half-width {widths:.2%}")
    assert len(found.same) >= 100
    assert binomtest(excluding, len(found.same), 0.05).pvalue > 0.001


def test_identical_cells_fail_the_gate_no_more_often_than_it_says(found: Found) -> None:
    """False alarms are no more than the level of 2.5 % allows."""
    verdicts = [each.verdict for each in found.same]
    for verdict in ("PASS", "INCONCLUSIVE", "FAIL"):
        say(f"{verdict}: {in_words(verdicts.count(verdict), len(verdicts))}")
    assert binomtest(verdicts.count("FAIL"), len(verdicts), 0.025, alternative="greater").pvalue > 0.001


def test_a_slowdown_of_three_percent_is_found(found: Found) -> None:
    """Its interval covers 3 %, no run calls it as fast as before, and runs that are fine enough find it.

    A run is fine enough if it says of itself that 2.5 % would be found. Where no run is, the machine is too noisy.
    """
    total = len(found.slower)
    missing = sum(not each.ratio.low <= 1 + float(SLOWER) <= each.ratio.high for each in found.slower)
    passing = sum(each.verdict == "PASS" for each in found.slower)
    fine = [each for each in found.slower if each.detectable_slowdown <= FINE]
    failing = sum(each.verdict == "FAIL" for each in fine)
    ratio = np.median([each.ratio.value for each in found.slower])
    everywhere = sum(each.verdict == "FAIL" for each in found.slower)
    say(f"a slowdown of 3 % is measured as ×{ratio:.4f}; intervals that miss it: {in_words(missing, total)}")
    say(f"it FAILs in {everywhere} of {total} runs, and in {failing} of the {len(fine)} that are fine enough")
    assert binomtest(missing, total, 0.05, alternative="greater").pvalue > 0.001
    assert binomtest(passing, total, 0.025, alternative="greater").pvalue > 0.001
    if not fine:
        pytest.skip(f"too noisy here: no run promises to find 2.5 %, and {everywhere} of {total} found 3 %")
    assert binomtest(failing, len(fine), 0.95, alternative="less").pvalue > 0.001
