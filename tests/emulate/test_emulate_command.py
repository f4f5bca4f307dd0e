"""`edgefashion emulate`: what it says, what it writes, how it leaves."""

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from c_models import files, manifest_in_c

from edgefashion import environment, export, quantize
from edgefashion.artifact import from_files, open_artifact, save
from edgefashion.cli.app import guarded
from edgefashion.cli.emulate import _arenas, emulate
from edgefashion.data import Dataset
from edgefashion.emulate import toolchain
from edgefashion.errors import BadInput
from edgefashion.records import Check
from edgefashion.records.microcontroller import (
    ArenaSize,
    EmulatedPicture,
    Emulation,
    MicrocontrollerReport,
    Sections,
)
from edgefashion.report.microcontroller_grids import microcontroller_grids
from edgefashion.runs import MICROCONTROLLER
from edgefashion.runtimes import tflite_micro
from edgefashion.verify import Limits

needs_board = pytest.mark.skipif(
    not all(map(shutil.which, (toolchain.COMPILER, toolchain.SIZE, toolchain.EMULATOR))),
    reason="the Debian packages gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm are not installed",
)


def leave(capsys: pytest.CaptureFixture[str], *names: object, **options: Any) -> tuple[int, str, str]:
    """The exit code of the command on the bundled sample, and what it printed."""
    settings: dict[str, Any] = {"pictures": 2, "optimize": "2", "data_dir": "sample", "as_json": False, **options}
    code = 0
    capsys.readouterr()
    try:
        guarded(emulate)(list(map(str, names)), **settings)
    except SystemExit as leaving:
        code = int(leaving.code or 0)
    return code, *capsys.readouterr()


@pytest.fixture
def wrong_run(own_run: Path) -> Path:
    """A run with a model in C that is not the run's float32 model, whatever its manifest says."""
    manifest = manifest_in_c(open_artifact(own_run / "fp32.onnx").manifest)
    save(from_files(own_run / manifest.variant / "model.c", files(), manifest))
    return own_run


