"""ExecuTorch's program files, read without ExecuTorch: how many operators XNNPACK was given, and how many it was not.

Sources: schema/program.fbs, schema/extended_header.h and backends/xnnpack/serialization/schema.fbs of ExecuTorch 1.5;
FlatBuffers' documentation of its binary format.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

# Positions of fields in their tables.
_PLANS, _SEGMENTS = 1, 4  # Program
_CHAINS, _DELEGATES = 5, 7  # ExecutionPlan
_INSTRUCTIONS = 2  # Chain
_KIND = 0  # Instruction: which member of the union it is
_PROCESSED = 1  # BackendDelegate
_INDEX = 1  # BackendDelegateDataReference
_OFFSET, _SIZE = 0, 1  # DataSegment
_NODES = 1  # XNNGraph

_MAGIC = b"ET"  # and two digits, which count the incompatible versions of the format
_KERNEL_CALL = 1
_SEGMENTS_BEGIN_AT = 24  # byte of the extended header that says where the first segment begins
_GRAPH_BEGINS_AT = 10  # byte of XNNPACK's header that says where its graph begins


@dataclass(frozen=True)
class Operators:
    """Who computes a program.

    Attributes:
        delegated: Operators in the parts that XNNPACK was given.
        own: Calls of ExecuTorch's own kernels.
    """

    delegated: int
    own: int


def count_operators(program: bytes) -> Operators:
    """Count the operators of a program file whose delegates are all XNNPACK's.

    Raises:
        ValueError: It is no such file.
    """
    if program[4:6] != _MAGIC:
        raise ValueError("it is no program of ExecuTorch")
    try:
        root = _Table.root(program, 0)
        plans = root.tables(_PLANS)
        segments = root.tables(_SEGMENTS)
        (begin,) = struct.unpack_from("<Q", program, _SEGMENTS_BEGIN_AT)
        steps = [step for plan in plans for chain in plan.tables(_CHAINS) for step in chain.tables(_INSTRUCTIONS)]
        delegates = [delegate for plan in plans for delegate in plan.tables(_DELEGATES)]
        graphs = [segments[each.table(_PROCESSED).number("<I", _INDEX)] for each in delegates]
        return Operators(
            delegated=sum(_count_nodes(program, begin, graph) for graph in graphs),
            own=sum(step.number("<B", _KIND) == _KERNEL_CALL for step in steps),
        )
    except (struct.error, LookupError) as error:
        raise ValueError(f"it is a damaged program of ExecuTorch: {error}") from error


def _count_nodes(program: bytes, begin: int, segment: "_Table") -> int:
    start = begin + segment.number("<Q", _OFFSET)
    graph = program[start : start + segment.number("<Q", _SIZE)]
    (offset,) = struct.unpack_from("<I", graph, _GRAPH_BEGINS_AT)
    return len(_Table.root(graph, offset).tables(_NODES))


@dataclass(frozen=True)
class _Table:
    """A table of a FlatBuffer: it begins with the distance back to the list of its fields' places."""

    content: bytes
    start: int

    @classmethod
    def root(cls, content: bytes, at: int) -> "_Table":
        return cls(content, _follow(content, at))

    def number(self, kind: str, field: int) -> int:
        """A number of the `struct` format `kind`; one that was left out is 0."""
        place = self._place(field)
        if place is None:
            return 0
        (value,) = struct.unpack_from(kind, self.content, place)
        return int(value)

    def table(self, field: int) -> "_Table":
        """The table that a field refers to.

        Raises:
            LookupError: It was left out.
        """
        place = self._place(field)
        if place is None:
            raise LookupError(f"field {field} is missing")
        return _Table(self.content, _follow(self.content, place))

    def tables(self, field: int) -> "list[_Table]":
        """The tables in a vector; one that was left out is empty."""
        return list(self._entries(field))

    def _entries(self, field: int) -> "Iterator[_Table]":
        place = self._place(field)
        if place is None:
            return
        vector = _follow(self.content, place)
        (length,) = struct.unpack_from("<I", self.content, vector)
        for entry in range(length):
            yield _Table(self.content, _follow(self.content, vector + 4 + 4 * entry))

    def _place(self, field: int) -> int | None:
        (back,) = struct.unpack_from("<i", self.content, self.start)
        places = self.start - back
        (size,) = struct.unpack_from("<H", self.content, places)
        entry = 4 + 2 * field
        if entry >= size:
            return None
        (offset,) = struct.unpack_from("<H", self.content, places + entry)
        return self.start + offset if offset else None


def _follow(content: bytes, place: int) -> int:
    """Where the offset at `place` leads; it counts from itself."""
    (offset,) = struct.unpack_from("<I", content, place)
    return place + int(offset)
