"""Reading onnxruntime's profile: events to calls, calls to kernels.

The format is that of Chrome's trace viewer: one event a kernel with its duration, and one that closes each call.
"""

from itertools import accumulate
from pathlib import Path
from statistics import median, median_grouped
from typing import Any

import msgspec

from edgefashion.bench.profiling.operators import Kernel
from edgefashion.errors import CheckFailed

UNIT_S = 1e-6  # of the profile
FASTER = 1000  # clock.c

_KERNEL, _CALL = "_kernel_time", "model_run"
_SIZES = ("activation_size", "parameter_size", "output_size")
_THREE_INPUTS = 3

Event = dict[str, Any]
Call = list[Event]


def read_calls(folder: Path, name: str) -> list[Call]:
    """Every call of the profile in `folder` whose file begins with `name`.

    Raises:
        CheckFailed: There is none.
    """
    written = sorted(folder.glob(f"{name}*.json"))
    if not written:
        raise CheckFailed("onnxruntime wrote no profile")
    return split(msgspec.json.decode(written[0].read_bytes()))


def split(events: list[Event]) -> list[Call]:
    """A profile's events by call; each call's own event closes it."""
    calls: list[Call] = [[]]
    for event in events:
        calls[-1].append(event)
        if event["name"] == _CALL:
            calls.append([])
    return calls[:-1]


def of_rounds(calls: list[Call], counts: list[int], chosen: list[int]) -> list[Call]:
    """The calls of the chosen rounds, where the last calls of a profile are rounds of `counts` calls."""
    ends = list(accumulate(counts, initial=len(calls) - sum(counts)))
    return [call for index in chosen for call in calls[ends[index] : ends[index + 1]]]


def unit_of(calls: list[Call], elapsed_s: float) -> float:
    """Seconds a unit of the profile: a nanosecond where clock.c made its clock faster, else a microsecond.

    Args:
        calls: Of the profile.
        elapsed_s: What they took together by a clock that nobody made faster.
    """
    total = sum(event["dur"] for call in calls for event in call if event["name"] == _CALL)
    return UNIT_S / FASTER if total * UNIT_S > elapsed_s * FASTER**0.5 else UNIT_S


def kernels(calls: list[Call], *, unit_s: float) -> list[Kernel]:
    """One entry for each node of a profile, in the order of execution, with its median time in one call."""
    units: dict[tuple[str, str], list[float]] = {}
    last: dict[tuple[str, str], Event] = {}
    for call in calls:
        in_call: dict[tuple[str, str], float] = {}
        for event in call:
            if event["cat"] == "Node" and event["name"].endswith(_KERNEL):
                node = (event["name"], event["args"].get("node_index", ""))
                # The profile cuts fractions off: a duration stands for the middle of its unit. A node in the body of
                # a loop runs several times a call.
                in_call[node] = in_call.get(node, 0.0) + event["dur"] + 0.5
                last[node] = event
        for node, total in in_call.items():
            units.setdefault(node, []).append(total)
    return [_kernel(last[node], median_grouped(found) * unit_s) for node, found in units.items()]


def probe_times(found: list[Kernel]) -> tuple[float, float]:
    """Seconds that the profile shows for an operator that does nothing: with one input, and more for each further."""
    one, three = (
        median(kernel.seconds for kernel in found if len(kernel.inputs) == count) for count in (1, _THREE_INPUTS)
    )
    return one, max(0.0, three - one) / (_THREE_INPUTS - 1)


def _kernel(event: Event, seconds: float) -> Kernel:
    args = event["args"]
    inputs = [pair for each in args["input_type_shape"] for pair in each.items()]
    return Kernel(
        node=event["name"].removesuffix(_KERNEL),
        op_type=args["op_name"],
        provider=args["provider"],
        seconds=seconds,
        inputs=[tuple(shape) for _, shape in inputs],
        input_types=[kind for kind, _ in inputs],
        outputs=[tuple(shape) for each in args["output_type_shape"] for shape in each.values()],
        bytes_moved=sum(int(args.get(size, 0)) for size in _SIZES),
    )
