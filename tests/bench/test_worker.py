"""One launch, seen from inside: what a worker finds out, checks, and times."""

import contextlib
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import msgspec
import numpy as np
import psutil
import pytest
from workers import LINUX, started, why_it_fails

from edgefashion.bench.plan import NULL_MODEL
from edgefashion.bench.process import isolation, launch, worker
from edgefashion.bench.process.worker import Job
from edgefashion.environment import usable_cpus
from edgefashion.errors import CheckFailed
from edgefashion.records import Memory

TWO_CORES = pytest.mark.skipif(
    len(usable_cpus()) < 2 or not Path("/proc/self/task").is_dir(), reason="needs Linux and two cores"
)

replace = msgspec.structs.replace


# What a worker says


def test_a_worker_times_blocks_on_its_own_core(job: Job) -> None:
    """It is ready, has threads, and answers each command with at least twenty calls."""
    with started(job) as running:
        assert running.ready.threads_seen >= 1
        assert job.cpus == running.cpus
        for _ in range(2):
            block = running.block()
            assert len(block.samples_ns) >= 20
            assert min(block.samples_ns) > 0
            assert block.switches >= 0


def test_the_parts_of_a_cold_start_follow_one_another(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each part takes time, and together no more than passed here; an interpreter that starts slowly is no import."""
    monkeypatch.setattr(launch, "_BOOT", f"import time; time.sleep(0.5)\n{launch._BOOT}")
    before_s = time.monotonic()
    with started(replace(job, warmup_cap_s=0.0)) as running:
        cold = running.ready.cold
        passed_s = time.monotonic() - before_s
    parts_s = (cold.spawn_s, cold.import_s, cold.session_s, cold.first_run_s, cold.second_run_s)
    assert min(parts_s) > 0
    assert cold.spawn_s > 0.5
    assert cold.import_s > cold.second_run_s
    assert sum(parts_s) < passed_s


@LINUX
def test_the_parts_of_memory_belong_to_their_phases(job: Job, foreign_job, onnx, tmp_path: Path) -> None:
    """Forty megabytes of weights are the model's, not the libraries'; a peak is never below what stays."""
    weights = np.random.default_rng(0).random((1000, 10_000), dtype=np.float32)
    helper, element = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "large",
        [helper.make_tensor_value_info("x", element, ["n", 1000])],
        [helper.make_tensor_value_info("y", element, ["n", 10_000])],
        [onnx.numpy_helper.from_array(weights, "w")],
    )
    path = tmp_path / "large.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    with started(job) as small, started(foreign_job(path)) as large:
        memory, known = large.ready.memory, small.ready.memory
    assert memory.model_bytes - known.model_bytes > 0.9 * weights.nbytes
    # The file itself is read before the session is made.
    assert abs(memory.imported_bytes - weights.nbytes - known.imported_bytes) < 0.5 * weights.nbytes
    _check_memory(memory)
    _check_memory(known)


def _check_memory(memory: Memory) -> None:
    assert memory.imported_bytes > 0
    # Counters of resident memory are exact to some dozens of pages a thread only.
    slack_bytes = 2**20
    assert memory.session_peak_bytes + slack_bytes >= memory.imported_bytes + memory.model_bytes
    if memory.phases_apart:
        assert memory.run_peak_bytes + slack_bytes >= memory.imported_bytes
    assert memory.session_peak_bytes < psutil.virtual_memory().total


def test_a_warm_up_tells_how_it_went(job: Job) -> None:
    """It says how many calls it took, keeps its curve, and where the nodes were put."""
    with started(job) as running:
        ready = running.ready
    assert ready.warmup_calls >= 20
    assert ready.warmup_calls >= len(ready.warmup_ns) > 0
    assert min(ready.warmup_ns) > 0
    assert set(ready.placement.nodes) == {"CPUExecutionProvider"}


def test_a_warm_up_without_time_is_not_steady(job: Job) -> None:
    """The cap ends it, and the launch says so."""
    with started(replace(job, warmup_cap_s=0.0)) as running:
        assert not running.ready.steady
        assert len(running.block().samples_ns) >= 20


def test_calls_too_short_for_the_clock_are_timed_in_groups(foreign_job) -> None:
    """A model that does nothing takes a few microseconds: a sample holds as many calls as make ten."""
    with started(foreign_job(NULL_MODEL)) as null:
        per_sample = null.ready.calls_per_sample
        assert per_sample > 1
        assert np.median(null.block().samples_ns) / per_sample < 10_000


# Ways to call


def test_a_naive_call_is_the_plain_one() -> None:
    """It goes through `run` with its own input each time; any other is bound once and calls nothing else."""
    seen: list[str] = []
    session = SimpleNamespace(
        run=lambda batch: seen.append(f"run {batch}"),
        bind=lambda batch: lambda: seen.append(f"bound {batch}"),
    )
    for naive, expected in ((True, ["run a", "run b"]), (False, ["bound a", "bound b"])):
        for call in worker._calls(session, ["a", "b"], naive=naive):
            call()
        assert expected == seen
        seen.clear()


def test_a_naive_worker_is_measured_like_any_other(job: Job) -> None:
    """Its outputs are checked, and its blocks are blocks."""
    with started(replace(job, naive=True)) as running:
        assert len(running.block().samples_ns) >= 20


def test_a_paced_worker_waits_between_its_calls(foreign_job) -> None:
    """Seven calls, each timed alone however short, in no less time than the six pauses between them."""
    with started(replace(foreign_job(NULL_MODEL), paced_s=0.01)) as running:
        assert running.ready.calls_per_sample == 1
        before_s = time.monotonic()
        block = running.block()
        assert time.monotonic() - before_s >= 0.06
    assert len(block.samples_ns) == 7


# Threads and memory


@TWO_CORES
def test_an_escaped_thread_trips_the_check() -> None:
    """A thread that may run outside the given cores is found; all inside, they are counted."""
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


@LINUX
def test_a_thread_that_has_just_ended_is_not_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between listing the threads and asking about one it may be gone; that is no error."""
    for number in (threading.get_native_id(), 2**30):
        (tmp_path / str(number)).touch()
    monkeypatch.setattr(isolation, "_TASKS", tmp_path)
    assert isolation.count_threads_inside(usable_cpus()) == 1


@TWO_CORES
def test_pinning_is_undone() -> None:
    """Starting a pinned child leaves the parent where it was, even if starting it fails."""
    before = usable_cpus()
    with contextlib.suppress(ZeroDivisionError), isolation.pinned(before[:1]):
        assert before[:1] == usable_cpus()
        _ = 1 // 0
    assert before == usable_cpus()


@TWO_CORES
def test_a_worker_s_threads_are_those_of_its_cell(job: Job) -> None:
    """A cell of two threads has two cores, and a larger pool than a cell of one; all of it was checked."""
    two = replace(job, session=replace(job.session, threads=2), cpus=usable_cpus()[-2:])
    with started(job) as one, started(two) as other:
        assert other.ready.threads_seen > one.ready.threads_seen >= 1


@LINUX
def test_a_greedy_model_fails_instead_of_the_machine(job: Job, foreign_job, onnx, tmp_path: Path) -> None:
    """Two gigabytes on the way to a single number are refused at as many of address space; a small model has room."""
    helper, element, size = onnx.helper, onnx.TensorProto.FLOAT, 2**29
    graph = helper.make_graph(
        [helper.make_node("Expand", ["x", "size"], ["large"]), helper.make_node("ReduceMax", ["large"], ["y"])],
        "greedy",
        [helper.make_tensor_value_info("x", element, ["n", 1])],
        [helper.make_tensor_value_info("y", element, [1, 1])],
        [onnx.numpy_helper.from_array(np.array([1, size], np.int64), "size")],
    )
    path = tmp_path / "greedy.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    limit_bytes = 4 * size
    assert "memory" in why_it_fails(replace(foreign_job(path), memory_limit_bytes=limit_bytes))
    with started(replace(job, memory_limit_bytes=limit_bytes)) as running:
        assert len(running.block().samples_ns) >= 20
