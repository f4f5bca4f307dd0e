"""The parent's side of a launch: start the process, talk to it, never wait for ever, always end it."""

import contextlib
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from edgefashion.bench.process.isolation import pinned, worker_environment
from edgefashion.errors import CheckFailed

_PATIENCE_S = 120.0
_SLOW_CALLS = 60  # more than settling and a block take
_STDERR_TAIL = 400
# The clock is read before anything of ours is imported: what comes before that line is the interpreter's start.
_BOOT = (
    "import sys, time; entered_ns = time.monotonic_ns(); sys.path.insert(0, sys.argv[1]); "
    "from edgefashion.kit.runner.worker import main; main(entered_ns)"
)


class Launch:
    """A running worker, stopped while it is not asked for anything.

    Attributes:
        ready: What it found out while it became ready.
    """

    def __init__(self, job: dict[str, Any], errors: Path) -> None:
        self._errors_path, self._errors = errors, errors.open("w")
        self._patience_s = _PATIENCE_S
        with pinned(job["cpus"]):
            spawned_ns = time.monotonic_ns()
            self._process = subprocess.Popen(
                # -P: a random.py in the working folder is not the library's. -B: as in __main__.
                [sys.executable, "-B", "-P", "-c", _BOOT, job["folder"]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env=worker_environment(len(job["cpus"])),
                # Ctrl-C in the terminal is the parent's to handle.
                start_new_session=True,
            )
        try:
            self._send({**job, "spawned_ns": spawned_ns})
            self.ready = self._receive()
            self._patience_s += _SLOW_CALLS * self.ready["cold"]["second_run_s"]
            self._signal(signal.SIGSTOP)
        except BaseException:
            self.close()
            raise

    def block(self) -> dict[str, Any]:
        """One more block.

        Raises:
            CheckFailed: The worker crashed or hung.
        """
        self._signal(signal.SIGCONT)
        self._send({})
        block = self._receive()
        self._signal(signal.SIGSTOP)
        return block

    def close(self) -> None:
        """End the process: it has nothing to save, and a stopped one would not hear anything gentler."""
        self._signal(signal.SIGKILL)
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

    def _signal(self, number: int) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def _send(self, content: dict[str, Any]) -> None:
        stdin = self._process.stdin
        assert stdin is not None  # noqa: S101 - it was opened as a pipe
        try:
            stdin.write(json.dumps(content).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError:
            raise CheckFailed(self._last_words()) from None

    def _receive(self) -> dict[str, Any]:
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it was opened as a pipe
        line = b""
        deadline = time.monotonic() + self._patience_s
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                if not selector.select(max(0.0, deadline - time.monotonic())):
                    raise CheckFailed(f"a launch did not answer within {self._patience_s:.0f} s and was ended")
                part = os.read(stdout.fileno(), 1 << 16)
                if not part:
                    raise CheckFailed(self._last_words())
                line += part
        reply: dict[str, Any] = json.loads(line)
        if "error" in reply:
            raise CheckFailed(f"a launch ended: {reply['error']}")
        return reply

    def _last_words(self) -> str:
        self._signal(signal.SIGKILL)
        code = self._process.wait()
        said = self._errors_path.read_text(errors="replace").strip()[-_STDERR_TAIL:]
        how = f"was ended by signal {-code}" if code < 0 else f"ended with exit code {code}"
        return f"a launch {how}" + (f": {said.splitlines()[-1]}" if said else "")
