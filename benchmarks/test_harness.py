"""What the harness adds to what it measures: the cost of its loop, and its bias. Run by `nox -s bench`."""

import ctypes
import gc
import time
from collections.abc import Callable, Iterator
from itertools import repeat
from pathlib import Path
from statistics import median

import numpy as np
import pytest

from edgefashion.bench.process.sampling import time_block
from edgefashion.bench.profiling.native import build
from edgefashion.errors import NotAvailable

SOURCE = Path(__file__).parent / "clock_loop.c"
ROUNDS = 300
CALLS = 50  # a round


@pytest.fixture(autouse=True)
def _collector_off() -> Iterator[None]:
    """A block collects garbage before it begins, and what the test's own tools left behind is not its cost."""
    gc.disable()
    yield
    gc.enable()


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.PyDLL:
    """The work and the loop in C; called without letting go of Python's lock, as nothing else runs."""
    target = tmp_path_factory.mktemp("clock") / "clock_loop.so"
    try:
        loaded = ctypes.PyDLL(str(build(str(SOURCE), target, "-shared", "-fPIC")))
    except NotAvailable as reason:
        pytest.skip(str(reason))
    for name in ("work", "nothing", "time_calls"):
        getattr(loaded, name).restype = None
    return loaded


def empty() -> None:
    pass


def in_our_loop() -> float:
    """Nanoseconds a call that does nothing takes in a block, everything between two calls included."""
    start = time.perf_counter_ns()
    time_block([empty] * 16, seconds=0, at_least=CALLS * 10)
    return (time.perf_counter_ns() - start) / (CALLS * 10)


def in_a_bare_loop() -> float:
    """Nanoseconds the same call takes in a loop that does nothing else."""
    calls = repeat(empty, CALLS * 10)
    start = time.perf_counter_ns()
    for call in calls:
        call()
    return (time.perf_counter_ns() - start) / (CALLS * 10)


def test_timing_loop_overhead(benchmark) -> None:
    """Beside each call, the loop that times it costs less than a microsecond more than one that does not."""
    benchmark.pedantic(time_block, args=([empty] * 16,), kwargs={"seconds": 0.005}, rounds=20)
    # The least of many: whatever else runs on the machine only adds.
    ours_ns, bare_ns = (min(loop() for _ in range(ROUNDS)) for loop in (in_our_loop, in_a_bare_loop))
    benchmark.extra_info |= {"loop_ns_per_call": ours_ns, "bare_loop_ns_per_call": bare_ns}
    assert ours_ns - bare_ns < 1000


def in_python_ns(call: Callable[[], object]) -> list[int]:
    return time_block([call], seconds=0, at_least=CALLS)


def in_c_ns(library: ctypes.PyDLL, call: Callable[[], object]) -> list[int]:
    samples = np.zeros(CALLS, np.int64)
    library.time_calls(call, samples.ctypes.data_as(ctypes.c_void_p), CALLS)
    return samples.tolist()


def bias_ns(library: ctypes.PyDLL, call: Callable[[], object]) -> float:
    """By what a block's median exceeds that of the loop in C, round by round: the median of all rounds."""
    return median(median(in_python_ns(call)) - median(in_c_ns(library, call)) for _ in range(ROUNDS))


def test_bias_against_a_loop_in_c(benchmark, library: ctypes.PyDLL) -> None:
    """Twenty microseconds of work measure the same as in C, to half a microsecond, the call from Python included."""
    benchmark.pedantic(in_python_ns, args=(library.work,), rounds=20)
    whole_ns, of_the_call_ns = bias_ns(library, library.work), bias_ns(library, library.nothing)
    benchmark.extra_info |= {"bias_ns": whole_ns, "of_the_call_alone_ns": of_the_call_ns}
    assert abs(whole_ns) < 500
    # What is left when the call of a C function from Python, which nobody can avoid, is taken away.
    assert abs(whole_ns - of_the_call_ns) < 500
