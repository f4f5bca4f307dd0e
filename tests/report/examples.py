"""Synthetic benchmarks: seeded, small, and with every case that a drawing must survive."""

from typing import Any

import msgspec
import numpy as np
from pieces import CHECKPOINT, DYNAMIC, FP16, FP32, INT8, LABELS, artifact, environment, identity, quality

from edgefashion.records import (
    ArtifactInfo,
    BenchReport,
    Canary,
    Cell,
    CellResult,
    ColdStart,
    Comparison,
    Energy,
    Failure,
    HostLoad,
    Interval,
    Latency,
    Launch,
    Memory,
    Noise,
    Placement,
    Plan,
    SessionSpec,
    Signal,
    Startup,
)

HOSTILE = "$\\frac$ <script>alert('x')</script> | [red] \x1b[31m\n=1+1"
GENERATIONS = 10
NULL = artifact("null", 157)
NO_COUNTER = Energy(joules_per_image=None, source="no powercap counter on this machine")


def cell(info: ArtifactInfo, *, runtime: str = "onnxruntime", threads: int = 1, batch: int = 1, **changes: Any) -> Cell:
    """A cell whose reference is fp32 in ONNX Runtime, with one thread and one picture a call."""
    provider = "CPUExecutionProvider" if runtime == "onnxruntime" else "cpu"
    made = Cell(
        label=f"{info.variant} | {runtime} | {threads} | {batch}",
        artifact=info,
        session=SessionSpec(runtime=runtime, provider=provider, threads=threads),
        batch=batch,
        reference="fp32 | onnxruntime | 1 | 1",
    )
    return msgspec.structs.replace(made, **changes)


def copy_of(original: Cell, role: str, mark: str) -> Cell:
    return msgspec.structs.replace(original, label=original.label + mark, role=role)


BASE = cell(FP32)
DUPLICATE = copy_of(BASE, "duplicate", " (A/A)")
NAIVE = copy_of(BASE, "naive call", " (naive call)")
NULL_CELL = cell(NULL, role="null model")
STATIC, FAILED, HALF, TORCH = cell(INT8), cell(DYNAMIC), cell(FP16), cell(CHECKPOINT, runtime="pytorch")

# Median call of each cell, in seconds.
_MEDIANS_S = {
    BASE.label: 84.1e-6,
    STATIC.label: 52.6e-6,
    HALF.label: 84.6e-6,
    TORCH.label: 312e-6,
    DUPLICATE.label: 84.2e-6,
    NAIVE.label: 87.9e-6,
    NULL_CELL.label: 2.3e-6,
}


def launches(each: Cell, *, median_s: float, calls: int = 60, generations: int = GENERATIONS) -> list[Launch]:
    """Lognormal calls with a tail of one in fifty, in two blocks a launch; all cells drift together."""
    random = np.random.default_rng([7, *each.label.encode()])
    drift = 1 + 0.008 * np.sin(np.arange(generations) / 2)
    per_sample = 1 if median_s >= 1e-5 else 8
    order = (random.permutation(generations) / generations).tolist()

    def block(generation: int) -> list[int]:
        calm = random.lognormal(np.log(per_sample * median_s * drift[generation] * 1e9), 0.04, calls)
        return (calm * np.where(random.random(calls) < 0.02, random.uniform(1.5, 4, calls), 1)).astype(int).tolist()

    imports_s = 1.9 if each.session.runtime == "pytorch" else 0.21
    return [
        Launch(
            cell=each.label,
            generation=generation,
            started_s=6.0 * generation + 4.0 * order[generation],
            cpus=[1],
            threads_seen=1,
            cold=ColdStart(
                spawn_s=0.02, import_s=imports_s, session_s=0.004, first_run_s=0.001, second_run_s=1.2 * median_s
            ),
            memory=Memory(
                imported_bytes=41_000_000,
                model_bytes=2_000_000,
                session_peak_bytes=59_000_000,
                run_peak_bytes=61_000_000,
                phases_apart=True,
            ),
            steady=generation != 3,
            warmup_calls=1000,
            warmup_ns=[round(median_s * 1e9)] * 20,
            calls_per_sample=per_sample,
            blocks_ns=[block(generation), block(generation)],
            switches=[0, int(generation == 3)],
        )
        for generation in range(generations)
    ]


def interval(value: float, half: float = 0.005) -> Interval:
    return Interval(value=value, low=value * (1 - half), high=value * (1 + half))


