"""Running the command line: in this process where that is the same, in one of its own where it is not."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from edgefashion.artifact import open_artifact
from edgefashion.bench import Request, measure
from edgefashion.cli import main
from edgefashion.data import Dataset
from edgefashion.records import BenchReport


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        """The error itself, without the notes before it."""
        lines = self.err.splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("edgefashion: ")]
        return lines[starts[-1] :] if starts else []


Runner = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run a command in this process, on the bundled sample."""
    monkeypatch.setenv("EDGEFASHION_DATA", "sample")
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def invoke(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["edgefashion", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return invoke


def start(*arguments: object, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    """Start a command in a process of its own, on the bundled sample."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgefashion", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "EDGEFASHION_DATA": "sample", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def process(tmp_path: Path) -> Runner:
    """Run a command in a process of its own, in an empty folder."""

    def invoke(*arguments: object, **environment: str) -> Outcome:
        child = start(*arguments, cwd=tmp_path, **environment)
        out, err = child.communicate(timeout=120)
        return Outcome(child.returncode, out, err)

    return invoke


@pytest.fixture
def launched(tmp_path: Path) -> "Callable[..., subprocess.Popen[str]]":
    """Start a command and hand over its process."""
    return lambda *arguments, **environment: start(*arguments, cwd=tmp_path, **environment)


@pytest.fixture(scope="session")
def measured(sample: Dataset) -> BenchReport:
    """A small real result, for what a command makes of one: the committed float32 model, two generations."""
    model = open_artifact(Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx")
    request = Request([model], runtimes=["onnxruntime"], overhead_cells=False, budget_s=0.1)
    return measure(request, sample)
