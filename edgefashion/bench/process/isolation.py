"""Keeping a worker on its own cores and within its memory, and proving that it stays there."""

import ctypes
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgefashion.errors import CheckFailed

_TASKS = Path("/proc/self/task")
_STATUS = Path("/proc/self/status")
_CLEAR_REFS = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"  # proc(5), /proc/pid/clear_refs
_PR_SET_PDEATHSIG = 1  # prctl(2)

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


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies: a stopped worker would never read that its input ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def limit_memory(limit_bytes: int) -> None:
    """Refuse this process more address space than `limit_bytes`: a greedy model fails instead of the machine."""
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    limit = limit_bytes if hard == resource.RLIM_INFINITY else min(limit_bytes, hard)
    resource.setrlimit(resource.RLIMIT_AS, (limit, hard))


def count_threads_inside(cpus: list[int]) -> int:
    """The number of this process's threads, all of which may run on `cpus` only; 0 where /proc is absent.

    Raises:
        CheckFailed: A thread may run elsewhere: its work would disturb another cell, or escape its own limits.
    """
    if not _TASKS.is_dir():
        return 0
    allowed, count = set(cpus), 0
    for task in _TASKS.iterdir():
        try:
            outside = os.sched_getaffinity(int(task.name)) - allowed
        except ProcessLookupError:  # it has ended since it was listed
            continue
        if outside:
            raise CheckFailed(f"a thread of the worker may run on cores {sorted(outside)} outside {sorted(allowed)}")
        count += 1
    return count


def involuntary_switches() -> int:
    """How often the system took a processor from this process while it wanted to run; 0 where it does not tell."""
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def resident_bytes() -> int:
    """Resident memory of this process now."""
    import psutil

    return int(psutil.Process().memory_info().rss)


def reset_peak() -> bool:
    """Begin a new phase of `peak_resident_bytes`; False where the kernel does not let it."""
    try:
        _CLEAR_REFS.write_text(_RESET_PEAK)
    except OSError:
        return False
    return True


def peak_resident_bytes() -> int:
    """Largest resident memory of this process since `reset_peak`; the current one where the kernel does not tell.

    VmHWM and not ru_maxrss, which a child inherits from a larger parent.
    """
    if _STATUS.is_file():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resident_bytes()
