"""Any flipped byte in a kit is refused before anything is done with it."""

import runpy
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import on_device

from edgefashion.records.kit import Kit

_START = "edgefashion_kit/__main__.py"

flips = st.integers(1, 255)
places = st.floats(0, 1, exclude_max=True)


@contextmanager
def flipped(path: Path, place: float, flip: int) -> Iterator[None]:
    """One byte of a file is another one; it is restored."""
    sound = path.read_bytes()
    content = bytearray(sound)
    content[int(place * len(content))] ^= flip
    path.write_bytes(content)
    try:
        yield
    finally:
        path.write_bytes(sound)


@pytest.fixture(scope="module")
def damaged(tmp_path_factory: pytest.TempPathFactory, packed: Path) -> Iterator[Path]:
    """A kit that is started within this process, over and over."""
    folder = Path(shutil.copytree(packed, tmp_path_factory.mktemp("damaged") / "kit"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        patch.setattr(sys, "argv", ["edgefashion_kit", "selftest"])
        patch.setattr(sys, "dont_write_bytecode", sys.dont_write_bytecode)
        yield folder


def start(folder: Path) -> int | str | None:
    """The exit code of the self-test."""
    with pytest.raises(SystemExit) as leaving:
        runpy.run_path(str(folder / _START), run_name="__main__")
    return leaving.value.code


def files_of(folder: Path) -> list[str]:
    """Every file of a kit that has bytes, the first to run left out."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return [name for path in paths if (name := path.relative_to(folder).as_posix()) != _START]


def test_a_sound_kit_passes(damaged: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a flipped byte the same start ends well: what is refused below is the damage."""
    assert start(damaged) == 0
    assert capsys.readouterr().out.endswith("PASS\n")


@given(data=st.data(), place=places, flip=flips)
@settings(max_examples=60)
def test_any_flipped_byte_is_refused(damaged: Path, data: st.DataObject, place: float, flip: int) -> None:
    """Wherever it is: exit code 4, and one line that names the file."""
    name = data.draw(st.sampled_from(files_of(damaged)))
    with pytest.MonkeyPatch.context() as patch:
        said: list[str] = []
        patch.setattr(sys.stderr, "write", said.append)
        with flipped(damaged / name, place, flip):
            code = start(damaged)
    assert code == 4
    (line,) = said
    assert (line.count("\n"), name in line) == (1, True)


@pytest.mark.filterwarnings("ignore:invalid escape sequence")  # that a flipped byte has made
@given(place=places, flip=flips)
@settings(max_examples=60)
def test_a_flipped_byte_in_the_first_file_never_passes(damaged: Path, place: float, flip: int) -> None:
    """Nothing can check it before it runs: the files it looks at refuse it, or Python does; nothing exits with 0."""
    with flipped(damaged / _START, place, flip), pytest.raises(BaseException) as refusal:  # noqa: PT011 - any of Python's
        runpy.run_path(str(damaged / _START), run_name="__main__")
    if isinstance(refusal.value, SystemExit):
        assert refusal.value.code in {4, 5, 70}


def test_every_file_is_listed(packed: Path) -> None:
    """Each file of the kit but kit.json has its digest there, and kit.json has its own inside."""
    listed = Kit.load(packed / "kit.json").files
    there = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}
    assert there - {"kit.json"} == listed.keys()


def test_a_missing_file_is_refused(own_kit: Path) -> None:
    """As a damaged one is."""
    (own_kit / "golden-logits.npy").unlink()
    done = on_device(own_kit, "selftest")
    assert (done.returncode, len(done.stderr.splitlines())) == (4, 1)
    assert "golden-logits.npy does not exist" in done.stderr


@pytest.mark.parametrize("command", ["info", "bench"])
def test_every_command_looks_first(own_kit: Path, command: str) -> None:
    """Nothing is said of a damaged kit, and nothing measured, but that it is damaged."""
    path = own_kit / "int8-static.onnx"
    with flipped(path, 0.5, 1):
        done = on_device(own_kit, command)
    assert (done.returncode, done.stdout) == (4, "")
    assert str(path) in done.stderr
    assert not (own_kit / "kit-result.json").exists()


def test_a_strange_module_in_the_package_is_refused(own_kit: Path) -> None:
    """A file that was not packed does not run."""
    (own_kit / "edgefashion_kit" / "extra.py").write_text("print()\n")
    done = on_device(own_kit, "info")
    assert (done.returncode, "extra.py" in done.stderr) == (4, True)
