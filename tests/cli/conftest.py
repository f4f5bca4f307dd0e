"""Running the command line: in this process where that is the same, in one of its own where it is not."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from commands import Outcome, in_this_process

from edgefashion.artifact import open_artifact
from edgefashion.bench import Request, measure
from edgefashion.data import Dataset
from edgefashion.records import BenchReport

Runner = Callable[..., Outcome]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Runner:
    """Run a command in this process, on the bundled sample."""
    return in_this_process(capsys, monkeypatch)


def start(*arguments: object, cwd: Path, **environment: str) -> "subprocess.Popen[str]":
    """Start a command in a process of its own, on the bundled sample."""
    return subprocess.Popen(
        [sys.executable, "-m", "edgefashion", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "EDGEFASHION_DATA": "sample", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_heed_interrupts,  # noqa: PLW1509 - nothing here starts threads before
    )


def _heed_interrupts() -> None:
    # A shell lets what it runs in the background ignore Ctrl-C, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


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
