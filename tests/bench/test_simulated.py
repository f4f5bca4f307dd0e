"""What the harness says of machines whose truth is known: the real schedule, analysis and gate on simulated workers.

Rates are judged by exact binomial tests that err once in a thousand; seeds are fixed. What a launch is made of is
in test_sampling, what single tests and intervals do is in tests/stats and test_gate_rates.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
import numpy as np
import pytest
from scipy.stats import binomtest, mannwhitneyu
from simulation import MEASURED, WILD, Machine, Work, measured, plan_for, simulation_of

from edgefashion.bench.analyse import comparisons, shared
from edgefashion.bench.gate import Pair, judge
from edgefashion.bench.machine.noise import judge_noise
from edgefashion.bench.schedule import Raw
from edgefashion.bench.verdict import rank
from edgefashion.records import Gate, HostLoad, Interval, Noise, Plan, Rank
from edgefashion.stats import difference_of_means, log_interval

RUNS = 2_000
PLAN = plan_for(["reference", "copy"])
TEN = plan_for(["reference", "copy"], max_generations=10)
SILENT_HOST = HostLoad(60.0, None, None, None, None)


@dataclass(frozen=True)
class Judged:
    """Everything that is said about the second cell of a run."""

    ratio: Interval
    noise: Noise
    rank: Rank
    gate: Gate


def judged(plan: Plan, raw: Raw) -> Judged:
    compared = comparisons(plan, raw.medians)
    copy, reference = shared(raw.medians, "copy", "reference")
    noise = judge_noise(
        host=SILENT_HOST,
        canaries=raw.canaries,
        disturbed_share=0.0,
        reference_medians_s=reference,
        duplicate=None,  # in half of these tests the copy is none
    )
    return Judged(
        ratio=compared["copy"].ratio,
        noise=noise,
        rank=rank("copy", plan, compared, noise),
        gate=judge([Pair("copy", "reference", np.log(copy), np.log(reference))], noise=noise.level, classes=()),
    )


def runs(plan: Plan, machine: Machine, count: int, *, slower: float = 0.0, **tools: object) -> list[Raw]:
    """Whole benchmarks of `plan`, each from a seed of its own; the copy takes longer by `slower`."""
    seeded = (msgspec.structs.replace(plan, seed=seed) for seed in range(count))
    copy = Work(call_ns=Work.call_ns * (1 + slower))
    return [
        measured(each, simulation_of(each, machine, seed=each.seed, work={"copy": copy}), **tools) for each in seeded
    ]


def excluding(found: Iterable[Interval], truth: float = 1.0) -> int:
    return sum(not each.low <= truth <= each.high for each in found)


def ratios(plan: Plan, found: Sequence[Raw]) -> list[Interval]:
    return [comparisons(plan, raw.medians)["copy"].ratio for raw in found]


def is_one_in_twenty(found: int, total: int) -> bool:
    return bool(binomtest(found, total, 0.05).pvalue > 0.001)


# A/A: the same cell twice


@pytest.fixture(scope="module")
def same() -> list[Judged]:
    return [judged(PLAN, raw) for raw in runs(PLAN, MEASURED, RUNS)]


def test_identical_cells_are_told_apart_at_the_nominal_rate(same: list[Judged]) -> None:
    """Of 2,000 whole runs, stopping by precision included, one in twenty has an interval that excludes 1."""
    assert is_one_in_twenty(excluding(each.ratio for each in same), RUNS)


def test_identical_cells_are_ranked_as_often_as_their_intervals_exclude_one(same: list[Judged]) -> None:
    """One run in twenty is called faster or slower, and neither more often than the other."""
    ranks = [each.rank for each in same]
    assert is_one_in_twenty(len(ranks) - ranks.count("no difference found"), RUNS)
    assert binomtest(ranks.count("faster"), ranks.count("faster") + ranks.count("slower")).pvalue > 0.001


def test_identical_cells_seldom_fail_the_gate(same: list[Judged]) -> None:
    """No more runs FAIL than the level of 2.5 % allows, and nine in ten PASS."""
    verdicts = [each.gate.verdict for each in same]
    assert binomtest(verdicts.count("FAIL"), RUNS, 0.025, alternative="greater").pvalue > 0.001
    assert binomtest(verdicts.count("PASS"), RUNS, 0.9, alternative="greater").pvalue < 0.001


def test_the_measured_machine_is_fit_for_measuring(same: list[Judged]) -> None:
    """Its launches and its canary make no run noisy or invalid; otherwise the rates above would be of no verdicts."""
    assert {each.noise.level for each in same} <= {"quiet", "usable"}


# Sensitivity and coverage


def test_a_slowdown_of_three_percent_fails_the_gate() -> None:
    """It is proven that more than 95 % of runs find it."""
    found = [judged(PLAN, raw).gate.verdict for raw in runs(PLAN, MEASURED, 300, slower=0.03)]
    assert binomtest(found.count("FAIL"), len(found), 0.95, alternative="greater").pvalue < 0.001


@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(WILD, id="luck of 1.3 % in each launch"),
        pytest.param(replace(MEASURED, noise=0.2), id="calls with heavy tails"),
        pytest.param(replace(MEASURED, memory_s=0.1), id="speed that changes from block to block"),
        pytest.param(replace(MEASURED, drift=0.1, memory_s=500.0), id="speed that wanders over the run"),
    ],
)
def test_intervals_of_ratios_cover(machine: Machine) -> None:
    """A true ratio of 1.1 lies in 95 of 100 intervals, however the machine behaves."""
    plan = plan_for(["reference", "copy"], budget_s=30.0)
    found = runs(plan, machine, 300, slower=0.1)
    assert is_one_in_twenty(excluding(ratios(plan, found), truth=1.1), len(found))


def test_the_interval_of_a_median_is_about_its_own_run() -> None:
    """Under a drift that outlasts generations it misses the machine's long-run median in every other run.

    Launches that follow each other share a mood, so they count for fewer than they are. Ratios are free of it,
    which is why cells are ranked by ratios alone.
    """
    found = runs(TEN, replace(MEASURED, memory_s=10.0), 200)
    medians = [log_interval(np.array(list(raw.medians["reference"].values()))) for raw in found]
    truth = float(np.median([each.value for each in medians]))
    assert excluding(medians, truth) > 200 * 0.3
    assert is_one_in_twenty(excluding(ratios(TEN, found)), 200)


def test_stopping_by_precision_costs_a_point_of_coverage() -> None:
    """Where runs stop because luck made an interval narrow, no more than 6.5 % of intervals miss, instead of 5 %."""
    lucky = Machine(luck=0.016, drift=0.001)
    missed = excluding(ratios(PLAN, runs(PLAN, lucky, 300)))
    assert binomtest(missed, 300, 0.065, alternative="greater").pvalue > 0.001


# Negative controls: each takes one protection out


def alarms(plan: Plan, machine: Machine, count: int, **tools: Any) -> int:
    return excluding(ratios(plan, runs(plan, machine, count, **tools)))


def test_only_a_shuffled_order_withstands_a_machine_that_heats_up() -> None:
    """Slower with each second of work, it makes whoever comes later seem slower, unless chance decides who does."""
    hot = replace(MEASURED, heating=0.2)
    assert is_one_in_twenty(alarms(TEN, hot, 300), 300)
    assert alarms(TEN, hot, 300, shuffle=list) > 300 * 0.3
    one_after_the_other = plan_for(["reference", "copy"], max_generations=10, rounds=1, block_s=6 * TEN.block_s)
    assert alarms(one_after_the_other, hot, 300, shuffle=list) > 300 * 0.95


def test_stopping_needs_ten_generations_first() -> None:
    """Stopped at the first narrow interval of two launches, too many runs tell identical cells apart."""
    lucky = Machine(luck=0.01, drift=0.001)
    hasty = plan_for(["reference", "copy"], min_generations=2, rounds=1)
    assert not is_one_in_twenty(alarms(hasty, lucky, 1500), 1500)
    patient = plan_for(["reference", "copy"], rounds=1)
    assert is_one_in_twenty(alarms(patient, lucky, 300), 300)


def test_calls_are_no_replicates() -> None:
    """A rank test on all calls of identical cells cries "different" most of the time, the same runs' ratios seldom."""
    found = runs(TEN, replace(MEASURED, samples=300), 60)
    cries = sum(mannwhitneyu(pooled(raw, "copy"), pooled(raw, "reference")).pvalue < 0.05 for raw in found)
    assert cries > 60 * 0.6
    assert is_one_in_twenty(excluding(ratios(TEN, found)), 60)


def pooled(raw: Raw, label: str) -> list[int]:
    launches = (launch for launch in raw.launches if launch.cell == label)
    return [sample for launch in launches for block in launch.blocks_ns for sample in block]


def test_pairing_finds_what_unpaired_launches_hide() -> None:
    """Ten generations show a difference of 1 % nearly always by pairs, seldom by Welch's test on the same launches."""
    found = runs(TEN, MEASURED, 200, slower=0.01)
    assert excluding(ratios(TEN, found)) > 200 * 0.85
    unpaired = [difference_of_means(*map(np.log, shared(raw.medians, "copy", "reference"))) for raw in found]
    assert excluding((each.interval() for each in unpaired), truth=0.0) < 200 * 0.5
