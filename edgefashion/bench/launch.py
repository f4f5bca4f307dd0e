"""The parent's side of a worker: start it, talk to it, never wait for ever, always end it."""

import contextlib
import selectors
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from edgefashion.bench.isolation import pinned, worker_environment
from edgefashion.bench.worker import Broken, Job, Ready

_REPLY_TIMEOUT_S = 120.0
_STDERR_TAIL = 400

Reply = TypeVar("Reply")


class WorkerFailed(Exception):  # noqa: N818 - reads as the sentence it stands for
    """A worker crashed, hung, or answered wrongly; the message says which."""


class Worker:
    """A running worker process; leaving the context ends it."""

    def __init__(self, job: Job, errors: Path, *, timeout_s: float = _REPLY_TIMEOUT_S) -> None:
        self._timeout_s = timeout_s
        self._errors_path = errors
        self._errors = errors.open("w")
        self.cpus = job.cpus
        with pinned(job.cpus):
            self._process = subprocess.Popen(
                [sys.executable, "-m", "edgefashion.bench.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=worker_environment(job.session.threads),
                # Ctrl-C in the terminal is the parent's to handle.
                start_new_session=True,
            )
        try:
            self._send(msgspec.json.encode(job))
            self.ready = self._ready()
        except BaseException:
            self.close()
            raise

    def block(self) -> list[int]:
        """Nanoseconds of each call of one more block.

        Raises:
            WorkerFailed: It crashed or hung.
        """
        self._send(b"block")
        return _decode(self._receive(), list[int])

    def close(self) -> None:
        """End the process, by force if it does not end by itself."""
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):  # it may be gone already
                self._process.stdin.close()
        try:
            self._process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()

    def __enter__(self) -> Self:
        """The worker itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the process."""
        if kind is not None:
            self._process.kill()
        self.close()

    def _ready(self) -> Ready:
        return _decode(self._receive(), Ready)

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
        reason = msgspec.json.decode(reply, type=Broken).error
    except msgspec.DecodeError:
        reason = "it answered with something that is no reply"
    raise WorkerFailed(reason)
