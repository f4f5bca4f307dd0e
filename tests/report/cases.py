"""The synthetic benchmark in every state that a report must be able to show."""

from typing import Any

import msgspec
from examples import (
    BASE,
    DUPLICATE,
    HOSTILE,
    NAIVE,
    NULL_CELL,
    STATIC,
    bench,
    cell,
    copy_of,
    interval,
    launches,
    noise,
    only,
    result,
)
from pieces import FP32

from edgefashion.records import (
    BenchReport,
    Gate,
    Interval,
    LatencyCheck,
    QualityCheck,
)

STATIC_BASELINE = msgspec.structs.replace(copy_of(STATIC, "baseline", " (baseline)"), reference=BASE.label)


def without_evidence() -> BenchReport:
    """A run that was stopped after one launch a cell: no medians, no percentiles, no ratios."""
    full = bench()
    names = ("median_s", "clean_median_s", "mean_s", "p90_s", "p99_s", "p999_s")
    bare = {"latency": msgspec.structs.replace(full.results[0].latency, **dict.fromkeys(names)), "comparison": None}
    results = [
        msgspec.structs.replace(
            each, **bare, launches=1, rank="reference" if each.cell == BASE.label else "not enough launches"
        )
        for each in full.results
    ]
    first = [launch for launch in full.launches if launch.generation == 0]
    return msgspec.structs.replace(full, results=results, launches=first, canaries=[], partial=True)


def nothing_measured() -> BenchReport:
    """Every cell failed."""
    return msgspec.structs.replace(bench(), results=[], launches=[], canaries=[])


def invalid() -> BenchReport:
    """The machine was so disturbed that nothing is ranked."""
    full = bench()
    results = [
        each if each.rank == "reference" else msgspec.structs.replace(each, rank="not ranked") for each in full.results
    ]
    return msgspec.structs.replace(full, results=results, noise=noise("invalid", "steal took 31 % of the time"))


def alone() -> BenchReport:
    """One model, its second copy, and what calling costs."""
    return only(bench(), BASE, DUPLICATE, NAIVE, NULL_CELL)


def foreign() -> BenchReport:
    """A model that came from elsewhere: nobody knows how good it is."""
    plain = alone()
    results = [msgspec.structs.replace(each, quality=None) for each in plain.results]
    return msgspec.structs.replace(plain, results=results, data=None)


def latency_check(verdict: str, ratio: float, **changes: Any) -> LatencyCheck:
    made = LatencyCheck(
        cell=STATIC.label,
        baseline=STATIC_BASELINE.label,
        generations=10,
        ratio=interval(ratio, 0.004),
        p_slower=0.0004 if verdict == "FAIL" else 0.9,
        false_alarm_rate=0.00012,
        detectable_slowdown=0.0183,
        verdict=msgspec.convert(verdict, type=LatencyCheck.__annotations__["verdict"]),
    )
    return msgspec.structs.replace(made, **changes)


def gated(verdict: str = "PASS", *, paired: bool = True) -> BenchReport:
    """int8-static beside its own baseline: a check of latency and two of quality."""
    ratio = {"PASS": 0.998, "FAIL": 1.031, "INCONCLUSIVE": 1.009}[verdict]
    candidate = msgspec.structs.replace(STATIC, reference=STATIC_BASELINE.label)
    check = latency_check(verdict, ratio)
    drops = {"accuracy": 0.001, "worst class F1": -0.002}
    quality_checks = [
        QualityCheck(
            cell=STATIC.label,
            baseline=STATIC_BASELINE.label,
            figure=msgspec.convert(figure, type=QualityCheck.__annotations__["figure"]),
            images=10000,
            baseline_value=0.866,
            value=0.866 - drop,
            drop=Interval(value=drop, low=drop - 0.002, high=drop + 0.002),
            limit=0.005,
            p_worse=0.99,
            verdict="PASS",
        )
        for figure, drop in drops.items()
    ]
    plain = bench()
    results = [
        *plain.results[:1],
        result(candidate, ratio=ratio, rank="no difference found", lost=1),
        result(STATIC_BASELINE, ratio=0.625, rank="faster"),
        *plain.results[4:],
    ]
    base = msgspec.structs.replace(BASE, role="baseline")
    cells = [base, STATIC_BASELINE, candidate, DUPLICATE, NAIVE, NULL_CELL]
    ending = {"PASS": "within", "FAIL": "more than", "INCONCLUSIVE": "neither within nor beyond"}[verdict]
    reasons = [f"{verdict}: {STATIC.label} is ×{ratio} of its baseline, {ending} the 1 % that is tolerated"]
    reasons += [f"PASS: {each.figure} of {STATIC.label} holds" for each in quality_checks]
    made_gate = msgspec.convert(
        {"verdict": verdict, "paired": paired, "margin": 0.01, "latency": [], "quality": [], "reasons": reasons},
        type=Gate,
    )
    gate = msgspec.structs.replace(made_gate, latency=[check], quality=quality_checks)
    samples = [*plain.launches, *launches(STATIC_BASELINE, median_s=52.5e-6)]
    full = msgspec.structs.replace(plain, results=results, launches=samples, gate=gate, warnings=[])
    return only(full, *cells)


def hostile() -> BenchReport:
    """Every free text of the report is hostile: class names, variants, labels, reasons, warnings, versions."""
    plain = bench(is_sample=True, labels=[f"{HOSTILE} {number}" for number in range(10)])
    content = msgspec.to_builtins(plain)
    for each in content["plan"]["cells"]:
        each["artifact"]["variant"] += HOSTILE
        each["session"]["runtime"] += HOSTILE
        each["session"]["options"] = {HOSTILE: HOSTILE}
    content["failures"][0]["reason"] = content["warnings"][0] = content["data"]["name"] = HOSTILE
    content["environment"]["versions"] = {HOSTILE: HOSTILE}
    content["environment"]["cpu"] = HOSTILE
    for signal in content["noise"]["signals"]:
        signal["name"] = signal["words"] = HOSTILE
    for each in content["results"]:
        each["placement"] = {"nodes": {HOSTILE: 1}, "source": HOSTILE, "time_share": {}}
        each["energy"] = {"joules_per_image": None, "source": HOSTILE}
    return msgspec.convert(content, type=BenchReport)


def many_cells(count: int = 14) -> BenchReport:
    """Cells that lie on top of each other: the same artifact at nearly the same speed."""
    plain = bench()
    others = [cell(FP32, batch=number) for number in range(2, count + 1)]
    results = [
        plain.results[0],
        plain.results[4],
        *(result(each, ratio=1.0 + 1e-4 * each.batch, rank="no difference found") for each in others),
    ]
    plan = msgspec.structs.replace(plain.plan, cells=[BASE, *others, DUPLICATE])
    samples = [launch for each in plan.cells for launch in launches(each, median_s=84.1e-6, calls=5)]
    return msgspec.structs.replace(plain, plan=plan, results=results, launches=samples, failures=[], warnings=[])


def renamed_cell(report: BenchReport, *, label: str) -> BenchReport:
    """The report with its second result's cell under another label."""
    old = report.results[1].cell
    content = msgspec.json.encode(report).decode()
    return msgspec.json.decode(content.replace(f'"{old}"', f'"{label}"'), type=BenchReport)
