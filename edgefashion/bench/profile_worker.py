"""The process that is profiled: opens a model twice, times it plainly, and profiles it operator by operator.

It is started by `edgefashion.bench.profile` and speaks JSON: one `Job` comes in on stdin, one `Measured` or `Broken`
goes out on stdout. Times come from onnxruntime's own profile, which has three flaws, each met here:

- Whole microseconds. The parent loads clock.c before it where it can; which unit came out is seen by holding the
  profile against a clock of our own. Within a unit the median is interpolated.
- Each kernel's time contains work of the profiler, a constant and some more for each input. A model of operators
  that do nothing is profiled in turns with the real one, and tells how much.
- The call as a whole becomes several times slower. It is timed in a session that is not profiled.
"""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from statistics import median, median_grouped
from typing import Any

import msgspec

from edgefashion.bench import isolation
from edgefashion.bench.operators import Kernel
from edgefashion.bench.sampling import Calls, time_block, warm_up
from edgefashion.bench.worker import Broken
from edgefashion.errors import CheckFailed, EdgefashionError, ExitCode
from edgefashion.records import Record, SessionSpec

PROBE = Path(__file__).parent / "probe.onnx"

_WARMUP_CAP_S = 2.0
_ROUNDS = 10
_TURN_S = 0.05
_MOST_PROFILED = 40  # calls a round

_UNIT_S = 1e-6  # of the profile
_FASTER = 1000  # clock.c
_THREE_INPUTS = 3
_KERNEL = "_kernel_time"
_SIZES = ("activation_size", "parameter_size", "output_size")

Event = dict[str, Any]


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
    import numpy as np

    from edgefashion.artifact import open_model
    from edgefashion.runtimes import default_spec, open_session

    model = open_model(Path(job.model))
    if model.sha256 != job.sha256:
        raise CheckFailed(f"{job.model} changed before it was profiled")
    inputs = np.load(job.inputs, allow_pickle=False)
    probe_model = open_model(PROBE)
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
        with open_session(model, job.session) as plain:
            timed = [plain.bind(batch) for batch in inputs]
            with _profiling(Path(folder) / "model"):
                session = open_session(model, job.session)
            with _profiling(Path(folder) / "probe"):
                probe = open_session(probe_model, default_spec(probe_model, threads=job.session.threads))
            profiled = [session.bind(batch) for batch in inputs]
            probing = [probe.bind(np.zeros((1, 1), np.float32))]
            warm_up(timed, cap_s=_WARMUP_CAP_S)
            samples_ns, profiled_ns = _in_turns(timed, profiled, probing)
            isolation.count_threads_inside(job.cpus)
        # A session writes its profile when the last reference to it goes.
        del session, probe, profiled, probing
        events, probe_events = _events(Path(folder), "model"), _events(Path(folder), "probe")
    unit_s = unit_of(events, sum(profiled_ns) * 1e-9)
    one, three = probe_times(kernels(probe_events, unit_s=unit_s))
    return Measured(
        calls=len(profiled_ns),
        call_s=median(samples_ns) * 1e-9,
        profiled_call_s=median(profiled_ns) * 1e-9,
        probe_s=one,
        probe_per_input_s=max(0.0, three - one) / (_THREE_INPUTS - 1),
        resolution_s=unit_s,
        kernels=kernels(events, unit_s=unit_s),
    )


def _in_turns(plain: Calls, profiled: Calls, probing: Calls) -> tuple[list[int], list[int]]:
    """Nanoseconds of each plain and each profiled call; in turns, so that all see the same machine."""
    plain_ns: list[int] = []
    profiled_ns: list[int] = []
    for _ in range(_ROUNDS):
        plain_ns += time_block(plain, seconds=_TURN_S, at_least=1)
        # Few enough that the profile, of some hundred bytes an operator and call, can be read again at once.
        count = min(_MOST_PROFILED, ceil(_TURN_S / (median(plain_ns) * 1e-9)))
        profiled_ns += time_block(profiled, seconds=0, at_least=count)
        time_block(probing, seconds=0, at_least=_MOST_PROFILED)
    return plain_ns, profiled_ns


def unit_of(events: list[Event], elapsed_s: float) -> float:
    """Seconds a unit of the profile: a nanosecond where clock.c made its clock faster, else a microsecond.

    Args:
        events: The profile.
        elapsed_s: What its calls took together by a clock that nobody made faster.
    """
    total = sum(event["dur"] for event in events if event["name"] == "model_run")
    return _UNIT_S / _FASTER if total * _UNIT_S > elapsed_s * _FASTER**0.5 else _UNIT_S


def kernels(events: list[Event], *, unit_s: float) -> list[Kernel]:
    """One entry for each node of a profile, in the order of execution, with its median time in one call."""
    calls = sum(event["name"] == "model_run" for event in events)
    by_node: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
            by_node.setdefault((event["name"], event["args"].get("node_index", "")), []).append(event)
    return [_kernel(found, calls=calls, unit_s=unit_s) for found in by_node.values()]


def _kernel(events: list[Event], *, calls: int, unit_s: float) -> Kernel:
    # The profile cuts fractions of its unit off: a duration stands for the middle of its unit.
    units = median_grouped(event["dur"] for event in events) + 0.5
    args = events[-1]["args"]
    inputs = [pair for each in args["input_type_shape"] for pair in each.items()]
    return Kernel(
        node=events[-1]["name"].removesuffix(_KERNEL),
        op_type=args["op_name"],
        provider=args["provider"],
        # A node in the body of a loop runs several times a call.
        seconds=units * unit_s * max(1, round(len(events) / calls)),
        inputs=[tuple(shape) for _, shape in inputs],
        input_types=[kind for kind, _ in inputs],
        outputs=[tuple(shape) for each in args["output_type_shape"] for shape in each.values()],
        bytes_moved=sum(int(args.get(size, 0)) for size in _SIZES),
    )


def probe_times(found: list[Kernel]) -> tuple[float, float]:
    """Median seconds that the profile shows for an operator of one and of three inputs that does nothing."""
    one, three = (
        median(kernel.seconds for kernel in found if len(kernel.inputs) == count) for count in (1, _THREE_INPUTS)
    )
    return one, three


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


def _events(folder: Path, name: str) -> list[Event]:
    written = sorted(folder.glob(f"{name}*.json"))
    if not written:
        raise CheckFailed("onnxruntime wrote no profile")
    events: list[Event] = msgspec.json.decode(written[0].read_bytes())
    return events
