"""`edgefashion bench` as a person meets it: plans, options, summaries, baselines, exit codes."""

from pathlib import Path

import msgspec
import pytest

from edgefashion.bench.process import launch
from edgefashion.cli.subjects import parse_options
from edgefashion.errors import UsageError
from edgefashion.records import BenchReport, Failure, Gate, GateVerdict

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"
FP32 = COMMITTED / "fp32.onnx"
ORT = ("--runtime", "onnxruntime")

replace = msgspec.structs.replace


@pytest.fixture
def foreign(tmp_path: Path):
    """Write ONNX models that edgefashion did not make: each of the shapes is an input."""
    onnx = pytest.importorskip("onnx")
    helper, element = onnx.helper, onnx.TensorProto.FLOAT

    def write(*shapes: list[int | str]) -> Path:
        ends = [
            [helper.make_tensor_value_info(f"{end}{number}", element, shape) for number, shape in enumerate(shapes)]
            for end in "xy"
        ]
        nodes = [helper.make_node("Sigmoid", [f"x{number}"], [f"y{number}"]) for number in range(len(shapes))]
        model = helper.make_model(
            helper.make_graph(nodes, "g", *ends), opset_imports=[helper.make_opsetid("", 18)], ir_version=8
        )
        onnx.save(model, tmp_path / "net.onnx")
        return tmp_path / "net.onnx"

    return write


