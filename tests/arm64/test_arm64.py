"""64-bit ARM under an emulator: a machine is made of archives, and the same wheels give the same answers there."""

import os
import shutil
from pathlib import Path

import arm64_archive
import arm64_proof
import arm64_root
import numpy as np
import pytest
from arm64_root import Arm64

from edgefashion.artifact import open_artifact
from edgefashion.errors import CheckFailed, NotAvailable

COMMITTED = Path(__file__).parents[2] / "exported"
MODELS = [COMMITTED / "seed-reference" / name for name in ("fp32.onnx", "int8-static.onnx")]

needs_apt = pytest.mark.skipif(shutil.which("apt-get") is None, reason="apt-get is not on this machine")


# Making the machine


@needs_apt
def test_no_archive(tmp_path: Path) -> None:
    """A mirror without the release is named, with apt's reason."""
    mirror = tmp_path / "empty"
    mirror.mkdir()
    with pytest.raises(NotAvailable, match=rf"trixie cannot be fetched: file:{mirror}: apt-get failed: .*Release"):
        arm64_archive.open_archive(tmp_path / "apt", ["arm64"], mirrors=[f"file:{mirror}"])


@needs_apt
def test_unsigned_archive(tmp_path: Path) -> None:
    """Lists that Debian did not sign are refused, also from this machine's own disk."""
    folder = tmp_path / "archive/dists" / arm64_archive.SUITE
    folder.mkdir(parents=True)
    (folder / "Release").write_text(f"Suite: {arm64_archive.SUITE}\nArchitectures: arm64\nComponents: main\nSHA256:\n")
    with pytest.raises(NotAvailable, match="is not signed"):
        arm64_archive.open_archive(tmp_path / "apt", ["arm64"], mirrors=[f"file:{tmp_path / 'archive'}"])


def test_half_a_machine_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails on its way leaves nothing behind that passes for a machine."""

    def fail(*_: object, **__: object) -> None:
        raise NotAvailable("the archive is away")

    monkeypatch.setattr(arm64_archive, "own_architecture", lambda: "amd64")
    monkeypatch.setattr(arm64_archive, "open_archive", fail)
    with pytest.raises(NotAvailable, match="the archive is away"):
        arm64_root.make(tmp_path, ["numpy"], note=lambda _: None)
    assert {".lock"} == {path.name for path in tmp_path.iterdir()}


def test_an_arm_machine_needs_no_emulator(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On 64-bit ARM itself nothing is downloaded, and the reason is said."""
    monkeypatch.setattr(arm64_archive, "own_architecture", lambda: "arm64")
    with pytest.raises(NotAvailable, match="this machine is 64-bit ARM itself"):
        arm64_root.make(tmp_path, ["numpy"])


# The machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Arm64:
    """An emulated machine; EDGEFASHION_ARM64 names a folder where it stays for the next time."""
    cache = Path(os.environ.get("EDGEFASHION_ARM64") or tmp_path_factory.mktemp("arm64"))
    models = [open_artifact(path) for path in MODELS]
    try:
        return arm64_root.make(cache, arm64_proof.requirements(models))
    except NotAvailable as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_committed_models_answer_as_here(machine: Arm64) -> None:
    """The committed seed decides as here on 300 pictures, and its int8 logits are the same bits."""
    report = arm64_proof.prove(MODELS, machine, processors=["cortex-a53"])
    fp32, int8 = report.results
    assert (report.architecture, fp32.images, fp32.equal_decisions) == ("aarch64", 300, 300)
    assert (int8.equal_decisions, int8.equal_logits) == (300, 300)
    assert report.passed


@pytest.mark.slow
def test_what_fails_there_is_told_here(machine: Arm64, tmp_path: Path) -> None:
    """A program that ends in an error there is an error here, in its own last words."""
    program = tmp_path / "broken.py"
    program.write_text("import platform, sys; sys.exit('no, said ' + platform.machine())\n")
    with pytest.raises(CheckFailed, match=r"broken.py ended with 1 on max: no, said aarch64"):
        machine.run(program, processor="max")


@pytest.mark.slow
def test_nothing_of_this_machine_gets_there(machine: Arm64, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Packages and settings of this machine are not seen there: only the other's wheels and edgefashion are."""
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    program = tmp_path / "look.py"
    program.write_text(
        "import os, sys, numpy\nprint(os.environ.get('LD_LIBRARY_PATH'))\nprint(numpy.__file__)\nprint(*sys.path)\n"
    )
    seen: list[str] = []
    machine.run(program, processor="max", note=seen.append)
    library, numpy_file, places = seen
    assert library == "None"
    assert Path(numpy_file).is_relative_to(machine.wheels)
    assert Path(np.__file__).parents[1].as_posix() not in places.split()
