"""`edgefashion explain`."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefashion.cli.explain import show_explanation
from edgefashion.records import decode
from edgefashion.records.explanation import ExplainReport

Runner = Callable[..., Any]


def test_explain_in_one_document_and_in_words(run: Runner, tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The slow kernel of dynamic quantization is named and timed; people read sentences first, then both tables."""
    outcome = run("explain", tiny_run / "fp32.onnx", tiny_run / "int8-dynamic.onnx", "--rounds", 1, "--json")
    assert outcome.code == 0
    assert outcome.err.splitlines() == ["round 1 of 1: fp32", "round 1 of 1: int8-dynamic"]
    report = decode(outcome.out.encode(), ExplainReport, Path("stdout"))
    (found,) = report.explanations
    assert (found.float_artifact.variant, found.artifact.variant, found.rounds) == ("fp32", "int8-dynamic", 1)
    assert {"ConvInteger", "DynamicQuantizeMatMul"} == {each.op_type for each in found.integer}
    assert found.ratio.median == pytest.approx(found.call_s.median / found.float_call_s.median)
    (bounds,) = report.saturation
    assert (bounds.artifact.variant, bounds.method) == ("int8-dynamic", "computed, not run")

    show_explanation(report)
    shown = capsys.readouterr().out
    marks = ["cannot be told apart", "· in integers run 3 ConvInteger", "layer by layer", "saturation on x86-64"]
    places = [shown.index(mark) for mark in marks]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("names", "code", "words"),
    [
        (["checkpoint.safetensors"], 4, "is a checkpoint"),
        (["int8-static.onnx"], 2, "has no float32 model beside it"),
        (["fp32.onnx"], 2, "has no quantized model beside it"),
        (["fp32.onnx", "fp16.onnx", "--threads", "4096"], 2, "processors are usable"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    run: Runner, tiny_run: Path, names: list[str], code: int, words: str
) -> None:
    """Before anything is profiled."""
    outcome = run("explain", *(tiny_run / name if "." in name else name for name in names))
    assert (code, True) == (outcome.code, words in outcome.error_lines[0])
    assert "round" not in outcome.err
