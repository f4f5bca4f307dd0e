"""`edgefashion kit`."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from packing import RUN, on_device

from edgefashion.cli.kit import kit
from edgefashion.records.kit import Kit


@pytest.fixture
def run(tmp_path: Path) -> str:
    """A copy of the committed run."""
    return str(shutil.copytree(RUN, tmp_path / "run"))


def test_a_kit_is_written_into_the_run(run: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Its place goes to stdout, which model it is and why to stderr; it works there."""
    kit(run)
    told = capsys.readouterr()
    folder = Path(told.out.strip())
    assert folder == Path(run) / "seed-reference-int8-static-kit"
    assert "int8-static.onnx: of 2 int8 models the one quantized by 'static'" in told.err
    assert on_device(folder, "selftest").returncode == 0


def test_a_zip_is_written_elsewhere(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With --zip and --out; --json prints the kit.json inside."""
    kit(run, artifact="fp32", as_zip=True, out=tmp_path / "stick", as_json=True)
    with zipfile.ZipFile(tmp_path / "stick" / "seed-reference-fp32-kit.zip") as archive:
        listed = archive.read("seed-reference-fp32-kit/kit.json")
    assert json.loads(capsys.readouterr().out) == json.loads(listed)
    assert not list(Path(run).glob("*-kit*"))


def test_a_file_needs_no_run(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The kit of a model that is named by its file lies beside it."""
    (tmp_path / "model.onnx").write_bytes((Path(run) / "fp32.onnx").read_bytes())
    kit(artifact=str(tmp_path / "model.onnx"))
    assert Path(capsys.readouterr().out.strip()) == tmp_path / "seed-reference-fp32-kit"


def test_the_kit_names_its_version(run: str) -> None:
    """So that a result can be traced to the code that measured it."""
    from edgefashion import __version__

    kit(run)
    assert Kit.load(Path(run) / "seed-reference-int8-static-kit" / "kit.json").edgefashion == __version__
