"""Sealed, bounded, atomic: what reading and writing promise."""

import os
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgefashion.artifact import open_artifact
from edgefashion.errors import BadInput, CannotWrite
from edgefashion.files import (
    MAX_FILE_BYTES,
    UNSEALED,
    atomic_write,
    check_seal,
    locked,
    read_bounded,
    seal,
    sweep_temporaries,
)
from edgefashion.records import TrainingReport

KINDS = ("train.json", "checkpoint.safetensors", "fp32.onnx")


def read(path: Path) -> object:
    """Read a file of any kind the way that edgefashion does."""
    return TrainingReport.load(path) if path.suffix == ".json" else open_artifact(path)


def start_python(code: str, *arguments: object) -> subprocess.Popen[str]:
    """A second process, whose output can be read line by line."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finish(process: subprocess.Popen[str]) -> str:
    """The rest of a process's output, once it has ended by itself."""
    output, _ = process.communicate(timeout=30)
    assert process.returncode == 0
    return output


def kill(process: subprocess.Popen[str]) -> None:
    """End a process as the out-of-memory killer would."""
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=30)


# Reading


@pytest.mark.parametrize("kind", KINDS)
def test_sound_file_is_read(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """An undamaged file of each kind passes."""
    path = tmp_path / kind
    path.write_bytes(sealed_files[kind])
    read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_flipped_bit_is_seen(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """Each of 200 single flipped bits, wherever it lies, is reported as damage."""
    path, content = tmp_path / kind, sealed_files[kind]
    for bit in np.random.default_rng(1).integers(8 * len(content), size=200).tolist():
        damaged = bytearray(content)
        damaged[bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        with pytest.raises(BadInput, match=kind):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_truncation_is_seen(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """Each of 50 truncations, the empty file and the last byte among them, is reported as damage."""
    path, content = tmp_path / kind, sealed_files[kind]
    lengths = [0, len(content) - 1, *np.random.default_rng(2).integers(len(content), size=48).tolist()]
    for length in lengths:
        path.write_bytes(content[:length])
        with pytest.raises(BadInput, match=kind):
            read(path)


@pytest.mark.parametrize("kind", KINDS)
def test_appended_bytes_are_seen(kind: str, sealed_files: dict[str, bytes], tmp_path: Path) -> None:
    """A file with something behind its end is reported as damage."""
    path = tmp_path / kind
    path.write_bytes(sealed_files[kind] + b"\n")
    with pytest.raises(BadInput, match="SHA-256"):
        read(path)


def test_two_seals_are_refused(sealed_files: dict[str, bytes]) -> None:
    """Two sealed files behind one another are not taken for the first of them."""
    with pytest.raises(BadInput, match="more than one seal"):
        check_seal(sealed_files["train.json"] * 2, Path("two.json"))


@pytest.mark.parametrize("content", [b"", b"{}", b'{"edgefashion.sha256": "' + b"1" * 64 + b'"}'])
def test_only_one_empty_seal_can_be_filled(content: bytes) -> None:
    """Sealing refuses what has no seal or a filled one: it would overwrite a digest."""
    with pytest.raises(ValueError, match="seal"):
        seal(content)


def test_seal_is_the_digest_of_the_unsealed_file() -> None:
    """Anyone can check a seal with sha256sum: zero the digits, hash, compare."""
    import hashlib

    unsealed = f'{{"edgefashion.sha256": "{UNSEALED}", "x": 1}}'.encode()
    assert unsealed.replace(UNSEALED.encode(), hashlib.sha256(unsealed).hexdigest().encode()) == seal(unsealed)


def test_missing_file_and_folder(tmp_path: Path) -> None:
    """A missing file and a folder are told apart."""
    with pytest.raises(BadInput, match="does not exist"):
        read_bounded(tmp_path / "absent.json")
    with pytest.raises(BadInput, match="is a folder"):
        read_bounded(tmp_path)
    with pytest.raises(BadInput, match="does not exist"):
        read_bounded(tmp_path / "absent" / "deeper.json")


def test_fifo_does_not_block(tmp_path: Path) -> None:
    """A named pipe that nobody writes to is refused at once."""
    fifo = tmp_path / "fifo.onnx"
    os.mkfifo(fifo)
    seen: list[str] = []

    def attempt() -> None:
        try:
            read_bounded(fifo)
        except BadInput as error:
            seen.append(str(error))

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert [f"{fifo} is not a regular file: expected a file"] == seen


def test_size_is_bounded(tmp_path: Path) -> None:
    """A file of exactly the bound is read, one byte more is refused."""
    path = tmp_path / "some.json"
    path.write_bytes(b"x" * 10)
    assert read_bounded(path, max_bytes=10) == b"x" * 10
    with pytest.raises(BadInput, match="10 bytes: expected at most 9"):
        read_bounded(path, max_bytes=9)


def test_huge_file_is_refused_unread(tmp_path: Path) -> None:
    """The default bound holds without reading the file, which here has no content at all."""
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    started = time.perf_counter()
    with pytest.raises(BadInput, match="expected at most"):
        open_artifact(path)
    assert time.perf_counter() - started < 1


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_forbidden_file(tmp_path: Path) -> None:
    """A file that the system refuses to open is not reported as damaged."""
    path = tmp_path / "secret.json"
    path.touch(mode=0)
    with pytest.raises(CannotWrite, match="cannot read"):
        read_bounded(path)


# Writing


def test_write_replaces_whole(tmp_path: Path) -> None:
    """Bytes and text replace what was there, missing folders are made, and nothing else is left behind."""
    path = tmp_path / "a" / "b" / "file.txt"
    assert path == atomic_write(path, b"a long first content")
    atomic_write(path, "é")
    assert "é".encode() == path.read_bytes()
    assert [path] == list(path.parent.iterdir())


def test_content_is_on_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file's content is synced before it takes its name, and the folder afterwards: no power cut halves a file."""
    path = tmp_path / "file"
    synced: list[tuple[bool, bool]] = []

    def record(descriptor: int) -> None:
        is_folder = stat.S_ISDIR(os.fstat(descriptor).st_mode)
        synced.append((is_folder, path.exists()))

    monkeypatch.setattr(os, "fsync", record)
    atomic_write(path, b"content")
    assert synced == [(False, False), (True, True)]


def test_write_respects_umask(tmp_path: Path) -> None:
    """A written file has the permissions that any other new file would have."""
    before = os.umask(0o027)
    try:
        path = atomic_write(tmp_path / "file", b"")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o640


def test_write_below_a_file(tmp_path: Path) -> None:
    """A place that cannot hold a file is reported as such, and so is a folder in the file's place."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="cannot write"):
        atomic_write(tmp_path / "file" / "below", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(CannotWrite, match="cannot write"):
        atomic_write(tmp_path / "folder", b"")
    assert {"file", "folder"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_write_to_read_only_folder(tmp_path: Path) -> None:
    """A read-only folder is reported as such."""
    folder = tmp_path / "read-only"
    folder.mkdir(mode=0o555)
    with pytest.raises(CannotWrite, match="cannot write"):
        atomic_write(folder / "file", b"")


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    """When the space ends in the middle of a file, the older one stays whole and nothing is left beside it."""
    path = tmp_path / "file"
    path.write_bytes(b"old")
    code = """
import resource, sys
from pathlib import Path
from edgefashion.errors import CannotWrite
from edgefashion.files import atomic_write
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    atomic_write(Path(sys.argv[1]), b"x" * 1_000_000)
except CannotWrite as error:
    print(error)
"""
    output = finish(start_python(code, path))
    assert f"cannot write {path}: File too large\n" == output
    assert path.read_bytes() == b"old"
    assert [path] == list(tmp_path.iterdir())


def test_killed_writer_never_tears_a_file(tmp_path: Path) -> None:
    """Whenever a writer is killed, its file is one whole version; what it left behind goes with the next lock."""
    path = tmp_path / "file"
    versions = [letter * 2_000_000 for letter in (b"a", b"b")]
    path.write_bytes(versions[0])
    code = """
import sys
from pathlib import Path
from edgefashion.files import atomic_write
print("writing", flush=True)
while True:
    for letter in (b"a", b"b"):
        atomic_write(Path(sys.argv[1]), letter * 2_000_000)
"""
    left_behind = 0
    for delay_s in np.random.default_rng(3).uniform(0, 0.03, size=30).tolist():
        writer = start_python(code, path)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(delay_s)
        kill(writer)
        assert path.read_bytes() in versions
        left_behind = max(left_behind, len(list(tmp_path.glob(".edgefashion-file.*.tmp"))))
    # Kills that never met a writer in the act would prove nothing.
    assert left_behind > 0
    with locked(tmp_path):
        assert list(tmp_path.glob(".*.tmp")) == []


def test_sweep_spares_what_is_not_temporary(tmp_path: Path) -> None:
    """Only what an interrupted writer leaves is removed: not other hidden files, not other temporary ones."""
    kept = {".hidden", ".precious.tmp", "mine.tmp", "fp32.onnx"}
    for name in {*kept, ".edgefashion-fp32.onnx.x7f_.tmp"}:
        (tmp_path / name).touch()
    sweep_temporaries(tmp_path)
    assert kept == {path.name for path in tmp_path.iterdir()}


# Locking

HOLD = """
import sys, time
from pathlib import Path
from edgefashion.files import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_lock_is_exclusive_and_dies_with_its_holder(tmp_path: Path) -> None:
    """A folder in use is refused at once, naming the holder; when the holder is killed the folder is free."""
    folder = tmp_path / "run"
    holder = start_python(HOLD, folder)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(CannotWrite, match=f"in use by process {holder.pid}: "), locked(folder):
        pass
    kill(holder)
    with locked(folder):
        assert f"process {os.getpid()}\n" == (folder / ".lock.holder").read_text()


def test_lock_can_be_taken_again(tmp_path: Path) -> None:
    """A lock is free after its block, also when the block failed."""
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), locked(tmp_path / "run"):
            raise ZeroDivisionError
    assert not (tmp_path / "run" / ".lock.holder").exists()


def test_lock_below_a_file(tmp_path: Path) -> None:
    """A folder that cannot be made is reported as such."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="cannot use the folder"), locked(tmp_path / "file" / "run"):
        pass
