"""Whether a model keeps its speed when it runs for minutes."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.artifact import Artifact
from edgefashion.bench.points.sustained import ranking_changed, run_sustained, speed_changed, summarise, watch
from edgefashion.bench.process.worker import Job
from edgefashion.environment import usable_cpus
from edgefashion.records import SustainedRun, Window
from edgefashion.runtimes import default_spec, open_session
from edgefashion.stats import Floats


def run_of(medians_s: Sequence[float] | Floats, *, cell: str = "fp32", batch: int = 1) -> SustainedRun:
    windows = [Window(float(second), 1000, float(median), None) for second, median in enumerate(medians_s)]
    return summarise(windows, cell=cell, batch=batch)


def noise(seconds: int, *, correlation: float = 0.5, spread: float = 0.01, seed: int = 0) -> Floats:
    """Factors around 1 (float64[seconds]): autoregressive, of unit spread at every second."""
    random = np.random.default_rng(seed)
    values = np.empty(seconds)
    value = random.standard_normal()
    for second in range(seconds):
        value = correlation * value + np.sqrt(1 - correlation**2) * random.standard_normal()
        values[second] = value
    return np.exp(spread * values)


def step(seconds: int, before: float, after: float) -> Floats:
    return np.where(np.arange(seconds) < seconds / 2, before, after)


def test_a_constant_speed_is_unchanged() -> None:
    """Noise alone is no change, and the interval holds the truth."""
    run = run_of(1e-4 * noise(120))
    assert run.change is not None
    assert run.change.low <= 1 <= run.change.high
    assert run.change.high - run.change.low < 0.1
    assert speed_changed(run) is None


def test_a_speed_without_any_noise_is_unchanged() -> None:
    """Where no window differs, the ratio is exactly 1."""
    run = run_of([1e-4] * 120)
    assert run.change is not None
    assert (run.change.low, run.change.value, run.change.high) == (1, 1, 1)
    assert speed_changed(run) is None


@pytest.mark.parametrize(("after", "word"), [(1.2e-4, "slower"), (0.8e-4, "faster")])
def test_a_step_halfway_is_found(after: float, word: str) -> None:
    """A call that takes a fifth more, or less, from the middle on is said so, with the ratio."""
    run = run_of(step(120, 1e-4, after) * noise(120))
    assert run.change is not None
    assert run.change.low <= after / 1e-4 <= run.change.high
    sentence = speed_changed(run)
    assert sentence is not None
    assert f"fp32 becomes {word} when it runs for 120 s" in sentence


def test_one_disturbed_second_is_no_change() -> None:
    """A batch's value is a median, so a second that took ten times as long does not move it."""
    medians = 1e-4 * noise(120)
    medians[3] *= 10
    assert speed_changed(run_of(medians)) is None


def test_correlated_seconds_do_not_raise_false_alarms() -> None:
    """Under strong correlation and no change, the interval excludes 1 about as rarely as it claims.

    Every second taken for an independent value would exclude it in more than half of the runs, ten batches in 17 %.
    """
    alarms = sum(speed_changed(run_of(noise(300, correlation=0.8, seed=seed))) is not None for seed in range(400))
    assert alarms < 0.1 * 400


def test_a_ranking_that_swaps_is_found() -> None:
    """A cell that is faster at first and slower at last is named with the one that it falls behind."""
    cool = run_of(1.1e-4 * noise(120, seed=1), cell="int8")
    hot = run_of(step(120, 1e-4, 1.2e-4) * noise(120, seed=2), cell="fp32")
    assert ranking_changed([hot, cool]) == (
        "the ranking changes when cells run for long: fp32 is faster than int8 at the start, and slower at the end"
    )


def test_a_ranking_that_holds_is_not_reported() -> None:
    """All cells may become slower together, or come closer, without a change of order."""
    slow = run_of(step(120, 2e-4, 2.4e-4) * noise(120, seed=1), cell="fp32")
    fast = run_of(step(120, 1e-4, 1.2e-4) * noise(120, seed=2), cell="int8")
    close = run_of(step(120, 1e-4, 1.19e-4) * noise(120, seed=3), cell="int8 again")
    assert ranking_changed([slow, fast, close]) is None


