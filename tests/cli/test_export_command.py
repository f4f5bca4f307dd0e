"""`edgefashion export`: what a person asks for reaches every file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgefashion.artifact import open_artifact

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import edgefashion.export.onnx as exporter  # noqa: E402 - after the skips

Runner = Callable[..., Any]


@pytest.mark.parametrize("option", [(), ("--no-pictures",)])
def test_pictures_stay_out_of_every_file(
    option: tuple[str, ...], run: Runner, own_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With --no-pictures neither the export nor what is quantized from it carries the golden pictures."""
    traced = onnx.load(own_run / "fp32.onnx")
    monkeypatch.setattr(exporter, "_trace", lambda *_: traced)
    assert run("export", own_run, "--scheme", "weight-only", "--min-agreement", "0.9", *option).code == 0
    made = [open_artifact(own_run / name).manifest.golden for name in ("fp32.onnx", "int8-weight-only.onnx")]
    assert [not option] * 2 == [golden is not None and golden.has_pictures for golden in made]