@pytest.fixture
def returned(monkeypatch: pytest.MonkeyPatch):
    """Let the command find a given result instead of measuring."""

    def stand_in(result: BenchReport) -> None:
        monkeypatch.setattr("edgefashion.bench.suite.measure", lambda *_, **__: result)

    return stand_in


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test fail if anything is measured."""

    def measure(*_: object, **__: object) -> BenchReport:
        raise AssertionError("it was measured")

    monkeypatch.setattr("edgefashion.bench.suite.measure", measure)


def judged(measured: BenchReport, verdict: GateVerdict, *, paired: bool = True) -> BenchReport:
    gate = Gate(
        verdict=verdict, paired=paired, margin=0.01, latency=[], quality=[], reasons=[f"{verdict}: so it was found"]
    )
    return replace(measured, gate=gate)


# Plans


@pytest.mark.usefixtures("unmeasured")
def test_a_plan_shows_every_cell_and_measures_nothing(run, tmp_path) -> None:
    """One line a cell with what it is for, then the time that it takes beside the budget; no file is written."""
    arguments = ("bench", FP32, COMMITTED / "int8-static.onnx", *ORT, "--batch", "1", "--batch", "8", "--plan")
    outcome = run(*arguments, "--out", tmp_path / "out", "--budget", "600")
    assert outcome.code == 0
    *cells, empty, last = outcome.out.splitlines()
    assert cells == [
        "fp32 | onnxruntime CPU | 1 thread | batch 1  (reference)",
        "fp32 | onnxruntime CPU | 1 thread | batch 8",
        "int8-static | onnxruntime CPU | 1 thread | batch 1",
        "int8-static | onnxruntime CPU | 1 thread | batch 8",
        "fp32 | onnxruntime CPU | 1 thread | batch 1 (A/A)  (duplicate)",
        "fp32 | onnxruntime CPU | 1 thread | batch 1 (naive call)  (naive call)",
        "null model | onnxruntime CPU | 1 thread | batch 1  (null model)",
    ]
    assert empty == ""
    assert last.startswith("7 cells; 10 generations take about ")
    assert last.endswith("the budget is 600 s: enough for it")
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.usefixtures("unmeasured")
def test_a_plan_says_when_the_budget_is_too_small(run) -> None:
    """Before somebody waits for figures that will be less precise."""
    outcome = run("bench", FP32, *ORT, "--plan", "--budget", "1")
    assert outcome.out.rstrip().endswith("the budget is 1 s: not enough: the result will be less precise")


@pytest.mark.usefixtures("unmeasured")
def test_a_plan_shows_the_baseline(run) -> None:
    """Every model of the run that is named, measured beside the candidate."""
    outcome = run("bench", FP32, *ORT, "--baseline", COMMITTED, "--plan")
    baselines = [line for line in outcome.out.splitlines() if line.removesuffix("  (reference)").endswith("(baseline)")]
    assert len(baselines) >= 3
    assert outcome.out.splitlines()[0] == "fp32 | onnxruntime CPU | 1 thread | batch 1 (baseline)  (reference)"


# Requests that make no sense


@pytest.mark.usefixtures("unmeasured")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--option", "device_id=0"), "--option 'device_id=0': expected NAME.KEY=VALUE"),
        (("--option", "onnxruntime.a=1", "--option", "cpu.=1"), "--option 'cpu.=1': expected NAME.KEY=VALUE"),
        (("--option", ""), "--option '': expected NAME.KEY=VALUE"),
        (("--option", "cudda.device_id=0"), "options for 'cudda': expected the name of a runtime or provider"),
        (("--option", "cuda.device_id=0"), "options for 'cuda': expected the name of a runtime or provider"),
        (("--summary",), "GITHUB_STEP_SUMMARY, which is not set"),
        (("--scenario", "open"), "unknown scenario 'open'"),
        (("--scenario", "paced:0"), "unknown scenario 'paced:0'"),
        (("--threads", "100000"), "100000 threads were asked for"),
        (("--budget", "nan"), "a budget of nan s"),
        (("--reference", "fp31"), "did you mean 'fp32'"),
        (("--baseline", COMMITTED / "int8-static.onnx"), "the baseline has no model of the same variant"),
    ],
)
def test_a_request_that_makes_no_sense_is_not_measured(run, tmp_path, monkeypatch, arguments, said) -> None:
    """Exit code 2, the value, and what was expected."""
    monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
    # What a plan refuses, measuring refuses as well: both make it from the same request.
    outcome = run("bench", FP32, *ORT, "--out", tmp_path / "out", *arguments, "--plan")
    assert outcome.code == 2
    assert said in outcome.error_lines[0]
    assert list(tmp_path.rglob("*.*")) == []


def test_options_are_names_keys_and_values() -> None:
    """A value may be empty or hold dots and more =; the last of a key counts."""
    texts = ["cuda.a=1", "cuda.b=", "webgpu.c.d=x=y.z", "cuda.a=2"]
    assert parse_options(texts) == {"cuda": {"a": "2", "b": ""}, "webgpu": {"c.d": "x=y.z"}}
    assert parse_options([]) == {}
    for text in ("a=1", "a.b", ".b=1", "a.=1", "=", ".", "a=b.c"):
        with pytest.raises(UsageError, match=r"expected NAME\.KEY=VALUE"):
            parse_options(["cuda.a=1", text])


def test_an_option_reaches_its_provider(run, tmp_path) -> None:
    """The CPU takes none, and says so instead of ignoring it."""
    outcome = run("bench", FP32, *ORT, "--option", "cpu.device_id=0", "--out", tmp_path)
    assert outcome.code == 2
    assert "takes no options: got device_id" in outcome.error_lines[0]


# What a result becomes


@pytest.mark.parametrize(
    ("verdict", "paired", "code"),
    [
        ("PASS", True, 0),
        ("FAIL", True, 1),
        ("INCONCLUSIVE", True, 3),
        ("PASS", False, 3),
        ("FAIL", False, 3),
        ("INCONCLUSIVE", False, 3),
    ],
)
def test_the_gate_is_the_exit_code(run, tmp_path, measured, returned, verdict, paired, code) -> None:
    """0 PASS, 1 FAIL, 3 INCONCLUSIVE; stored figures prove nothing, for good or ill: all they say is inconclusive."""
    returned(judged(measured, verdict, paired=paired))
    outcome = run("bench", FP32, *ORT, "--out", tmp_path)
    assert code == outcome.code, outcome.err
    assert "so it was found" in outcome.out
    if code:
        assert "so it was found" in outcome.error_lines[0]
    else:
        assert outcome.error_lines == []
    stored = BenchReport.load(tmp_path / "bench.json").gate
    assert stored is not None
    assert verdict == stored.verdict


def test_without_a_baseline_there_is_no_verdict(run, tmp_path, measured, returned) -> None:
    """What was measured is shown, and that is all."""
    returned(measured)
    assert run("bench", FP32, *ORT, "--out", tmp_path).code == 0


@pytest.mark.parametrize("verdict", ["PASS", "INCONCLUSIVE"])
def test_a_cell_that_could_not_be_measured_exits_with_1(run, tmp_path, measured, returned, verdict) -> None:
    """Whatever the gate says about the others; results are shown and kept all the same."""
    cell = measured.plan.duplicate
    failures = [Failure(cell=cell, reason="it answers wrongly")]
    returned(replace(judged(measured, verdict), failures=failures))
    outcome = run("bench", FP32, *ORT, "--out", tmp_path)
    assert outcome.code == 1
    assert f"not measured: {cell} (it answers wrongly)" in " ".join(outcome.error_lines)
    assert failures == BenchReport.load(tmp_path / "bench.json").failures


def test_a_partial_result_exits_like_its_signal(run, tmp_path, measured, returned) -> None:
    """130 as after any Ctrl-C, with what is known on screen and on disk."""
    returned(replace(measured, partial=True))
    outcome = run("bench", FP32, *ORT, "--out", tmp_path)
    assert outcome.code == 130
    assert "partial" in outcome.out
    assert BenchReport.load(tmp_path / "bench.json").partial


def test_a_summary_is_appended(run, tmp_path, monkeypatch, measured, returned) -> None:
    """What other steps wrote before stays, and a failing gate is summed up as well."""
    summary = tmp_path / "summary.md"
    summary.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    returned(judged(measured, "FAIL"))
    assert run("bench", FP32, *ORT, "--out", tmp_path, "--summary").code == 1
    text = summary.read_text()
    assert text.startswith("# Before\n")
    assert "FAIL" in text.removeprefix("# Before\n")
    assert "fp32" in text


def test_a_summary_that_cannot_be_written_exits_with_6(run, tmp_path, monkeypatch, measured, returned) -> None:
    """The place and the reason, and the result itself is kept."""
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "nowhere" / "summary.md"))
    returned(measured)
    outcome = run("bench", FP32, *ORT, "--out", tmp_path / "out", "--summary")
    assert outcome.code == 6
    assert "nowhere" in " ".join(outcome.error_lines)
    assert (tmp_path / "out" / "bench.json").is_file()


# Real runs


def test_a_worker_that_fails_is_a_sentence(run, tmp_path, monkeypatch) -> None:
    """Every worker crashes: exit code 1, each cell with the reason, no traceback."""
    monkeypatch.setattr(launch, "_BOOT", "raise SystemExit('no luck today')")
    outcome = run("bench", FP32, *ORT, "--out", tmp_path, "--budget", "0.1")
    assert outcome.code == 1
    assert "the worker ended with exit code 1: no luck today" in " ".join(outcome.error_lines)
    assert "Traceback" not in outcome.err
    assert len(BenchReport.load(tmp_path / "bench.json").failures) == 4


def test_a_foreign_model_is_measured_without_quality(run, foreign) -> None:
    """Beside itself and the null model, in its own folder; nothing is said of how right it is."""
    path = foreign(["n", 256])
    outcome = run("bench", path, "--budget", "0.1")
    assert outcome.code == 0, outcome.err
    result = BenchReport.load(path.with_name("bench.json"))
    assert {None} == {each.quality for each in result.results}
    assert [cell.role for cell in result.plan.cells] == ["subject", "duplicate", "naive call", "null model"]
    assert "net" in outcome.out
    assert path.with_name("report.html").is_file()


@pytest.mark.parametrize(
    ("shapes", "arguments", "code", "said"),
    [
        ([["n", 2], ["n", 2]], (), 4, "has 2 inputs"),
        ([["n", "any"]], (), 4, "open dimensions"),
        ([[3, 2]], (), 2, "has a fixed batch of 3"),
        ([["n", 2]], ("--provider", "qnn"), 5, "QNNExecutionProvider is not usable"),
        ([["n", 2]], ("--provider", "kuda"), 5, "did you mean 'cuda'"),
    ],
    ids=["several inputs", "open", "fixed", "absent", "misspelt"],
)
def test_a_foreign_model_that_cannot_be_measured_exits_like_any_other(
    run, foreign, shapes, arguments, code, said
) -> None:
    """The same codes as for an artifact, before anything is measured or written."""
    path = foreign(*shapes)
    outcome = run("bench", path, "--budget", "0.1", *arguments)
    assert code == outcome.code, outcome.err
    assert said in outcome.error_lines[0]
    assert not path.with_name("bench.json").exists()
