"""Reading and writing so that neither a crash nor a flipped bit goes unseen.

Writing: to a temporary file in the same folder, synced, then renamed, so that a reader sees the old file or
the new one and never a part. Reading: bounded in size, and sealed files are checked against the SHA-256
that they carry before any parser sees them.

The seal is a JSON member `"edgefashion.sha256": "<64 hex digits>"` that every file written here contains
exactly once: JSON documents directly, ONNX and safetensors files inside their manifest. It is the digest of
the whole file with those 64 digits set to zero, so a file stays verifiable when it is copied alone.
"""

import contextlib
import errno
import hashlib
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from edgefashion.errors import BadInput, CannotWrite

SEAL_KEY = "edgefashion.sha256"
UNSEALED = "0" * 64
# Safetensors keep the manifest as a string inside JSON, which puts a backslash before each quote.
_SEAL = re.compile(rb'edgefashion\.sha256\\?": ?\\?"([0-9a-f]{64})')

MAX_FILE_BYTES = 256 * 2**20

# No other program names its files so: what a killed writer left can be swept without touching what is not ours.
_TEMPORARY = ".edgefashion-"


def sha256(content: bytes) -> str:
    """Hex SHA-256 of `content`."""
    return hashlib.sha256(content).hexdigest()


def read_bounded(path: Path, max_bytes: int = MAX_FILE_BYTES) -> bytes:
    """The content of a regular file of at most `max_bytes`.

    Raises:
        BadInput: The file is missing, not a regular file, or larger than the bound.
        CannotWrite: The system refuses to read it.
    """
    try:
        # A FIFO or a device would block or never end: look before opening.
        if not path.is_file():
            what = (
                "is a folder" if path.is_dir() else "does not exist" if not path.exists() else "is not a regular file"
            )
            raise BadInput(f"{path} {what}: expected a file")
        size = path.stat().st_size
        if size > max_bytes:
            raise BadInput(f"{path} has {size:,} bytes: expected at most {max_bytes:,}")
        with path.open("rb") as file:
            return file.read(max_bytes)
    except OSError as error:
        raise CannotWrite(f"cannot read {path}: {error.strerror or error}") from error


def seal(content: bytes) -> bytes:
    """`content` with its one seal filled in.

    Raises:
        ValueError: `content` does not hold exactly one empty seal.
    """
    start, end = _find_seal(content)
    if content[start:end] != UNSEALED.encode():
        raise ValueError("the content is sealed already")
    return content[:start] + sha256(content).encode() + content[end:]


def check_seal(content: bytes, path: Path) -> None:
    """Return silently if `content` is exactly what was sealed.

    Raises:
        BadInput: There is no seal, more than one, or its digest differs; `path` names the file.
    """
    try:
        start, end = _find_seal(content)
    except ValueError as error:
        raise BadInput(
            f"{path} {error}: expected a file written by edgefashion; it is damaged or of another kind"
        ) from None
    if sha256(content[:start] + UNSEALED.encode() + content[end:]).encode() != content[start:end]:
        raise BadInput(
            f"{path} does not match the SHA-256 inside it: it was damaged or edited after it was written; "
            "copy it again or make it anew"
        )


def _find_seal(content: bytes) -> tuple[int, int]:
    found = list(_SEAL.finditer(content))
    if len(found) != 1:
        raise ValueError("carries no edgefashion seal" if not found else "carries more than one seal")
    return found[0].span(1)


def atomic_write(path: Path, content: bytes | str) -> Path:
    """Write `content` to `path` entirely or not at all, creating its folder; returns `path`.

    Raises:
        CannotWrite: The disk is full or the place is forbidden. An older file stays as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, temporary = tempfile.mkstemp(prefix=f"{_TEMPORARY}{path.name}.", suffix=".tmp", dir=path.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        Path(temporary).replace(path)
        temporary = None
        _sync_folder(path.parent)
    except OSError as error:
        reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror or str(error)
        raise CannotWrite(f"cannot write {path}: {reason}") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()
    return path


def sweep_temporaries(folder: Path) -> None:
    """Remove what killed writers left in `folder`; call it while holding the folder's lock."""
    for stale in folder.glob(f"{_TEMPORARY}*.tmp"):
        with contextlib.suppress(OSError):
            stale.unlink()


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold `folder` for this process, creating it; the system frees the lock when the process dies.

    Raises:
        CannotWrite: Another process holds it, or the folder cannot be made.
    """
    from filelock import FileLock, Timeout

    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        holder = (folder / ".lock.holder").read_text() if (folder / ".lock.holder").exists() else "another process"
        raise CannotWrite(f"{folder} is in use by {holder.strip()}: wait for it or choose another folder") from None
    except OSError as error:
        raise CannotWrite(f"cannot use the folder {folder}: {error.strerror or error}") from error
    try:
        sweep_temporaries(folder)
        atomic_write(folder / ".lock.holder", f"process {os.getpid()}\n")
        yield
    finally:
        (folder / ".lock.holder").unlink(missing_ok=True)
        lock.release()


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
