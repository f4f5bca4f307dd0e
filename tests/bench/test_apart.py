"""Processes that answer one question: what goes wrong there is said here, and ends nothing else."""

import dataclasses
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from edgefashion import bench
from edgefashion.artifact import open_artifact
from edgefashion.bench.process import child
from edgefashion.bench.process.answers import answer_apart, answer_here
from edgefashion.bench.process.probe import look_at
from edgefashion.data import Dataset
from edgefashion.environment import usable_cpus
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.records import SessionSpec

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"
ON_CPU = SessionSpec("onnxruntime", "CPUExecutionProvider")

# A runtime of another package that opens ONNX, and does what its option says.
MISBEHAVING = """
import os, signal
from edgefashion.errors import BadInput
from edgefashion.runtimes import Availability, open_session as real
from edgefashion.records import SessionSpec

PROVIDERS = {"cpu": "cpu"}
PACKAGE = "misbehaving"
FORMATS = ("onnx",)
OPT_IN = True

def available(provider=None):
    return Availability("misbehaving", "1.0", {"cpu": ""})

def open_session(model, spec):
    print("a library that prints")
    what = spec.options.get("by")
    if what == "crashing":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "refusing":
        raise BadInput("this one does not like it")
    return real(model, SessionSpec("onnxruntime", "CPUExecutionProvider"))
"""


@pytest.fixture
def misbehaving(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The runtime of that name, installed where every process finds it."""
    info = tmp_path / "misbehaving-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: misbehaving\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgefashion.runtimes]\nmisbehaving = misbehaving\n")
    (tmp_path / "misbehaving.py").write_text(MISBEHAVING)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)


def test_answers_are_the_same_there_and_here(sample: Dataset) -> None:
    """Bit for bit, of single pictures and of what will be timed."""
    model = open_artifact(COMMITTED / "int8-static.onnx")
    images = sample.test.pixels[:40]
    inputs = {1: images[:4].reshape(4, 1, 28, 28), 8: images[:16].reshape(2, 8, 28, 28)}
    here = answer_here(model, ON_CPU, images, inputs)
    there = answer_apart(model, ON_CPU, images, inputs, cpus=usable_cpus())
    np.testing.assert_array_equal(here.logits, there.logits)
    assert {1, 8} == set(there.outputs)
    for batch, expected in here.outputs.items():
        np.testing.assert_array_equal(expected, there.outputs[batch])


@pytest.mark.usefixtures("misbehaving")
class TestThatMisbehaves:
    """A runtime that crashes, refuses, or talks."""

    def answers(self, sample: Dataset, by: str) -> None:
        model = open_artifact(COMMITTED / "fp32.onnx")
        spec = SessionSpec("misbehaving", "cpu", options={"by": by})
        answer_apart(model, spec, sample.test.pixels[:2], {}, cpus=usable_cpus())

    def test_by_printing(self, sample: Dataset) -> None:
        """What a library prints is not taken for an answer."""
        self.answers(sample, "printing")

    def test_by_crashing(self, sample: Dataset) -> None:
        """The signal is named."""
        with pytest.raises(child.Crashed, match="opening it was ended by signal 11"):
            self.answers(sample, "crashing")

    def test_by_refusing(self, sample: Dataset) -> None:
        """An error there is the same error here."""
        with pytest.raises(BadInput, match="this one does not like it"):
            self.answers(sample, "refusing")

    @pytest.mark.parametrize(
        ("by", "reason"),
        [
            ("crashing", "opening it was ended by signal 11: a library that prints"),
            ("refusing", "this one does not like it"),
        ],
    )
    def test_it_ends_its_own_cell_alone(self, by: str, reason: str, sample: Dataset) -> None:
        """The other runtime's cell is measured, and this one is a failure with its reason."""
        few = dataclasses.replace(sample, test=sample.test.take(np.arange(20)))
        request = bench.Request(
            [open_artifact(COMMITTED / "fp32.onnx")],
            runtimes=["onnxruntime", "misbehaving"],
            options={"misbehaving": {"by": by}},
            overhead_cells=False,
            budget_s=0.1,
        )
        result = bench.measure(request, few)
        assert [reason] == [failure.reason for failure in result.failures]
        assert {"onnxruntime"} == {result.plan.cell(each.cell).session.runtime for each in result.results}


def test_a_hung_one_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is killed, and the time is named."""
    monkeypatch.setattr(child, "environment_for", lambda *_: {**os.environ, "PYTHONSTARTUP": ""})
    with pytest.raises(child.Crashed, match="could not be opened and run within 0 s"):
        child.ask("probe", ON_CPU, threads=1, cpus=usable_cpus(), timeout_s=0.05)


class TestAnotherInterpreter:
    """Runtimes that cannot share an environment run in one of their own."""

    def test_its_packages_are_what_counts(self) -> None:
        """What a runtime is, is asked there; this one is as good as another."""
        found = look_at("onnxruntime", python=sys.executable)
        assert look_at("onnxruntime") == found
        assert found.runtime_bytes is not None
        assert found.runtime_bytes > 10_000_000

    def test_one_without_the_packages_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """An environment that lacks what edgefashion itself needs is not taken for one without the runtime."""
        monkeypatch.delenv("PYTHONPATH")  # where edgefashion is installed, it names the folder of all packages
        bare = tmp_path / "python"
        bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
        bare.chmod(0o755)
        with pytest.raises(NotAvailable, match=r"python cannot measure onnxruntime: .*No module named"):
            look_at("onnxruntime", python=str(bare))

    def test_one_without_the_runtime_is_refused(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The package that it lacks is named."""
        from edgefashion.runtimes import load_runtime

        other = tmp_path / "python"
        other.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
        other.chmod(0o755)
        monkeypatch.setattr(child, "ask", lambda *_, **__: b'{"version":null,"runtime_bytes":null}')
        with pytest.raises(
            NotAvailable, match=f"has no {load_runtime('onnxruntime').PACKAGE}, which onnxruntime needs"
        ):
            look_at("onnxruntime", python=str(other))

    def test_it_gets_this_edgefashion_and_nothing_beside_it(self) -> None:
        """Packages that lie beside edgefashion here would hide those that are installed there."""
        first = child.environment_for(sys.executable, 1)["PYTHONPATH"].split(os.pathsep)[0]
        assert [path.name for path in Path(first).iterdir()] == ["edgefashion"]
        assert (Path(first) / "edgefashion" / "bench" / "process" / "child.py").samefile(child.__file__)

    def test_a_measurement_runs_there(self, sample: Dataset, tmp_path: Path) -> None:
        """Answers and launches come from that interpreter: it leaves a mark whenever it starts."""
        mark, python = tmp_path / "started", tmp_path / "python"
        python.write_text(f'#!/bin/sh\necho >> {mark}\nexec {sys.executable} "$@"\n')
        python.chmod(0o755)
        few = dataclasses.replace(sample, test=sample.test.take(np.arange(20)))
        request = bench.Request(
            [open_artifact(COMMITTED / "fp32.onnx")],
            runtimes=["onnxruntime"],
            pythons={"onnxruntime": str(python)},
            overhead_cells=False,
            budget_s=0.1,
        )
        result = bench.measure(request, few)
        assert result.failures == []
        # Once to look, once to answer, and each launch.
        assert 2 + len(result.launches) == len(mark.read_text())
        assert {look_at("onnxruntime").version} == {each.runtime_version for each in result.results}