def test_a_ranking_goes_by_the_time_a_picture() -> None:
    """A call of eight pictures takes longer than a call of one, and each of them less."""
    eight = run_of(4e-4 * noise(120, seed=1), cell="batch 8", batch=8)
    one = run_of(step(120, 1e-4, 0.2e-4) * noise(120, seed=2), cell="batch 1")
    assert eight.start is not None
    assert eight.start.low <= 0.5e-4 <= eight.start.high
    assert "batch 8 is faster than batch 1 at the start" in (ranking_changed([eight, one]) or "")


def test_a_short_run_tells_nothing() -> None:
    """A run too short for independent batches has windows, but no figures and no claims."""
    short = run_of(step(44, 1e-4, 2e-4))
    assert (short.start, short.end, short.change) == (None, None, None)
    assert speed_changed(short) is None
    assert ranking_changed([short, run_of([1e-4] * 44, cell="int8")]) is None
    assert run_of([1e-4] * 45).change is not None


@given(st.floats(min_value=1e-3, max_value=1e3), st.integers(min_value=45, max_value=200))
def test_the_unit_of_time_does_not_matter(factor: float, seconds: int) -> None:
    """Other units scale the levels and leave the ratio as it is."""
    medians = 1e-4 * noise(seconds, seed=seconds)
    run, scaled = run_of(medians), run_of(factor * medians)
    assert run.start is not None
    assert scaled.start is not None
    assert run.change is not None
    assert scaled.change is not None
    assert scaled.start.value == pytest.approx(factor * run.start.value)
    assert scaled.change.low == pytest.approx(run.change.low)
    assert scaled.change.high == pytest.approx(run.change.high)


def test_windows_follow_one_another_until_the_time_is_over() -> None:
    """Each block is a window; the first begins at zero, the last one before the end."""
    now_s = 50.0

    def block() -> list[int]:
        nonlocal now_s
        now_s += 1.25
        return [100, 300, 200]

    windows = watch(block, calls_per_sample=1, seconds=4, clock=lambda: now_s)
    assert [window.started_s for window in windows] == [0, 1.25, 2.5, 3.75]
    assert {3} == {window.calls for window in windows}
    assert {200e-9} == {window.median_s for window in windows}


def test_at_least_one_window_is_seen() -> None:
    """Even no time at all gives one."""
    assert len(watch(lambda: [1, 2, 3], calls_per_sample=1, seconds=0)) == 1


def test_short_calls_are_counted_one_by_one() -> None:
    """Where a sample holds several calls, each took its share, and a tail cannot be known."""
    (window,) = watch(lambda: [1000] * 400, calls_per_sample=4, seconds=0)
    assert (window.calls, window.median_s, window.p99_s) == (1600, 250e-9, None)


def test_a_tail_needs_enough_calls() -> None:
    """The 99th percentile of a window is given from 368 calls on."""
    (few,) = watch(lambda: list(range(1, 368)), calls_per_sample=1, seconds=0)
    (enough,) = watch(lambda: list(range(1, 369)), calls_per_sample=1, seconds=0)
    assert few.p99_s is None
    assert enough.p99_s == pytest.approx(np.quantile(np.arange(1, 369), 0.99) / 1e9)


def test_a_real_worker_runs_for_seconds(fp32: Artifact, sample, tmp_path: Path) -> None:
    """A fresh process answers for three seconds; every window has calls, and so few windows no figures."""
    inputs = sample.test.pixels[:16].reshape(16, 1, 28, 28)
    with open_session(fp32, default_spec(fp32)) as session:
        outputs = np.stack([session.run(batch) for batch in inputs])
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "outputs.npy", outputs)
    job = Job(
        artifact=str(fp32.path),
        sha256=fp32.sha256,
        session=default_spec(fp32),
        naive=False,
        cpus=usable_cpus()[-1:],
        inputs=str(tmp_path / "inputs.npy"),
        outputs=str(tmp_path / "outputs.npy"),
        batch=1,
        seed=0,
        block_s=0.005,
        paced_s=0.1,
        warmup_cap_s=0.5,
        memory_limit_bytes=None,
        spawned_ns=0,
    )
    run = run_sustained(job, cell="fp32", seconds=3, errors=tmp_path / "errors")
    assert 1 <= len(run.windows) <= 3
    assert min(window.calls for window in run.windows) >= 20
    assert min(window.median_s for window in run.windows) > 0
    starts = [window.started_s for window in run.windows]
    assert all(after - before >= 1 for before, after in pairwise(starts))
    assert (run.cell, run.batch, run.change) == ("fp32", 1, None)
