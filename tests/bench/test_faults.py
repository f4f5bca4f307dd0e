"""Runtimes that misbehave, on real processes: each becomes a row with its reason, and the others are measured."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

import edgefashion
from edgefashion import bench
from edgefashion.bench import Request, suite
from edgefashion.bench.plan import NULL_MODEL
from edgefashion.bench.process import launch
from edgefashion.bench.process.launch import Worker, WorkerFailed
from edgefashion.bench.process.worker import Job
from edgefashion.environment import usable_cpus
from edgefashion.records import BenchReport, SessionSpec
from edgefashion.subjects import open_model

FAKES = Path(__file__).parent / "fakes"
FAULTY = ("fake-crash", "fake-escape", "fake-greed", "fake-hang", "fake-lie")
SOUND = ("fake-work", "fake-noise")
PATIENCE_S = 10.0

pytestmark = pytest.mark.skipif(
    len(usable_cpus()) < 2 or not Path("/proc/self/task").is_dir(), reason="needs Linux and two cores"
)


@pytest.fixture(scope="module", autouse=True)
def _plugged_in() -> Iterator[None]:
    """The fake runtimes are installed, here and in every process that is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FAKES))
        for folder in (Path(edgefashion.__file__).parents[1], FAKES):
            patch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def measured() -> BenchReport:
    """Every runtime that misbehaves beside those that do not, two generations."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suite, "_SHORTEST_TIMEOUT_S", PATIENCE_S)
        return bench.measure(
            Request(
                [open_model(NULL_MODEL)],
                runtimes=(*SOUND, *FAULTY),
                reference="null | fake-work cpu | 1 thread | batch 1",
                budget_s=1.0,
            )
        )


@pytest.fixture
def worker(tmp_path: Path) -> Callable[..., Worker]:
    """Start a worker of the runtime of that name."""

    def start(runtime: str, *, timeout_s: float = 60.0) -> Worker:
        job = Job(
            artifact=str(NULL_MODEL),
            sha256=open_model(NULL_MODEL).sha256,
            session=SessionSpec(runtime, "cpu"),
            naive=False,
            cpus=usable_cpus()[-1:],
            inputs=None,
            outputs=str(tmp_path / "outputs.npy"),
            batch=1,
            seed=0,
            block_s=0.005,
            paced_s=None,
            warmup_cap_s=0.1,
            memory_limit_bytes=None,
            spawned_ns=0,
        )
        return Worker(job, tmp_path / "errors", timeout_s=timeout_s)

    return start


@pytest.mark.parametrize(
    ("runtime", "reason"),
    [
        ("fake-crash", "the worker was ended by signal 6"),
        ("fake-escape", "a thread of the worker may run on cores"),
        ("fake-greed", "it asked for more memory than the machine has free"),
        ("fake-hang", "it did not answer within 10 s and was ended"),
        ("fake-lie", "it answers wrongly: outputs are off by"),
    ],
)
def test_a_runtime_that_misbehaves_is_a_row_with_its_reason(measured: BenchReport, runtime: str, reason: str) -> None:
    """One failure each, that names the cell and says what it did."""
    (failure,) = (each for each in measured.failures if measured.plan.cell(each.cell).session.runtime == runtime)
    assert failure.reason.startswith(reason)


def test_beside_runtimes_that_misbehave_the_others_are_measured(measured: BenchReport) -> None:
    """Both sound runtimes and the copy of the reference have two launches of six blocks, and a ratio."""
    assert len(FAULTY) == len(measured.failures)
    sound = [cell.label for cell in measured.plan.cells if cell.session.runtime in SOUND]
    assert len(sound) == 3
    launches = [launch for launch in measured.launches if launch.cell in sound]
    assert sorted(2 * sound) == sorted(each.cell for each in launches)
    assert all(len(each.blocks_ns) == 6 for each in launches)
    ratios = {each.cell: each.comparison for each in measured.results}
    assert all(ratios[label] is not None for label in sound if label != measured.plan.reference)


def test_prints_in_a_timed_call_do_not_become_samples(measured: BenchReport) -> None:
    """What looks like a reply and is none goes elsewhere: no sample of one nanosecond."""
    (noisy,) = (cell.label for cell in measured.plan.cells if cell.session.runtime == "fake-noise")
    blocks = [block for launch in measured.launches if launch.cell == noisy for block in launch.blocks_ns]
    assert min(min(block) for block in blocks) > 1000
    assert all(len(block) >= 20 for block in blocks)


def test_a_runtime_that_lies_is_caught_in_its_second_launch(measured: BenchReport) -> None:
    """Nothing is known of a foreign model, so its first answers are the measure of those that follow."""
    (liar,) = (cell.label for cell in measured.plan.cells if cell.session.runtime == "fake-lie")
    assert [each.generation for each in measured.launches if each.cell == liar] == [0]


def test_a_worker_that_hangs_leaves_no_process(worker: Callable[..., Worker]) -> None:
    """Given up while it becomes ready, it is gone when the failure is raised."""
    before = set(psutil.Process().children())
    with pytest.raises(WorkerFailed, match="did not answer"):
        worker("fake-hang", timeout_s=0.5)
    assert set(psutil.Process().children()) <= before


def cpu_s(process: int) -> float:
    times = psutil.Process(process).cpu_times()
    return times.user + times.system


def burned_s(worker: Worker) -> float:
    """Processor time that an idle worker takes in three tenths of a second after a block."""
    worker.block()
    time.sleep(0.1)  # a signal takes effect when the kernel gets to it
    before_s = cpu_s(worker._process.pid)
    time.sleep(0.3)
    return cpu_s(worker._process.pid) - before_s


def test_a_pool_that_spins_burns_nothing_while_its_worker_is_idle(worker: Callable[..., Worker], monkeypatch) -> None:
    """Stopped, it takes no tick of the processor; not stopped, it takes all that it can get."""
    with worker("fake-burn") as stopped:
        assert burned_s(stopped) == 0
    monkeypatch.setattr(launch, "_STOP", None)
    with worker("fake-burn") as burning:
        assert burned_s(burning) > 0


def test_a_crash_is_told_from_an_end(worker: Callable[..., Worker]) -> None:
    """The reason names the signal that ended it, whichever it was."""
    with worker("fake-work") as working:
        os.kill(working._process.pid, signal.SIGTERM)
        with pytest.raises(WorkerFailed, match="ended by signal 15"):
            working.block()
