"""The parent's side of a worker: start it, talk to it, never wait for ever, always end it."""

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import msgspec

from edgefashion.bench.process.child import environment_for
from edgefashion.bench.process.isolation import pinned
from edgefashion.bench.process.worker import Block, Broken, Job, Ready
from edgefashion.errors import ExitCode

REPLY_TIMEOUT_S = 120.0
_SLOW_CALLS = 60  # more than settling and a block take
_STDERR_TAIL = 400
# The clock is read before anything of ours is imported: what comes before that line is the interpreter's start.
_BOOT = (
    "import time; entered_ns = time.monotonic_ns(); from edgefashion.bench.process.worker import main; main(entered_ns)"
)

# Where the system has no such signals, idle workers keep running.
_STOP: int | None = getattr(signal, "SIGSTOP", None)
_CONTINUE: int | None = getattr(signal, "SIGCONT", None)

Reply = TypeVar("Reply")


class WorkerFailed(Exception):  # noqa: N818 - reads as the sentence it stands for
    """A worker crashed, hung, or answered wrongly; the message says which.

    Attributes:
        code: The exit code that its own error asks for; that of a failed check where it gave none.
    """

    def __init__(self, message: str, *, code: int = ExitCode.CHECK_FAILED) -> None:
        super().__init__(message)
        self.code = code


class Launched(Protocol):
    """What the schedule needs of a worker; leaving the context ends it."""

    @property
    def ready(self) -> Ready:
        """What it found out while it became ready."""

    @property
    def cpus(self) -> list[int]:
        """The processors it may use."""

    def block(self) -> Block:
        """One more block.

        Raises:
            WorkerFailed: It crashed or hung.
        """

    def __enter__(self) -> Self:
        """The worker itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""


class Worker:
    """A running worker process, stopped while it is not asked for anything."""

    def __init__(self, job: Job, errors: Path, *, timeout_s: float = REPLY_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._errors_path = errors
        self._errors = errors.open("w")
        self.cpus = job.cpus
        with pinned(job.cpus):
            spawned_ns = time.monotonic_ns()
            self._process = subprocess.Popen(
                # -P: a random.py in the working folder is not the library's.
                [job.python or sys.executable, "-P", "-c", _BOOT],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=environment_for(job.python, job.session.threads),
                # Ctrl-C in the terminal is the parent's to handle.
                start_new_session=True,
            )
        try:
            self._send(msgspec.json.encode(msgspec.structs.replace(job, spawned_ns=spawned_ns)))
            self.ready = _decode(self._receive(), Ready)
            # A slow model is not a hung one.
            self._timeout_s += _SLOW_CALLS * self.ready.cold.second_run_s + _SLOW_CALLS * (job.paced_s or 0.0)
            self._signal(_STOP)
        except BaseException:
            self.close()
            raise

    def block(self) -> Block:
        """One more block.

        Raises:
            WorkerFailed: It crashed or hung.
        """
        self._signal(_CONTINUE)
        self._send(b"block")
        reply = _decode(self._receive(), Block)
        self._signal(_STOP)
        return reply

    def close(self) -> None:
        """End the process: it has nothing to save, and a stopped one would not hear anything gentler."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not flushed is for nobody
                    pipe.close()
        self._errors.close()

    def __enter__(self) -> Self:
        """The worker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        self.close()

    def _signal(self, number: int | None) -> None:
        """Signal the worker and its children. Who is idle is stopped: a pool that spins burns its neighbour's time."""
        if number is not None and self._process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def _send(self, line: bytes) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was opened as a pipe
        try:
            stdin.write(line + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise WorkerFailed(self._last_words()) from None

    def _receive(self) -> bytes:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was opened as a pipe
        parts: list[bytes] = []
        deadline = time.monotonic() + self._timeout_s
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not parts or not parts[-1].endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    self._process.kill()
                    raise WorkerFailed(f"it did not answer within {self._timeout_s:.0f} s and was ended")
                part = stdout.read1()  # type: ignore[attr-defined]  # a buffered pipe has it
                if not part:
                    raise WorkerFailed(self._last_words())
                parts.append(part)
        return b"".join(parts)

    def _last_words(self) -> str:
        try:
            code = self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:  # it closed its end and lives on
            self._process.kill()
            code = self._process.wait()
        self._errors.flush()
        said = self._errors_path.read_text(errors="replace").strip()[-_STDERR_TAIL:]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"the worker {how}" + (f": {said.splitlines()[-1]}" if said else "")


def _decode(reply: bytes, kind: type[Reply]) -> Reply:
    try:
        return msgspec.json.decode(reply, type=kind)
    except msgspec.DecodeError:
        pass
    try:
        broken = msgspec.json.decode(reply, type=Broken)
    except msgspec.DecodeError:
        raise WorkerFailed("it answered with something that is no reply") from None
    raise WorkerFailed(broken.error, code=broken.code)
