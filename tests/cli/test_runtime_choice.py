"""Which runtimes take part, and what is said of those that do not, before any work."""

import shutil
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgefashion import runs
from edgefashion.artifact import from_files, open_artifact, save
from edgefashion.cli.subjects import chosen_runtimes, chosen_subjects, parse_pythons
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.files import UNSEALED
from edgefashion.runtimes import RUNTIMES, is_installed, load_runtime, why_unusable

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"


@pytest.fixture
def run_with_two_formats(tmp_path: Path) -> Path:
    """The committed run, with a model of a format that no runtime here opens."""
    folder = Path(shutil.copytree(COMMITTED, tmp_path / "run"))
    manifest = open_artifact(folder / "fp32.onnx").manifest
    other = msgspec.structs.replace(manifest, format="executorch", variant="executorch-fp32", seal=UNSEALED)
    save(from_files(folder / "executorch-fp32.pte", {"executorch-fp32.pte": b"ET12"}, other))
    return folder


def test_all_means_all_that_are_here(capsys: pytest.CaptureFixture[str]) -> None:
    """Each that opens the model, or the checkpoint beside it, and works; of each other one the reason is said."""
    models = [open_artifact(COMMITTED / "fp32.onnx")]
    chosen = chosen_runtimes(["all"], models, providers=["cpu"], pythons={})
    assert chosen is not None
    able = [name for name in RUNTIMES.names() if {"onnx", "safetensors"} & set(load_runtime(name).FORMATS)]
    assert [name for name in able if not why_unusable(name, ["cpu"])] == chosen
    said = capsys.readouterr().err
    for name in set(able) - set(chosen):
        assert f"{name} is left out: " in said


def test_none_named_is_nothing_chosen() -> None:
    """The plan then takes the usual runtime of each format."""
    assert chosen_runtimes(None, [], providers=["cpu"], pythons={}) is None


def test_one_that_is_absent_is_said_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the command that brings it."""
    monkeypatch.setattr("edgefashion.runtimes.is_installed", lambda _: False)
    monkeypatch.setattr("edgefashion.runtimes.pytorch.installed", lambda _: None)
    with pytest.raises(NotAvailable, match=r"pytorch was asked for and is not installed: pip install 'edgefashion\[tr"):
        chosen_runtimes(["pytorch"], [], providers=["cpu"], pythons={})


def test_one_with_its_own_interpreter_need_not_be_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its packages are in the other environment."""
    monkeypatch.setattr("edgefashion.runtimes.is_installed", lambda _: False)
    pythons = {"pytorch": sys.executable}
    assert chosen_runtimes(["pytorch"], [], providers=["cpu"], pythons=pythons) == ["pytorch"]


@pytest.mark.parametrize("text", ["", "litert", "litert=", "=python", "litert=/no/such/python"])
def test_an_interpreter_is_a_runtime_and_a_program(text: str) -> None:
    """Anything else is refused with what was expected."""
    with pytest.raises(UsageError, match="expected NAME=PATH"):
        parse_pythons([text])


def test_a_misspelt_runtime_gets_the_nearest(run) -> None:
    """Whether named for measuring or for an interpreter."""
    for option in (("--runtime", "onnxruntim"), ("--python", f"onnxruntim={sys.executable}")):
        outcome = run("bench", COMMITTED, *option)
        assert (outcome.code, "did you mean 'onnxruntime'" in outcome.err) == (2, True)


@pytest.mark.skipif(is_installed("executorch"), reason="executorch is installed: nothing is left out")
class TestAModelThatNothingHereOpens:
    """A run may hold models for runtimes that this machine lacks."""

    def test_is_left_out_of_a_measurement(self, run_with_two_formats: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """With a note that says what it needs; the others are measured."""
        models: list[Any] = runs.artifacts_in(run_with_two_formats)
        chosen = chosen_subjects(models, None, providers=["cpu"])
        assert {model.format for model in chosen} <= {"onnx", "safetensors"}
        assert "executorch-fp32.pte needs executorch" in capsys.readouterr().err

    def test_alone_it_is_an_error(self, run, run_with_two_formats: Path) -> None:
        """Exit code 5, with the extra to install."""
        outcome = run("bench", run_with_two_formats / "executorch-fp32.pte")
        assert (outcome.code, "pip install 'edgefashion[executorch]'" in outcome.err) == (5, True)

    def test_is_left_out_of_a_verification(self, run, run_with_two_formats: Path) -> None:
        """With the same note; named by itself it is an error."""
        outcome = run("verify", run_with_two_formats, "--reference", "golden")
        assert (outcome.code, "left out: " in outcome.err) == (0, True)
        assert run("verify", run_with_two_formats / "executorch-fp32.pte").code == 5


class TestRuntimesAskedFor:
    """A run may hold models that none of them opens."""

    def test_only_what_they_open_is_measured(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        """What they do not open is left out with a note, though another runtime here would."""
        pytest.importorskip("torch")
        fp32, name = open_artifact(COMMITTED / "fp32.onnx"), "aotinductor-fp32.pt2"
        manifest = msgspec.structs.replace(fp32.manifest, format="aotinductor", seal=UNSEALED)
        package = from_files(tmp_path / name, {name: b"code"}, manifest)
        models: list[Any] = [fp32, package]
        assert chosen_subjects(models, ["onnxruntime"], providers=["cpu"]) == [fp32]
        assert "none of the runtimes asked for opens" in capsys.readouterr().err.replace("\n", " ")

    def test_pytorch_alone_measures_the_checkpoint(self) -> None:
        """Though it opens none of the exported models."""
        pytest.importorskip("torch")
        models: list[Any] = [open_artifact(COMMITTED / "fp32.onnx")]
        (checkpoint,) = chosen_subjects(models, ["pytorch"], providers=["cpu"])
        assert checkpoint.path == COMMITTED / "checkpoint.safetensors"

    def test_one_that_opens_none_is_a_usage_error(self) -> None:
        """Nothing would be measured."""
        models: list[Any] = [open_artifact(COMMITTED / "fp32.onnx")]
        with pytest.raises(UsageError, match="litert opens none of these models"):
            chosen_subjects(models, ["litert"], providers=["cpu"], pythons={"litert": sys.executable})


class TestVerifyInARuntime:
    """`edgefashion verify --runtime` proves models in another runtime than their usual one."""

    def test_one_that_opens_none_of_them(self, run) -> None:
        """What it opens is said."""
        outcome = run("verify", COMMITTED, "--runtime", "c")
        assert (outcome.code, "c opens c: give such a file" in outcome.err) == (2, True)

    def test_the_usual_one_by_its_name(self, run, tmp_path: Path) -> None:
        """It is used, and verify.json stays what it was: a proof in a runtime that was asked for is shown, not kept."""
        folder = Path(shutil.copytree(COMMITTED, tmp_path / "run"))
        before = {path.name for path in folder.iterdir()}
        outcome = run("verify", folder, "--runtime", "onnxruntime", "--reference", "golden")
        assert outcome.code == 0
        assert before == {path.name for path in folder.iterdir()}


def test_an_interpreter_for_what_is_not_measured_is_refused(run) -> None:
    """It would be ignored: OpenVINO takes part only if it is named."""
    outcome = run("bench", COMMITTED / "fp32.onnx", "--python", f"openvino={sys.executable}")
    assert (outcome.code, "add --runtime openvino" in outcome.err) == (2, True)