def result(each: Cell, *, ratio: float | None, rank: str, lost: int = 0, labels: Any = LABELS, **changes: Any) -> Any:
    """Figures of a cell; `lost` hits of each class."""
    median_s = _MEDIANS_S.get(each.label, 84.1e-6)
    made = CellResult(
        cell=each.label,
        launches=GENERATIONS,
        calls=2 * 60 * GENERATIONS,
        blocks=2 * GENERATIONS,
        disturbed_blocks=1,
        latency=Latency(
            median_s=interval(median_s),
            clean_median_s=interval(median_s * 0.999),
            mean_s=interval(median_s * 1.03, 0.01),
            p90_s=interval(median_s * 1.06, 0.01),
            p99_s=interval(median_s * 2.5, 0.05),
            p999_s=None,
        ),
        throughput_per_s=each.batch / (median_s * 1.03),
        comparison=None
        if ratio is None
        else Comparison(ratio=interval(ratio, 0.008), hodges_lehmann=ratio * 1.001, wilcoxon_p=0.002),
        rank=msgspec.convert(rank, type=CellResult.__annotations__["rank"]),
        labels=[],
        quality=quality(lost=lost, labels=labels),
        decisions=b"",
        placement=Placement(nodes={"CPUExecutionProvider": 24}, source="profile"),
        startup=Startup(
            spawn_s=0.02,
            import_s=1.9 if each.session.runtime == "pytorch" else 0.21,
            session_s=0.004,
            first_run_s=0.001,
            second_run_s=1.2 * median_s,
        ),
        model_bytes=2_000_000,
        peak_bytes=61_000_000,
        energy=NO_COUNTER,
        runtime_version="1.32.0",
        runtime_bytes=75_700_000,
    )
    return msgspec.structs.replace(made, **changes)


def noise(level: str = "usable", words: str = "canary drifted by 2.1 %") -> Noise:
    """One sign that makes the level, one that is quiet, and one that the system does not tell."""
    signals = [
        {"name": "canary drift", "value": 0.021, "level": level, "words": words},
        {"name": "steal", "value": 0.0, "level": "quiet", "words": "0 % of the time stolen"},
        {"name": "pressure", "value": None, "level": "quiet", "words": "/proc/pressure/cpu cannot be read"},
    ]
    return Noise(level=level, signals=[msgspec.convert(each, type=Signal) for each in signals])


def canaries() -> list[Canary]:
    random = np.random.default_rng(5)
    return [
        Canary(
            generation=generation,
            started_s=6.0 * generation + round_number,
            spins_ns=random.lognormal(np.log(1e6), 0.004, 4).astype(int).tolist(),
        )
        for generation in range(GENERATIONS)
        for round_number in range(2)
    ]


def bench(*, is_sample: bool = False, labels: list[str] = LABELS, calls: int = 60) -> BenchReport:
    """fp32 against int8, fp16 and the checkpoint in PyTorch, which has no p99; int8-dynamic failed."""
    cells = [BASE, STATIC, FAILED, HALF, TORCH, DUPLICATE, NAIVE, NULL_CELL]
    results = [
        result(BASE, ratio=None, rank="reference", labels=labels),
        result(STATIC, ratio=0.625, rank="faster", lost=1, labels=labels),
        result(HALF, ratio=1.006, rank="no difference found", labels=labels),
        result(TORCH, ratio=3.71, rank="slower", labels=labels),
        result(DUPLICATE, ratio=1.002, rank="no difference found", labels=labels),
        result(NAIVE, ratio=1.045, rank="slower", labels=labels),
        result(NULL_CELL, ratio=0.0273, rank="faster", quality=None),
    ]
    bare = msgspec.structs.replace(results[3].latency, p90_s=None, p99_s=None)
    wide = Comparison(ratio=interval(3.71, 0.03), hodges_lehmann=3.72, wilcoxon_p=0.002)
    results[3] = msgspec.structs.replace(
        results[3], latency=bare, comparison=wide, labels=["imprecise", "no_steady_state"]
    )
    measured = [each for each in cells if each != FAILED]
    return BenchReport(
        data=identity(is_sample=is_sample, labels=labels),
        plan=Plan(
            cells=cells,
            reference=BASE.label,
            duplicate=DUPLICATE.label,
            budget_s=60.0,
            min_generations=10,
            max_generations=1000,
            rounds=2,
            block_s=0.03,
            precision=0.01,
            warmup_cap_s=2.0,
            seed=7,
        ),
        launches=[run for each in measured for run in launches(each, median_s=_MEDIANS_S[each.label], calls=calls)],
        canaries=canaries(),
        order=[each.label for each in measured],
        host=HostLoad(wall_s=61.5, steal_share=0.0, pressure_share=None, throttled_share=0.0, throttled_periods=0),
        results=results,
        failures=[Failure(cell=FAILED.label, reason="the worker died with signal 9")],
        noise=noise(),
        warnings=[f"no steady state after warm-up: {TORCH.label}"],
        partial=False,
        wall_s=61.5,
        environment=environment(),
    )


def only(report: BenchReport, *kept: Cell, **changes: Any) -> BenchReport:
    """The report as if no more than these cells had been planned."""
    labels = {each.label for each in kept}
    return msgspec.structs.replace(
        report,
        plan=msgspec.structs.replace(report.plan, cells=list(kept)),
        results=[each for each in report.results if each.cell in labels],
        launches=[each for each in report.launches if each.cell in labels],
        failures=[each for each in report.failures if each.cell in labels],
        **changes,
    )
