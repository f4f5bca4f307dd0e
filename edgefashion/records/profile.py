"""Where the time of a call goes: operators, this machine's ceilings, and what bounds a model."""

from typing import Literal

from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import Record
from edgefashion.records.plan import SessionSpec

Arithmetic = Literal["float", "int8"]
Bottleneck = Literal["call overhead", "memory", "arithmetic", "small or slow operators", "undecided"]


class Operator(Record, frozen=True):
    """One node of the graph that the runtime really executes, after it fused and inserted nodes.

    An operation is one multiplication, addition or comparison; a fused multiply-add is two. What moves data
    without computing has none.
    """

    node: str  # the runtime's name of it
    layer: str | None  # the module's name of it; None: inserted by the runtime
    op_type: str
    provider: str
    time_s: float  # of one call, without what profiling adds
    profiled_s: float  # of one call, as the profile shows it
    operations: int | None  # None: the operator is not known here
    bytes_moved: int  # input, weights and output, each once
    arithmetic: Arithmetic

    @property
    def intensity(self) -> float | None:
        """Operations a byte; None where either is zero or unknown."""
        return self.operations / self.bytes_moved if self.operations and self.bytes_moved else None

    @property
    def rate_per_s(self) -> float | None:
        """Operations a second; None where there are none, or the time is too short to be seen."""
        return self.operations / self.time_s if self.operations and self.time_s else None


class Profile(Record, frozen=True):
    """One model in one session, operator by operator, in the order of execution.

    Profiling lengthens every operator by a few microseconds. `time_s` of an operator is without them: operators
    that do nothing, profiled in the same process, tell how much to take off. The call as a whole is timed
    unprofiled. Where noise makes all operators together longer than the call, they are scaled down to it.
    """

    artifact: ArtifactInfo
    session: SessionSpec
    batch: int
    cpus: list[int]
    calls: int  # that were profiled
    call_s: float  # median of the unprofiled call, in the same process
    profiled_call_s: float
    probe_s: float  # what the profile shows for an operator that does nothing and has one input
    probe_per_input_s: float  # and more for each further input
    resolution_s: float  # of the profile's clock
    operators: list[Operator]

    @property
    def operators_s(self) -> float:
        """Time of one call inside operators."""
        return sum(operator.time_s for operator in self.operators)

    @property
    def overhead_s(self) -> float:
        """Time of one call outside operators."""
        return max(0.0, self.call_s - self.operators_s)  # a rounding error is no time

    def share(self, seconds: float) -> float:
        """How much of the call `seconds` are."""
        return seconds / self.call_s

    @property
    def operations(self) -> int:
        """Of one call, as far as its operators are known."""
        return sum(operator.operations or 0 for operator in self.operators)

    @property
    def bytes_moved(self) -> int:
        """Of one call, each operator's input, weights and output."""
        return sum(operator.bytes_moved for operator in self.operators)


class Bandwidth(Record, frozen=True):
    """How fast bytes are copied within one level of the memory; read and written ones both count."""

    level: str  # "L2", "L3", or "memory"
    capacity_bytes: int | None  # of these cores' caches together; None for memory
    bytes_per_s: float


class Ceilings(Record, frozen=True):
    """The most that these cores were seen to do; None or empty where it could not be measured."""

    cpus: list[int]
    float_per_s: float | None  # float32 operations: multiply-adds on registers
    int8_per_s: float | None  # 8-bit operations: dot products that add up in 32 bits
    bandwidths: list[Bandwidth]  # nearest to the core first
    source: str  # how they were measured, or why they were not

    def bandwidth(self, traffic_bytes: int) -> Bandwidth | None:
        """Of the nearest level that holds what a call moves; None where none was measured."""
        holding = (each for each in self.bandwidths if (each.capacity_bytes or traffic_bytes) >= traffic_bytes)
        return next(holding, None)

    def operations_per_s(self, arithmetic: Arithmetic) -> float | None:
        """The ceiling of that arithmetic; what holds for floats says nothing about bytes."""
        return self.int8_per_s if arithmetic == "int8" else self.float_per_s

    def least_s(self, operator: Operator, *, traffic_bytes: int) -> tuple[float, float]:
        """The least seconds that an operator's memory traffic and its arithmetic take, each by itself.

        Zero stands for what no ceiling tells. `traffic_bytes` are those of the whole call, which decide where in the
        memory they lie.
        """
        bandwidth, peak = self.bandwidth(traffic_bytes), self.operations_per_s(operator.arithmetic)
        by_memory_s = operator.bytes_moved / bandwidth.bytes_per_s if bandwidth else 0.0
        return by_memory_s, (operator.operations or 0) / peak if peak else 0.0


class Spent(Record, frozen=True):
    """A call's time in four parts, in seconds; each operator's time is split by what the ceilings explain of it."""

    outside_s: float  # operators
    memory_s: float  # the least that memory traffic takes, of operators that it limits
    arithmetic_s: float  # the least that arithmetic takes, of operators that it limits
    unexplained_s: float  # what operators take beyond that


class Roofline(Record, frozen=True):
    """A profile beside the ceilings of its cores, and what follows from them."""

    profile: Profile
    ceilings: Ceilings
    spent: Spent | None  # None where ceilings are missing, or do not hold for every operator
    bound: Bottleneck
    sentence: str  # what bounds the model, with the figures that this rests on

    def attained(self, operator: Operator) -> float | None:
        """How much of what the ceilings allow an operator attains; None where they tell nothing about it."""
        least_s = max(self.ceilings.least_s(operator, traffic_bytes=self.profile.bytes_moved))
        return least_s / operator.time_s if self.spent and least_s and operator.time_s else None
