"""Operating points by name: which belong to the plan, and which are runs of their own after it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from edgefashion.errors import UsageError

CLOSED, PACED, BATCH, SUSTAINED, MLPERF = "closed", "paced", "batch", "sustained", "mlperf"


@dataclass(frozen=True)
class Scenarios:
    """Operating points, sorted by how they are measured.

    Attributes:
        planned: closed, paced:N and batch: measured in generations, interleaved.
        sustained_s: Lengths of closed loops that run for long, one cell after the other.
        loadgen: Scenarios of MLPerf LoadGen.
    """

    planned: tuple[str, ...]
    sustained_s: tuple[float, ...]
    loadgen: tuple[str, ...]


def sort_out(names: Sequence[str]) -> Scenarios:
    """The scenarios behind `names`; the closed loop is the one that the others are compared with.

    Raises:
        UsageError: One of them is unknown.
    """
    planned: list[str] = []
    sustained_s: list[float] = []
    loadgen: list[str] = []
    for name in dict.fromkeys(names):
        kind, _, value = name.partition(":")
        if kind == SUSTAINED:
            sustained_s.append(_positive(name, value))
        elif kind == MLPERF and value:
            loadgen.append(value)
        else:
            if name != BATCH:
                period_s(name)
            planned.append(name)
    if not planned or ((sustained_s or loadgen) and CLOSED not in planned and BATCH not in planned):
        planned.insert(0, CLOSED)
    return Scenarios(tuple(planned), tuple(sustained_s), tuple(loadgen))


def period_s(scenario: str) -> float | None:
    """Seconds from call to call of "paced:N"; None for a closed loop.

    Raises:
        UsageError: It is neither.
    """
    name, _, rate = scenario.partition(":")
    return None if scenario == CLOSED else 1 / _positive(scenario, rate if name == PACED else "")


def _positive(scenario: str, value: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = 0.0
    if not 0 < number < math.inf:
        raise UsageError(
            f"unknown scenario {scenario!r}: expected closed, paced:N (calls a second), batch, "
            "sustained:SECONDS, or mlperf:SingleStream, MultiStream, Offline or Server"
        )
    return number
