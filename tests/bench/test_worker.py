"""One launch, inside and seen from its parent."""

import os
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from edgefashion.artifact import Artifact
from edgefashion.bench import isolation, launch
from edgefashion.bench.launch import Worker, WorkerFailed
from edgefashion.bench.worker import Job, time_block, warm_up
from edgefashion.environment import usable_cpus
from edgefashion.errors import CheckFailed
from edgefashion.runtimes import default_spec, open_session


@pytest.fixture
def job(fp32: Artifact, sample, tmp_path: Path) -> Job:
    """A sound job for the tiny float32 model."""
    inputs = sample.test.pixels[:16].reshape(16, 1, 28, 28)
    with open_session(fp32, default_spec(fp32)) as session:
        outputs = np.stack([session.run(batch) for batch in inputs])
    np.save(tmp_path / "inputs.npy", inputs)
    np.save(tmp_path / "outputs.npy", outputs)
    return Job(
        artifact=str(fp32.path),
        sha256=fp32.sha256,
        session=default_spec(fp32),
        cpus=usable_cpus()[-1:],
        inputs=str(tmp_path / "inputs.npy"),
        outputs=str(tmp_path / "outputs.npy"),
        block_s=0.005,
    )


def test_a_worker_times_blocks_on_its_own_core(job: Job, tmp_path: Path) -> None:
    """It is ready, has threads, and answers each command with at least twenty calls."""
    with Worker(job, tmp_path / "errors") as worker:
        assert worker.ready.threads_seen >= 1
        assert worker.ready.session_s > 0
        block = worker.block()
        assert len(block) >= 20
        assert min(block) > 0


def test_a_worker_that_answers_wrongly_is_not_timed(job: Job, tmp_path: Path) -> None:
    """Outputs that differ from those expected end the launch before a sample is taken."""
    expected = np.load(job.outputs)
    expected[3, 0, 0] += 1
    np.save(job.outputs, expected)
    with pytest.raises(WorkerFailed, match="answers wrongly"):
        Worker(job, tmp_path / "errors")


def test_a_worker_that_crashes_is_reported_with_its_signal(job: Job, tmp_path: Path) -> None:
    """Killed between two blocks, it becomes a failure that says so."""
    with Worker(job, tmp_path / "errors") as worker:
        os.kill(worker._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailed, match="ended by signal 9"):
            worker.block()


def test_a_worker_that_fails_in_a_block_says_why(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error between two blocks is its reason, not a bug of the parent's."""
    wrapper = tmp_path / "python"
    script = "import edgefashion.bench.worker as w\n"
    script += "def broken(*_): raise ValueError('out of luck')\n"
    script += "def late(job, old=w.prepare):\n    found = old(job)\n    w.time_block = broken\n    return found\n"
    wrapper.write_text(f"#!{sys.executable}\n{script}w.prepare = late\nw.main()\n")
    wrapper.chmod(0o755)
    monkeypatch.setattr(launch.sys, "executable", str(wrapper))
    with Worker(job, tmp_path / "errors") as worker, pytest.raises(WorkerFailed, match="ValueError: out of luck"):
        worker.block()


def test_a_worker_that_hangs_is_ended(job: Job, tmp_path: Path) -> None:
    """Stopped, it does not answer; the parent waits only so long and leaves no process behind."""
    worker = Worker(job, tmp_path / "errors")
    worker._timeout_s = 0.3
    os.kill(worker._process.pid, signal.SIGSTOP)
    with pytest.raises(WorkerFailed, match="did not answer"):
        worker.block()
    worker.close()
    assert worker._process.poll() is not None


def test_a_worker_that_cannot_start_says_why(job: Job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last line of its stderr becomes the reason."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no interpreter here >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(launch.sys, "executable", str(broken))
    with pytest.raises(WorkerFailed, match="exit code 3: no interpreter here"):
        Worker(job, tmp_path / "errors")


def test_a_worker_ends_when_its_parent_does(job: Job, tmp_path: Path) -> None:
    """Its input closes, and it goes."""
    worker = Worker(job, tmp_path / "errors")
    worker._process.stdin.close()
    assert worker._process.wait(timeout=10) == 0
    worker.close()


def test_a_model_that_changed_is_refused(job: Job, tmp_path: Path) -> None:
    """The digest of the plan is the digest that is measured."""
    import msgspec

    with pytest.raises(WorkerFailed, match="changed while it was measured"):
        Worker(msgspec.structs.replace(job, sha256="0" * 64), tmp_path / "errors")


def test_an_escaped_thread_trips_the_check() -> None:
    """A thread that may run outside the given cores is found; all inside, they are counted."""
    if not Path("/proc/self/task").is_dir() or len(usable_cpus()) < 2:
        pytest.skip("needs Linux and two cores")
    cpus = usable_cpus()
    assert isolation.count_threads_inside(cpus) >= 1
    with isolation.pinned(cpus[:1]):
        ready, stop = threading.Event(), threading.Event()

        def escape() -> None:
            os.sched_setaffinity(0, cpus[1:])
            ready.set()
            stop.wait()

        thread = threading.Thread(target=escape)
        thread.start()
        ready.wait()
        try:
            with pytest.raises(CheckFailed, match="outside"):
                isolation.count_threads_inside(cpus[:1])
        finally:
            stop.set()
            thread.join()


def test_pinning_is_undone() -> None:
    """Starting a pinned child leaves the parent where it was."""
    before = usable_cpus()
    with isolation.pinned(before[:1]):
        assert before[:1] == usable_cpus()
    assert before == usable_cpus()


def test_a_block_measures_what_is_called() -> None:
    """A call that sleeps two milliseconds takes two milliseconds, at least twenty times."""
    samples = time_block([lambda: time.sleep(0.002)], 0.01)
    assert len(samples) >= 20
    assert 2_000_000 <= np.median(samples) < 4_000_000


def test_a_block_rotates_through_its_inputs() -> None:
    """Every call has its turn."""
    seen: list[int] = []
    time_block([lambda index=index: seen.append(index) for index in range(4)], 0.0)
    assert seen[:6] == [0, 1, 2, 3, 0, 1]


def test_warming_up_ends_when_the_pace_is_steady() -> None:
    """A steady call is steady; one that becomes slower all the time never is."""
    steady, calls = warm_up([lambda: time.sleep(0.001)])
    assert steady
    assert calls >= 40
    pause = 0.001

    def slower() -> None:
        nonlocal pause
        pause *= 1.02
        time.sleep(pause)

    assert not warm_up([slower])[0]


def test_the_protocol_survives_a_library_that_prints(job: Job, tmp_path: Path) -> None:
    """What a library writes on stdout goes to stderr, not between the replies."""
    script = "import edgefashion.bench.worker as w, os\nold = w.prepare\n"
    script += "def loud(job):\n    print('hello from a library'); return old(job)\nw.prepare = loud\nw.main()\n"
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!{sys.executable}\n{script}")
    wrapper.chmod(0o755)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(launch.sys, "executable", str(wrapper))
        with Worker(job, tmp_path / "errors") as worker:
            assert len(worker.block()) >= 20
    assert "hello from a library" in (tmp_path / "errors").read_text()
