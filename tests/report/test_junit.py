"""JUnit XML: what a build server sees."""

from xml.etree import ElementTree as ET

import cases
import examples
import msgspec
import pytest

from edgefashion.records import BenchReport
from edgefashion.report.junit import to_junit


def parsed(bench: BenchReport) -> ET.Element:
    return ET.fromstring(to_junit(bench))  # noqa: S314 - our own document


def suite(root: ET.Element, name: str) -> ET.Element:
    return next(each for each in root if each.get("name") == f"edgefashion.{name}")


def test_one_test_a_cell(bench: BenchReport) -> None:
    """Every cell of the plan is a test; one that could not be measured fails with its reason."""
    cells = suite(parsed(bench), "cells")
    names = [case.get("name") for case in cells]
    assert names[:3] == ["fp32", "int8-static", "int8-dynamic"]
    assert len(names) == len(bench.plan.cells)
    failed = [
        (case.get("name"), case.find("failure").get("message")) for case in cells if case.find("failure") is not None
    ]
    assert failed == [("int8-dynamic", "the worker died with signal 9")]


def test_figures_are_the_output_of_a_test(bench: BenchReport) -> None:
    """Median, ratio and rank of a cell are in its output, and its time is that of its timed calls."""
    case = suite(parsed(bench), "cells")[1]
    assert "median 52.6 ± 0.3 µs; ratio ×0.625 ± 0.005; faster" in (case.findtext("system-out") or "")
    launched = [launch for launch in bench.launches if launch.cell == examples.STATIC.label]
    timed_s = sum(sum(map(sum, launch.blocks_ns)) for launch in launched) / 1e9
    assert float(case.get("time") or 0) == pytest.approx(timed_s, abs=5e-4)


@pytest.mark.parametrize(("verdict", "element"), [("PASS", None), ("FAIL", "failure"), ("INCONCLUSIVE", "error")])
def test_gate(verdict: str, element: str | None) -> None:
    """FAIL is a failure; INCONCLUSIVE is an error, as it must not look like a pass; PASS is green."""
    gate = suite(parsed(cases.gated(verdict)), "gate")
    assert [case.get("name") for case in gate] == [
        "latency: int8-static",
        "accuracy: int8-static",
        "worst class F1: int8-static",
        "verdict",
    ]
    not_green = {case.get("name"): [each.tag for each in case if each.tag != "system-out"] for case in gate}
    expected = [element] if element else []
    assert not_green["latency: int8-static"] == not_green["verdict"] == expected
    assert not_green["accuracy: int8-static"] == []
    assert "smallest detectable slowdown 1.8 %" in (gate[0].findtext("system-out") or "")


def test_gate_that_no_check_decides_is_red() -> None:
    """A cell without a counterpart has no check, and the verdict on the whole shows it."""
    plain = cases.gated("INCONCLUSIVE")
    gate = msgspec.structs.replace(plain.gate, latency=[], quality=[], reasons=["INCONCLUSIVE: nothing to compare"])
    case = suite(parsed(msgspec.structs.replace(plain, gate=gate)), "gate")[0]
    assert case.find("error").attrib == {"type": "INCONCLUSIVE", "message": "INCONCLUSIVE: nothing to compare"}


def test_invalid_machine_is_skipped() -> None:
    """An invalid measurement says nothing against a model: the machine's test is skipped, with the reason."""
    skipped = suite(parsed(cases.invalid()), "machine")[0].find("skipped")
    assert skipped.get("message") == "steal took 31 % of the time"
    assert suite(parsed(examples.bench()), "machine")[0].find("skipped") is None


@pytest.mark.parametrize("make", [examples.bench, cases.gated, cases.invalid, cases.nothing_measured, cases.hostile])
def test_counts_agree(make) -> None:
    """What root and suites count is what they hold, and names are unique within a suite."""
    root = parsed(make())
    for each in root:
        assert int(each.get("tests")) == len(each) == len({case.get("name") for case in each})
        for outcome, attribute in (("failure", "failures"), ("error", "errors"), ("skipped", "skipped")):
            assert int(each.get(attribute)) == len(each.findall(f"testcase/{outcome}"))
    for attribute in ("tests", "failures", "errors"):
        assert int(root.get(attribute)) == sum(int(each.get(attribute)) for each in root)


def test_hostile_text_stays_text() -> None:
    """Tags in names are escaped, and characters that XML forbids do not reach the file."""
    content = to_junit(cases.hostile())
    assert "<script" not in content
    assert "\x1b" not in content
