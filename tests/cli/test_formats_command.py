"""`edgefashion export --format`: what is made, from what, and what is refused before any work."""

import dataclasses
import sys
from pathlib import Path
from types import ModuleType

import pytest

from edgefashion import runs, runtimes
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.export import formats
from edgefashion.records import Precision, SessionSpec
from edgefashion.runtimes import Availability


class ToyFormat(ModuleType):
    """Writes ONNX models under another name; `spoil` changes what it writes."""

    FORMAT, SUFFIX, EXTRA = "tflite", ".toy", ""
    PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
    SOURCES = {"float32": "fp32", "int8": "int8-static"}  # noqa: RUF012 - a module's attribute
    spoil = False

    def convert(
        self,
        source: Artifact,
        data: Dataset,  # noqa: ARG002 - nothing to calibrate
        *,
        precision: Precision,  # noqa: ARG002 - that of the source
        path: Path,
        note: object,  # noqa: ARG002 - it is told nothing
    ) -> formats.Converted:
        written = open_artifact(source.path.with_name("int8-dynamic.onnx")) if self.spoil else source
        return formats.Converted({path.name: written.content})


class ToyRuntime(ModuleType):
    """Opens what the toy format writes, in ONNX Runtime."""

    PROVIDERS, PACKAGE, FORMATS = {"cpu": "cpu"}, "onnxruntime", ("tflite",)

    def available(self, provider: str | None = None) -> Availability:  # noqa: ARG002 - there is one
        return Availability("toy", "1.0", {"cpu": ""})

    def open_session(self, model: Artifact, spec: SessionSpec) -> runtimes.Session:  # noqa: ARG002 - it has no options
        return runtimes.load_runtime("onnxruntime").open_session(
            model, SessionSpec("onnxruntime", "CPUExecutionProvider")
        )


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> ToyFormat:
    """A format called toy, and the runtime that opens it."""
    found = ToyFormat("toy_format")
    monkeypatch.setitem(sys.modules, "toy_format", found)
    monkeypatch.setitem(sys.modules, "toy_runtime", ToyRuntime("toy_runtime"))
    monkeypatch.setattr(formats, "FORMATS", dataclasses.replace(formats.FORMATS, built_in={"toy": "toy_format"}))
    known = {"onnxruntime": "edgefashion.runtimes.ort", "toy": "toy_runtime", "pytorch": "edgefashion.runtimes.pytorch"}
    monkeypatch.setattr(runtimes, "RUNTIMES", dataclasses.replace(runtimes.RUNTIMES, built_in=known))
    return found


def variants(run: Path) -> list[str]:
    """Of every model in a run."""
    return [artifact.manifest.variant for artifact in runs.artifacts_in(run)]


@pytest.mark.usefixtures("toy")
def test_float32_alone_by_default(run, own_run: Path) -> None:
    """Beside what is there, with the reference that the other models were held against."""
    before = variants(own_run)
    outcome = run("export", own_run, "--format", "toy")
    assert outcome.code == 0, outcome.err
    assert [*before, "toy-fp32"] == variants(own_run)
    assert "toy-fp32" in outcome.out


@pytest.mark.usefixtures("toy")
def test_what_it_is_made_from_is_made_first(run, own_run: Path) -> None:
    """A run with nothing but its checkpoint gets the ONNX models that the format starts from."""
    for path in own_run.glob("*.onnx"):
        path.unlink()
    outcome = run("export", own_run, "--format", "toy", "--quantize", "--min-agreement", "0.9")
    assert outcome.code == 0, outcome.err
    assert variants(own_run) == ["fp32", "int8-static", "toy-fp32", "toy-int8"]


