"""`edgefashion explain`."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefashion.artifact import open_artifact
from edgefashion.cli.explain import families, show_explanation
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
        (["alone/int8-static.onnx"], 2, "has no float32 model beside it"),
        (["alone-too/fp32.onnx"], 2, "has no quantized model beside it"),
        (["fp32.onnx", "fp16.onnx", "--threads", "4096"], 2, "processors are usable"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    run: Runner, own_run: Path, names: list[str], code: int, words: str
) -> None:
    """Before anything is profiled."""
    for name in ("alone/int8-static.onnx", "alone-too/fp32.onnx"):
        (own_run / name).parent.mkdir()
        shutil.copy(own_run / Path(name).name, own_run / name)
    outcome = run("explain", *(own_run / name if "." in name else name for name in names))
    assert (code, True) == (outcome.code, words in outcome.error_lines[0])
    assert "round" not in outcome.err


def test_a_lone_model_finds_its_family(own_run: Path) -> None:
    """The float32 model beside a quantized one, and the quantized ones beside a float32 one."""
    fp32, static = (open_artifact(own_run / f"{name}.onnx") for name in ("fp32", "int8-static"))
    assert [each.manifest.variant for each in families([static])[0]] == ["fp32", "int8-static"]
    assert {"fp32", "fp16", "int8-dynamic", "int8-static"} == {
        each.manifest.variant for each in families([fp32, fp32])[0]
    }
