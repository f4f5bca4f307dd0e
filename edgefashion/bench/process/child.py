"""A process that answers one question: what may crash, hang or ask for too much memory does it there, not here."""

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path

import msgspec

import edgefashion
from edgefashion.bench.process import isolation
from edgefashion.bench.process.worker import Broken
from edgefashion.errors import (
    BadInput,
    CannotWrite,
    CheckFailed,
    EdgefashionError,
    ExitCode,
    NotAvailable,
    UsageError,
)

_ERRORS = {int(error.exit_code): error for error in (BadInput, CannotWrite, CheckFailed, NotAvailable, UsageError)}
_BUG_WORDS = 300


class Crashed(Exception):  # noqa: N818 - reads as the sentence it stands for
    """The process crashed or hung; the message says how."""


def ask(
    module: str, question: msgspec.Struct, *, python: str = "", threads: int, cpus: list[int], timeout_s: float
) -> bytes:
    """Run `main` of `edgefashion.bench.process.<module>` in a process of its own.

    Args:
        module: Its `main` calls `answer`.
        question: Goes in as JSON.
        python: The interpreter; this one by default.
        threads: For the libraries that read thread counts from the environment.
        cpus: The processors it may use.
        timeout_s: After so long it is ended.

    Returns:
        What the process said on stdout.

    Raises:
        EdgefashionError: What went wrong there, as the same error.
        Crashed: It ended without a word, or did not end.
    """
    program = python or sys.executable
    command = [program, "-P", "-c", f"from edgefashion.bench.process.{module} import main; main()"]
    with isolation.pinned(cpus):
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment_for(python, threads),
                # A group of its own: what it starts, as a compiler or a browser, ends with it.
                start_new_session=True,
            )
        except OSError as error:
            raise UsageError(f"{program} cannot be started: {error.strerror or error}") from None
    with process:
        try:
            out, err = process.communicate(msgspec.json.encode(question), timeout=timeout_s)
        except subprocess.TimeoutExpired:
            raise Crashed(f"it could not be opened and run within {timeout_s:.0f} s") from None
        finally:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
    if process.returncode == 0:
        return out
    try:
        broken = msgspec.json.decode(err.splitlines()[-1], type=Broken)
    except (IndexError, msgspec.DecodeError):
        how = (
            f"was ended by signal {-process.returncode}"
            if process.returncode < 0
            else f"ended with {process.returncode}"
        )
        said = err.decode(errors="replace").strip()[-_BUG_WORDS:].splitlines()
        raise Crashed(f"opening it {how}" + (f": {said[-1]}" if said else "")) from None
    if broken.code in _ERRORS:
        raise _ERRORS[broken.code](broken.error)
    raise Crashed(broken.error)


def environment_for(python: str, threads: int) -> dict[str, str]:
    """The environment of a child; another interpreter finds this edgefashion before any of its own."""
    found = isolation.worker_environment(threads)
    if python:
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (_alone(), found.get("PYTHONPATH"))))
    return found


@cache
def _alone() -> str:
    """A folder with this edgefashion and nothing else: what lies beside it here must not hide what is there."""
    folder = tempfile.mkdtemp(prefix="edgefashion-alone-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (Path(folder) / "edgefashion").symlink_to(Path(edgefashion.__file__).resolve().parent)
    return folder


def answer(work: Callable[[bytes], bytes]) -> None:
    """Let `work` turn the question on stdin into what goes to stdout; an error is the last line on stderr."""
    isolation.die_with_parent()
    question = sys.stdin.buffer.read()
    # Libraries that print must not write into the answer.
    reply = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        said = work(question)
    except EdgefashionError as error:
        broken = Broken(error=str(error), code=error.exit_code)
    except MemoryError:
        broken = Broken(error="it asked for more memory than the machine has free")
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        broken = Broken(error=f"{type(error).__name__}: {error}", code=ExitCode.BUG)
    else:
        reply.write(said)
        reply.flush()
        # Some runtimes crash while the interpreter takes them down: the answer is complete.
        os._exit(0)
    sys.stderr.write(f"\n{msgspec.json.encode(broken).decode()}\n")
    sys.stderr.flush()
    os._exit(broken.code)
