"""The process that is profiled: opens a model twice, times it plainly, and profiles it operator by operator.

It is started by `edgefashion.bench.profiling.profile` and speaks JSON: one `Job` comes in on stdin, one `Measured` or
`Broken` goes out on stdout. Times come from onnxruntime's own profile, which has three flaws, each met here:

- Whole microseconds. The parent loads clock.c before it where it can; which unit came out is seen by holding the
  profile against a clock of our own. Within a unit the median is interpolated.
- Each kernel's time contains work of the profiler, a constant and some more for each input. A model of operators
  that do nothing is profiled too, and tells how much.
- The call as a whole becomes several times slower. It is timed in a session that is not profiled.

All three run in short rounds by turns, so that they see the same machine, and of each the quieter half of its rounds
counts: what else runs meanwhile leaves other data in the caches, and shifts medians.
"""

import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import msgspec

from edgefashion.artifact import Model
from edgefashion.bench.process import isolation
from edgefashion.bench.process.sampling import Calls, time_block, warm_up
from edgefashion.bench.process.worker import Broken
from edgefashion.bench.profiling.events import kernels, of_rounds, probe_times, read_calls, unit_of
from edgefashion.bench.profiling.operators import Kernel
from edgefashion.errors import CheckFailed, EdgefashionError, ExitCode
from edgefashion.records import Record, SessionSpec
from edgefashion.subjects import open_model

PROBE = Path(__file__).parent / "probe.onnx"

_WARMUP_CAP_S = 2.0
_ROUNDS = 20
_TURN_S = 0.03
_MOST_PROFILED = 20  # calls a round: the profile keeps some hundred bytes for each operator of each

Rounds = list[list[int]]  # nanoseconds of each call, by round


class Job(Record, frozen=True):
    """What is to be profiled."""

    model: str  # path
    sha256: str
    session: SessionSpec
    cpus: list[int]
    inputs: str  # path of a .npy: [inputs, batch, …]


class Measured(Record, frozen=True):
    """What the process found out; the names are those of `Profile`."""

    calls: int
    call_s: float
    profiled_call_s: float
    probe_s: float
    probe_per_input_s: float
    resolution_s: float
    kernels: list[Kernel]


def main() -> None:
    """Serve one job."""
    isolation.die_with_parent()
    # Libraries that print must not write into the reply.
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    try:
        reply: Record = measure(msgspec.json.decode(sys.stdin.buffer.read(), type=Job))
    except EdgefashionError as error:
        reply, code = Broken(error=str(error)), int(error.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        reply, code = Broken(error=f"{type(error).__name__}: {error}"), int(ExitCode.BUG)
    else:
        code = int(ExitCode.OK)
    replies.write(msgspec.json.encode(reply).decode())
    replies.close()
    sys.exit(code)


def measure(job: Job) -> Measured:
    """Time and profile one model.

    Raises:
        CheckFailed: The file changed, a thread left its cores, or no profile was written.
    """
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as name:
        folder = Path(name)
        plain_ns, profiled_ns, probe_ns = _run(job, folder)
        calls, probe_calls = read_calls(folder, "model"), read_calls(folder, "probe")
    counts, probe_counts = list(map(len, profiled_ns)), list(map(len, probe_ns))
    everything = of_rounds(calls, counts, list(range(_ROUNDS)))
    unit_s = unit_of(everything, sum(map(sum, profiled_ns)) * 1e-9)
    quiet = quieter_half(profiled_ns)
    probed = kernels(of_rounds(probe_calls, probe_counts, quieter_half(probe_ns)), unit_s=unit_s)
    probe_s, probe_per_input_s = probe_times(probed)
    return Measured(
        calls=sum(counts[index] for index in quiet),
        call_s=_quiet_median_s(plain_ns),
        profiled_call_s=_quiet_median_s(profiled_ns),
        probe_s=probe_s,
        probe_per_input_s=probe_per_input_s,
        resolution_s=unit_s,
        kernels=kernels(of_rounds(calls, counts, quiet), unit_s=unit_s),
    )


def quieter_half(rounds: Rounds) -> list[int]:
    """Indices of the fastest half of the rounds, in order."""
    by_speed = sorted(range(len(rounds)), key=lambda index: median(rounds[index]))
    return sorted(by_speed[: ceil(len(rounds) / 2)])


def _quiet_median_s(rounds: Rounds) -> float:
    return median(sample for index in quieter_half(rounds) for sample in rounds[index]) * 1e-9


def _run(job: Job, folder: Path) -> tuple[Rounds, Rounds, Rounds]:
    """Call the model unprofiled, the model profiled, and the probe profiled, by turns; profiles go into `folder`."""
    import numpy as np

    from edgefashion.runtimes import default_spec, open_session

    model, probe_model = open_model(Path(job.model)), open_model(PROBE)
    if model.sha256 != job.sha256:
        raise CheckFailed(f"{job.model} changed before it was profiled")
    inputs = np.load(job.inputs, allow_pickle=False)

    def calls_of(model: Model, spec: SessionSpec, inputs: Iterable[Any]) -> Calls:
        session = open_session(model, spec)
        return [session.bind(batch) for batch in inputs]

    plain = calls_of(model, job.session, inputs)
    with _profiling(folder / "model"):
        profiled = calls_of(model, job.session, inputs)
    with _profiling(folder / "probe"):
        probe_spec = default_spec(probe_model, threads=job.session.threads)
        probe = calls_of(probe_model, probe_spec, [np.zeros((1, 1), np.float32)])
    warm_up(plain, cap_s=_WARMUP_CAP_S)
    rounds = [_round(plain, profiled, probe) for _ in range(_ROUNDS)]
    isolation.count_threads_inside(job.cpus)
    plain_ns, profiled_ns, probe_ns = (list(column) for column in zip(*rounds, strict=True))
    # Only the calls still hold the sessions, and these write their profiles when they go: on return.
    return plain_ns, profiled_ns, probe_ns


def _round(plain: Calls, profiled: Calls, probe: Calls) -> tuple[list[int], list[int], list[int]]:
    plain_ns = time_block(plain, seconds=_TURN_S, at_least=1)
    count = min(_MOST_PROFILED, ceil(_TURN_S / (median(plain_ns) * 1e-9)))
    profiled_ns = time_block(profiled, seconds=0, at_least=count)
    return plain_ns, profiled_ns, time_block(probe, seconds=0, at_least=_MOST_PROFILED)


@contextmanager
def _profiling(prefix: Path) -> Iterator[None]:
    """Sessions opened meanwhile are profiled, and are otherwise what they are when they are timed."""
    import onnxruntime

    plain = onnxruntime.SessionOptions

    def options() -> Any:
        made = plain()
        made.enable_profiling = True
        made.profile_file_prefix = str(prefix)
        return made

    onnxruntime.SessionOptions = options
    try:
        yield
    finally:
        onnxruntime.SessionOptions = plain
