"""Keeping a worker on its own cores, and proving that it stays there."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgefashion.errors import CheckFailed

_TASKS = Path("/proc/self/task")

# Read by BLAS and OpenMP libraries when they are loaded.
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def worker_environment(threads: int) -> dict[str, str]:
    """Environment of a worker process: thread counts fixed, everything else as it is here."""
    return {**os.environ, **dict.fromkeys(_THREAD_VARIABLES, str(threads))}


@contextmanager
def pinned(cpus: list[int]) -> Iterator[None]:
    """Restrict the calling thread to `cpus` while a child is started; no effect off Linux.

    A child inherits the affinity of the thread that starts it, so it is pinned before its interpreter has
    imported anything that starts threads.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def count_threads_inside(cpus: list[int]) -> int:
    """The number of this process's threads, all of which may run on `cpus` only; 0 where /proc is absent.

    Raises:
        CheckFailed: A thread may run elsewhere: its work would disturb another cell, or escape its own limits.
    """
    if not _TASKS.is_dir():
        return 0
    allowed = set(cpus)
    tasks = [int(task.name) for task in _TASKS.iterdir()]
    for task in tasks:
        outside = os.sched_getaffinity(task) - allowed
        if outside:
            raise CheckFailed(f"a thread of the worker may run on cores {sorted(outside)} outside {sorted(allowed)}")
    return len(tasks)


def resident_bytes() -> int:
    """Resident memory of this process now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def peak_resident_bytes() -> int:
    """Largest resident memory of this process so far; the current one where the kernel does not tell.

    VmHWM and not ru_maxrss, which a child inherits from a larger parent.
    """
    status = Path("/proc/self/status")
    if status.is_file():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resident_bytes()