@needs_board
def test_another_model_exits_with_one(wrong_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A model that answers otherwise than its source is shown and recorded as failing, and the command fails."""
    code, out, err = leave(capsys, wrong_run)
    assert code == 1
    assert "c-fp32 does not answer on the emulated Cortex-M4 as in ONNX Runtime here" in err
    assert "FAIL" in out
    assert "instructions are counted, not timed" in out
    report = MicrocontrollerReport.load(wrong_run / MICROCONTROLLER)
    assert not report.passed
    assert [len(result.pictures) for result in report.results] == [2]
    assert report.tools.keys() == {toolchain.COMPILER, toolchain.SIZE, toolchain.EMULATOR}
    (wrong_run / MICROCONTROLLER).write_bytes(
        (wrong_run / MICROCONTROLLER).read_bytes().replace(b'"instructions": ', b'"instructions":  ', 1)
    )
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        MicrocontrollerReport.load(wrong_run / MICROCONTROLLER)


@needs_board
def test_json(wrong_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --json stdout is the document and nothing else."""
    code, out, _ = leave(capsys, wrong_run / "c-fp32" / "model.c", as_json=True)
    assert code == 1
    assert json.loads(out)["kind"] == "microcontroller"
    assert (wrong_run / MICROCONTROLLER).read_text() == out


@needs_board
def test_runs_that_cannot_be_emulated(wrong_run: Path, tiny_run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a model in C, without its source, or beside another source there is nothing to compare."""
    code, _, err = leave(capsys, tiny_run)
    assert (code, "--format c" in err) == (4, True)
    other = open_artifact(wrong_run / "int8-static.onnx")
    (wrong_run / "fp32.onnx").write_bytes(other.content)
    code, _, err = leave(capsys, wrong_run / "c-fp32" / "model.c")
    assert (code, "does not hold the ONNX model" in err) == (4, True)
    (wrong_run / "fp32.onnx").unlink()
    code, _, err = leave(capsys, wrong_run / "c-fp32" / "model.c")
    assert (code, "does not hold the ONNX model" in err) == (4, True)
    assert not (wrong_run / MICROCONTROLLER).exists()


def test_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown optimization is a question of usage; missing tools are named with their packages."""
    code, _, err = leave(capsys, tmp_path, optimize="fast")
    assert (code, "unknown optimization 'fast'" in err) == (2, True)
    monkeypatch.setenv("PATH", str(tmp_path))
    code, _, err = leave(capsys, tmp_path)
    assert (code, "apt-get install" in err) == (5, True)


def test_arenas_of_an_interpreter(own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where TensorFlow Lite Micro is installed, it says what arena the run's .tflite models need, and only these."""
    manifest = msgspec.structs.replace(
        open_artifact(own_run / "fp32.onnx").manifest, format="tflite", variant="litert-fp32"
    )
    save(from_files(own_run / "litert-fp32.tflite", {"litert-fp32.tflite": b"a model"}, manifest))
    monkeypatch.setattr(tflite_micro, "arena_bytes", lambda model: 1_000 * len(model.content))
    monkeypatch.setattr(environment, "installed", lambda _: None)
    assert _arenas(own_run) == []
    monkeypatch.setattr(environment, "installed", lambda _: "1")
    (arena,) = _arenas(own_run)
    assert (arena.artifact.variant, arena.arena_bytes) == ("litert-fp32", 7_000)


@needs_board
@pytest.mark.slow
@pytest.mark.skipif(environment.installed("emx-onnx-cgen") is None, reason="emx-onnx-cgen is not installed")
def test_exported_models_pass(own_run: Path, sample: Dataset, capsys: pytest.CaptureFixture[str]) -> None:
    """What was exported passes: int8 with the bits of ONNX Runtime, in less flash and stack than float32."""
    quantize.apply(open_artifact(own_run / "fp32.onnx"), "qoperator", sample, limits=Limits(min_agreement=0.9))
    for precision in ("float32", "int8"):
        export.convert("c", open_artifact(own_run / "checkpoint.safetensors"), sample, precision=precision)
    code, out, err = leave(capsys, own_run, pictures=20)
    assert (code, err.count("20 pictures on an emulated Cortex-M4")) == (0, 2)
    assert out.count("PASS") == 2
    fp32, int8 = MicrocontrollerReport.load(own_run / MICROCONTROLLER).results
    assert int8.bit_exact == 20
    assert int8.flash_bytes < fp32.flash_bytes
    assert int8.stack_bytes < fp32.stack_bytes


@needs_board
def test_two_runs_are_one_document(wrong_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each run has a file of its own; what is printed is one report of both, with names that keep them apart."""
    other = Path(shutil.copytree(wrong_run, tmp_path / "other"))
    source = open_artifact(wrong_run / "fp32.onnx").manifest
    manifest = manifest_in_c(msgspec.structs.replace(source, name="other"))
    another = {name: content + b"\n" for name, content in files().items()}
    save(from_files(other / manifest.variant / "model.c", another, manifest))
    code, out, _ = leave(capsys, wrong_run, other, as_json=True)
    assert (code, len(json.loads(out)["results"])) == (1, 2)
    assert [len(MicrocontrollerReport.load(run / MICROCONTROLLER).results) for run in (wrong_run, other)] == [1, 1]
    _, out, _ = leave(capsys, wrong_run, other)
    assert f"other/{manifest.variant}" in out


# The tables


@pytest.fixture
def report(fp32: Any, sample: Dataset) -> MicrocontrollerReport:
    """A document made by hand: of two pictures one is exact."""
    pictures = [EmulatedPicture(0, 1_200, [1.0, 2.0], [1.0, 2.0]), EmulatedPicture(5, 1_000, [1.0, 2.5], [1.0, 2.0])]
    result = Emulation(
        artifact=msgspec.structs.replace(fp32.info, variant="c-int8"),
        reference=fp32.info,
        flags=["-mthumb", "-O2"],
        firmware=Sections(text_bytes=11_000, data_bytes=110, bss_bytes=850),
        harness=Sections(text_bytes=1_000, data_bytes=10, bss_bytes=800),
        stack_bytes=4_096,
        pictures=pictures,
        checks=[Check(name="pictures with other bits", value=1, limit=0, relation="≤")],
    )
    return MicrocontrollerReport(
        board="a board",
        data=sample.identity,
        results=[result],
        arenas=[ArenaSize(msgspec.structs.replace(fp32.info, variant="litert-int8"), 37_212)],
        tools={"gcc": "12"},
        environment=environment.describe(),
    )


def test_grids(report: MicrocontrollerReport) -> None:
    """The table shows what the model adds, the span of counts, and why it fails; arenas have a table of their own."""
    grid, arenas = microcontroller_grids(report)
    (row,) = grid.rows
    assert row.cells == ("c-int8", "10.1 kB", "150 B", "4.10 kB", "1,000 to 1,200", "2", "1", "FAIL")
    assert "c-int8 fails: pictures with other bits is 1, must be ≤ 0" in grid.notes
    assert "gcc: 12" in grid.notes
    assert arenas.rows[0].cells == ("litert-int8", "37.2 kB")
    passing = msgspec.structs.replace(report.results[0], checks=[], pictures=report.results[0].pictures[:1])
    (grid,) = microcontroller_grids(msgspec.structs.replace(report, results=[passing], arenas=[]))
    assert grid.rows[0].cells[4:] == ("1,200", "1", "1", "PASS")
    assert not any("fails" in note for note in grid.notes)


def test_document(report: MicrocontrollerReport, tmp_path: Path) -> None:
    """A document that was written is read as the same."""
    saved = MicrocontrollerReport.load(report.save(tmp_path / MICROCONTROLLER))
    assert msgspec.structs.replace(saved, seal=report.seal) == report
