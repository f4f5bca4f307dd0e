"""Benchmarks as JUnit XML, which every build server reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree as ET

from edgefashion.records import BenchReport, Gate, GateVerdict, LatencyCheck, QualityCheck
from edgefashion.report import format as fmt
from edgefashion.report.format import clean
from edgefashion.report.judgement_grids import level_of
from edgefashion.report.names import cell_names, reading_order, results_by_cell, with_names
from edgefashion.report.words import headline, verdict_on

# INCONCLUSIVE is no failure, but a build must not look as if the gate had passed it; skipped tests look so.
_OUTCOMES: dict[GateVerdict, Literal["failure", "error"] | None] = {
    "PASS": None,
    "FAIL": "failure",
    "INCONCLUSIVE": "error",
}


@dataclass(frozen=True)
class Case:
    """One test: its name, what it measured, and why it is not green."""

    name: str
    output: str
    outcome: Literal["failure", "error", "skipped"] | None = None
    kind: str = ""
    message: str = ""
    time_s: float = 0.0


def to_junit(bench: BenchReport) -> str:
    """A suite for the machine, one for the cells, and one for the gate, with one test a check.

    A cell that could not be measured and a FAIL are failures, INCONCLUSIVE is an error. A measurement that is
    invalid is a skipped test: nothing was found wrong with a model.
    """
    suites = {"machine": [_machine(bench)], "cells": _cells(bench), "gate": _gate(bench, bench.gate)}
    root = ET.Element("testsuites", name="edgefashion bench", time=f"{bench.wall_s:.3f}")
    for name, cases in suites.items():
        if cases:
            root.append(_suite(name, cases))
    for outcome, attribute in (("*", "tests"), ("failure", "failures"), ("error", "errors")):
        path = ".//testcase" if outcome == "*" else f".//testcase/{outcome}"
        root.set(attribute, str(len(root.findall(path))))
    ET.indent(root)
    document: bytes = ET.tostring(root, encoding="utf-8", xml_declaration=True)
    return document.decode() + "\n"


def _machine(bench: BenchReport) -> Case:
    noise = bench.noise
    signals = "\n".join(f"{signal.name}: {signal.words} ({level_of(signal)})" for signal in noise.signals)
    output = f"{headline(bench)}\n{signals}"
    if noise.level == "invalid":
        return Case("noise", output, "skipped", noise.level, "; ".join(noise.reasons))
    return Case("noise", output)


def _cells(bench: BenchReport) -> list[Case]:
    names, results = cell_names(bench.plan), results_by_cell(bench)
    reasons = {failure.cell: failure.reason for failure in bench.failures}
    timed_s: dict[str, float] = {}
    for launch in bench.launches:
        timed_s[launch.cell] = timed_s.get(launch.cell, 0.0) + sum(map(sum, launch.blocks_ns)) * 1e-9
    cases = []
    for cell in reading_order(bench.plan):
        result, time_s = results.get(cell.label), timed_s.get(cell.label, 0.0)
        if result is None:
            reason = reasons.get(cell.label, "no launch was finished")
            cases.append(Case(names[cell.label], cell.label, "failure", "not measured", reason, time_s))
        else:
            median = result.latency.median_s
            latency = f"median {fmt.duration_interval(median) if median else fmt.MISSING}"
            ratio = f"ratio {fmt.ratio(result.comparison.ratio)}" if result.comparison else "no ratio"
            output = f"{cell.label}\n{latency}; {ratio}; {verdict_on(result)}"
            cases.append(Case(names[cell.label], output, time_s=time_s))
    return cases


def _gate(bench: BenchReport, gate: Gate | None) -> list[Case]:
    if gate is None:
        return []
    names = cell_names(bench.plan)
    found = [(f"latency: {names.get(each.cell, each.cell)}", each.verdict, _speed(each)) for each in gate.latency]
    found += [
        (f"{each.figure}: {names.get(each.cell, each.cell)}", each.verdict, _worth(each)) for each in gate.quality
    ]
    # What decides the whole may be in no check, such as a cell without a counterpart.
    found.append(("verdict", gate.verdict, "\n".join(with_names(bench.plan, reason) for reason in gate.reasons)))
    return [
        Case(name, words, _OUTCOMES[verdict], verdict, words.partition("\n")[0] if _OUTCOMES[verdict] else "")
        for name, verdict, words in found
    ]


def _speed(check: LatencyCheck) -> str:
    return (
        f"ratio {fmt.ratio(check.ratio)} over {check.generations} generations, p {fmt.probability(check.p_slower)}; "
        f"false-alarm rate {fmt.share(check.false_alarm_rate)}, "
        f"smallest detectable slowdown {fmt.share(check.detectable_slowdown)}"
    )


def _worth(check: QualityCheck) -> str:
    return (
        f"{fmt.percent(check.baseline_value)} before, {fmt.percent(check.value)} now; "
        f"drop {fmt.points_range(check.drop)} points of at most {100 * check.limit:.2f}, "
        f"p {fmt.probability(check.p_worse)}"
    )


def _suite(name: str, cases: Sequence[Case]) -> ET.Element:
    outcomes = [case.outcome for case in cases]
    suite = ET.Element(
        "testsuite",
        name=f"edgefashion.{name}",
        tests=str(len(cases)),
        failures=str(outcomes.count("failure")),
        errors=str(outcomes.count("error")),
        skipped=str(outcomes.count("skipped")),
        time=f"{sum(case.time_s for case in cases):.3f}",
    )
    for case in cases:
        element = ET.SubElement(
            suite, "testcase", name=clean(case.name), classname=f"edgefashion.{name}", time=f"{case.time_s:.3f}"
        )
        if case.outcome:
            ET.SubElement(element, case.outcome, type=case.kind, message=clean(case.message))
        ET.SubElement(element, "system-out").text = "\n".join(map(clean, case.output.split("\n")))
    return suite
