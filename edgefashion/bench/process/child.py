"""A process that answers one question: what may crash, hang or ask for too much memory does it there, not here."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

import edgefashion
from edgefashion.bench.process import isolation
from edgefashion.bench.process.worker import Broken
from edgefashion.errors import BadInput, CheckFailed, EdgefashionError, ExitCode, NotAvailable, UsageError

_ERRORS = {int(error.exit_code): error for error in (BadInput, CheckFailed, NotAvailable, UsageError)}
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
    with isolation.pinned(cpus):
        try:
            done = subprocess.run(
                [python or sys.executable, "-P", "-c", f"from edgefashion.bench.process.{module} import main; main()"],
                input=msgspec.json.encode(question),
                capture_output=True,
                timeout=timeout_s,
                check=False,
                env=environment_for(python, threads),
            )
        except subprocess.TimeoutExpired:
            raise Crashed(f"it could not be opened and run within {timeout_s:.0f} s") from None
        except OSError as error:
            raise UsageError(f"{python} cannot be started: {error.strerror or error}") from None
    if done.returncode == 0:
        return done.stdout
    try:
        broken = msgspec.json.decode(done.stderr.splitlines()[-1], type=Broken)
    except (IndexError, msgspec.DecodeError):
        how = f"was ended by signal {-done.returncode}" if done.returncode < 0 else f"ended with {done.returncode}"
        said = done.stderr.decode(errors="replace").strip()[-_BUG_WORDS:].splitlines()
        raise Crashed(f"opening it {how}" + (f": {said[-1]}" if said else "")) from None
    if broken.code in _ERRORS:
        raise _ERRORS[broken.code](broken.error)
    raise Crashed(broken.error)


def environment_for(python: str, threads: int) -> dict[str, str]:
    """The environment of a child; another interpreter finds this edgefashion before any of its own."""
    found = isolation.worker_environment(threads)
    if python:
        here = str(Path(edgefashion.__file__).parent.parent)
        found["PYTHONPATH"] = os.pathsep.join(filter(None, (here, found.get("PYTHONPATH"))))
    return found


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