@pytest.mark.usefixtures("toy")
def test_another_source(run, own_run: Path) -> None:
    """With --from the form of that model alone is made, and from it."""
    before = variants(own_run)
    outcome = run("export", own_run, "--format", "toy", "--from", "int8-dynamic", "--min-agreement", "0.9")
    assert outcome.code == 0, outcome.err
    assert variants(own_run) == [*before, "toy-int8"]
    made, source = open_artifact(own_run / "toy-int8.toy"), open_artifact(own_run / "int8-dynamic.onnx")
    assert made.content == source.content
    assert made.manifest.quantization == source.manifest.quantization


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--format", "toy", "--from", "int8-other"), 4, "no ONNX model 'int8-other': --from takes one of fp16, fp32"),
        (("--format", "toy", "--from", ""), 4, "no ONNX model ''"),
        (("--format", "toy", "--from", "fp32", "--quantize"), 2, "leave --quantize out"),
        (("--from", "fp32"), 2, "give --format"),
        (("--format", "toy", "--from", "fp16"), 2, "not in float16"),
    ],
)
@pytest.mark.usefixtures("toy")
def test_a_source_that_cannot_be(run, own_run: Path, options, code: int, said: str) -> None:
    """It is refused, and nothing is written."""
    outcome = run("export", own_run, *options)
    assert (outcome.code, said in outcome.err) == (code, True), outcome.err
    assert list(own_run.glob("toy*")) == []


def test_a_source_in_another_precision(own_run: Path, sample: Dataset, toy: ToyFormat) -> None:
    """In Python, where both are named, they must agree; and a checkpoint is no ONNX model."""
    checkpoint, int8 = (open_artifact(own_run / name) for name in ("checkpoint.safetensors", "int8-static.onnx"))
    for source, words in (
        (int8, "is onnx in int8: expected ONNX in float32"),
        (checkpoint, "is safetensors in float32"),
    ):
        with pytest.raises(UsageError, match=words):
            formats.convert("toy", checkpoint, sample, source=source)
    assert list(own_run.glob(f"*{toy.SUFFIX}")) == []


def test_a_format_that_has_no_source(run, own_run: Path, toy: ToyFormat, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made from the checkpoint has no other source."""
    monkeypatch.setattr(toy, "SOURCES", {}, raising=False)
    outcome = run("export", own_run, "--format", "toy", "--from", "fp32")
    assert (outcome.code, "made from the checkpoint" in outcome.err) == (2, True)
    assert "running PyTorch" not in outcome.err


def test_one_that_decides_otherwise_is_not_kept(run, own_run: Path, toy: ToyFormat) -> None:
    """Exit code 1, and neither the model nor its manifest is there."""
    toy.spoil = True
    outcome = run("export", own_run, "--format", "toy")
    assert (outcome.code, "toy-fp32.toy was not kept" in outcome.err) == (1, True)
    assert list(own_run.glob("toy*")) == []


@pytest.mark.usefixtures("toy")
def test_a_misspelt_format(run, own_run: Path) -> None:
    """The nearest one is suggested; ONNX is among those that are known."""
    outcome = run("export", own_run, "--format", "toi")
    assert outcome.code == 2
    assert "did you mean 'toy'? known are onnx, toy" in outcome.err


@pytest.mark.usefixtures("toy")
def test_schemes_are_for_onnx(run, own_run: Path) -> None:
    """A scheme that would be ignored is refused."""
    outcome = run("export", own_run, "--format", "toy", "--scheme", "static")
    assert (outcome.code, "add --format onnx" in outcome.err) == (2, True)


@pytest.mark.parametrize(
    ("name", "extra"), [("litert", "litert-export"), ("ncnn", "ncnn-export"), ("executorch", "executorch"), ("c", "c")]
)
def test_a_missing_package_is_said_before_any_work(
    name: str, extra: str, run, own_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 5 and the extra that brings it; PyTorch has not been run."""
    pytest.importorskip("torch")
    monkeypatch.setattr("edgefashion.environment.find_spec", lambda _: None)
    outcome = run("export", own_run, "--format", name)
    assert (outcome.code, f"pip install 'edgefashion[{extra}]'" in outcome.err) == (5, True)
    assert "running PyTorch" not in outcome.err
