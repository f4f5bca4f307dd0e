"""One launch, seen from its parent: a worker is started, kept still, and always ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import psutil
import pytest
from workers import LINUX, started, why_it_fails

from edgefashion.bench.process import launch
from edgefashion.bench.process.launch import WorkerFailed
from edgefashion.bench.process.worker import Job

# A worker's own first lines, and then what a test makes of them.
BOOT = "import time; entered_ns = time.monotonic_ns()\nimport edgefashion.bench.process.worker as w\n"


def booted(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let workers run `script` before their main function."""
    monkeypatch.setattr(launch, "_BOOT", f"{BOOT}{script}\nw.main(entered_ns)")


def state_of(process: int) -> str:
    """The third field of /proc/PID/stat (man 5 proc), behind the name in brackets."""
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def becomes(expected: str, process: int) -> bool:
    """Whether a process comes into that state; a signal takes effect when the kernel gets to it."""
    return soon(lambda: state_of(process) == expected)


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether something becomes true within a time that is long for it."""
    end_s = time.monotonic() + 20
    while not is_so():
        if time.monotonic() > end_s:
            return False
        time.sleep(0.005)
    return True


# Keeping still


@LINUX
def test_an_idle_worker_is_stopped(job: Job) -> None:
    """Before its first block and after each: a pool that spins would burn its neighbour's time."""
    with started(job) as running:
        assert becomes("T", running._process.pid)
        running.block()
        assert becomes("T", running._process.pid)


@LINUX
def test_leaving_ends_a_stopped_worker(job: Job) -> None:
    """No process is left behind, whether all went well or not."""
    with started(job) as running:
        pass
    assert running._process.returncode == -signal.SIGKILL
    with pytest.raises(ValueError, match="oops"), started(job) as running:
        raise ValueError("oops")
    assert running._process.returncode == -signal.SIGKILL


@LINUX
def test_a_stopped_worker_dies_with_its_parent(job: Job, tmp_path: Path) -> None:
    """It would never read that its input ended; the kernel ends it."""
    (tmp_path / "job.json").write_bytes(msgspec.json.encode(job))
    script = (
        "import sys, time, msgspec\n"
        "from pathlib import Path\n"
        "from edgefashion.bench.process.launch import Worker\n"
        "from edgefashion.bench.process.worker import Job\n"
        "job = msgspec.json.decode(Path(sys.argv[1]).read_bytes(), type=Job)\n"
        "worker = Worker(job, Path(sys.argv[1]).with_name('errors'))\n"
        "print(worker._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path / "job.json")], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    assert becomes("T", orphan)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    assert soon(lambda: not psutil.pid_exists(orphan) or state_of(orphan) == "Z")


def test_a_worker_ends_when_its_input_does(job: Job) -> None:
    """Where it runs, it reads that nobody will ask for more, and goes."""
    with started(job) as running:
        os.kill(running._process.pid, signal.SIGCONT)
        running._process.stdin.close()
        assert running._process.wait(timeout=20) == 0


# What goes wrong


def test_a_worker_that_crashes_is_reported_with_its_signal(job: Job) -> None:
    """Killed between two blocks, it becomes a failure that says so."""
    with started(job) as running:
        os.kill(running._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="ended by signal 9"):
            running.block()


def test_a_worker_that_fails_in_a_block_says_why(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between two blocks is its reason, not a bug of the parent's."""
    booted(monkeypatch, "def broken(*_): raise ValueError('out of luck')\nw._block = broken")
    with started(job) as running, pytest.raises(WorkerFailed, match="ValueError: out of luck"):
        running.block()


def test_a_worker_that_hangs_is_ended(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The parent waits only so long, and leaves no process behind."""
    booted(monkeypatch, "def hang(*_): time.sleep(600)\nw._block = hang")
    with started(job) as running:
        running._timeout_s = 0.3
        with pytest.raises(WorkerFailed, match="did not answer within 0 s and was ended"):
            running.block()
        assert running._process.wait(timeout=20) == -signal.SIGKILL


def test_a_worker_that_cannot_start_says_why(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of its stderr becomes the reason."""
    monkeypatch.setattr(
        launch, "_BOOT", "import sys; print('first\\nno interpreter here', file=sys.stderr); sys.exit(3)"
    )
    assert why_it_fails(job) == "the worker ended with exit code 3: no interpreter here"


def test_a_reply_that_is_none_is_a_failure(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that answers, it is no worker."""
    monkeypatch.setattr(launch, "_BOOT", "input(); print('hello'); input()")
    assert why_it_fails(job) == "it answered with something that is no reply"


def test_the_protocol_survives_a_library_that_prints(job: Job, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What a library writes on stdout, from Python or from C, goes to stderr and not between the replies."""
    booted(
        monkeypatch,
        "import os\nold = w.prepare\n"
        "def loud(*a):\n    print('hello from a library')\n    os.write(1, b'hello from C')\n    return old(*a)\n"
        "w.prepare = loud",
    )
    with started(job) as running:
        assert len(running.block().samples_ns) >= 20
        os.kill(running._process.pid, signal.SIGCONT)
        running._process.stdin.close()
        running._process.wait(timeout=20)
    said = (tmp_path / "errors").read_text()
    assert "hello from a library" in said
    assert "hello from C" in said


def test_memory_that_runs_out_in_python_says_so(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its exception has no words of its own."""
    booted(monkeypatch, "def prepare(*_): raise MemoryError\nw.prepare = prepare")
    assert why_it_fails(job) == "it asked for more memory than the machine has free"
