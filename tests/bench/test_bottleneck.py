"""What bounds a model, said of profiles whose truth is known."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.bench.profiling.bottleneck import explain
from edgefashion.records import ArtifactInfo, Bandwidth, Ceilings, Operator, Profile, SessionSpec

INFO = ArtifactInfo(
    name="run", variant="fp32", file="fp32.onnx", sha256="0" * 64, size_bytes=1, precision="float32", scheme=None
)
CEILINGS = Ceilings(
    cpus=[0],
    float_per_s=100e9,
    int8_per_s=400e9,
    bandwidths=[
        Bandwidth(level="L2", capacity_bytes=1_000_000, bytes_per_s=100e9),
        Bandwidth(level="memory", capacity_bytes=None, bytes_per_s=20e9),
    ],
    source="by hand",
)
UNKNOWN = Ceilings(cpus=[0], float_per_s=None, int8_per_s=None, bandwidths=[], source="no C compiler was found")


def operator_of(time_us: float, **changes: Any) -> Operator:
    values: dict[str, Any] = {
        "node": "conv/Conv",
        "layer": "conv",
        "op_type": "Conv",
        "provider": "CPUExecutionProvider",
        "time_s": time_us * 1e-6,
        "profiled_s": (time_us + 2) * 1e-6,
        "operations": 0,
        "bytes_moved": 0,
        "arithmetic": "float",
    }
    return Operator(**{**values, **changes})


def profile_of(*operators: Operator, call_us: float, **changes: Any) -> Profile:
    return Profile(
        artifact=INFO,
        session=SessionSpec("onnxruntime", "CPUExecutionProvider"),
        batch=1,
        cpus=[0],
        calls=400,
        call_s=call_us * 1e-6,
        profiled_call_s=changes.pop("profiled_call_s", sum(each.profiled_s for each in operators) + 10e-6),
        probe_s=2e-6,
        probe_per_input_s=1e-7,
        resolution_s=1e-9,
        operators=list(operators),
    )


def test_bound_by_arithmetic() -> None:
    """Eight of ten microseconds are a million operations at 100 a nanosecond less what is lost."""
    result = explain(profile_of(operator_of(9, operations=800_000, bytes_moved=1000), call_us=10), CEILINGS)
    assert result.bound == "arithmetic"
    assert result.sentence.startswith("bound by arithmetic: 80 % of a 10.0 µs call is arithmetic at the 100 GFLOP/s")
    assert result.spent is not None
    assert result.spent.unexplained_s == pytest.approx(1e-6)


def test_bound_by_memory() -> None:
    """Traffic beyond the caches is held against memory's bandwidth, not theirs."""
    slow = operator_of(90, operations=1000, bytes_moved=1_600_000)
    result = explain(profile_of(slow, call_us=100), CEILINGS)
    assert result.bound == "memory"
    assert "80 % of a 100 µs call is memory traffic at the 20 GB/s of memory" in result.sentence


def test_bound_by_call_overhead() -> None:
    """What is left between operators counts against the unprofiled call."""
    result = explain(profile_of(operator_of(4, operations=100_000), call_us=10), CEILINGS)
    assert result.bound == "call overhead"
    assert result.sentence.startswith("bound by call overhead: 60 % of a 10.0 µs call is spent outside operators")


def test_bound_by_neither() -> None:
    """Operators far below both ceilings are named as what they are, the worst by name."""
    small, slow = operator_of(2, operations=1000), operator_of(7, operations=1000, layer="stem", op_type="ConvInteger")
    result = explain(profile_of(small, slow, call_us=10), CEILINGS)
    assert result.bound == "small or slow operators"
    assert "neither by memory nor by arithmetic" in result.sentence
    assert "ConvInteger stem, 7.00 µs long, most of all" in result.sentence


def test_the_float_ceiling_does_not_hold_for_bytes() -> None:
    """An 8-bit operator is held against the 8-bit ceiling; where that is unknown, its arithmetic explains nothing."""
    profile = profile_of(operator_of(10, operations=2_000_000, arithmetic="int8"), call_us=10)
    known = explain(profile, CEILINGS).spent
    unknown = explain(profile, msgspec.structs.replace(CEILINGS, int8_per_s=None)).spent
    assert known is not None
    assert unknown is not None
    assert known.arithmetic_s == pytest.approx(5e-6)
    assert unknown.arithmetic_s == 0


def test_a_broken_ceiling_explains_no_more_than_the_time_there_was() -> None:
    """An operator above its roof leaves nothing unexplained, and no negative time."""
    result = explain(profile_of(operator_of(5, operations=900_000), call_us=10), CEILINGS)
    assert result.spent is not None
    assert (result.spent.arithmetic_s, result.spent.unexplained_s) == (pytest.approx(5e-6), 0)


@given(
    st.lists(
        st.tuples(
            st.floats(0, 50),
            st.integers(0, 10**7) | st.none(),
            st.integers(0, 10**7),
            st.sampled_from(["float", "int8"]),
        ),
        min_size=1,
        max_size=8,
    ),
    st.floats(0.1, 50),
)
def test_the_four_parts_are_the_whole_call(operators: list[tuple[Any, ...]], outside_us: float) -> None:
    """Whatever the operators are, the parts add up to the call and none is negative."""
    made = [
        operator_of(time_us, operations=operations, bytes_moved=bytes_moved, arithmetic=arithmetic)
        for time_us, operations, bytes_moved, arithmetic in operators
    ]
    profile = profile_of(*made, call_us=sum(each[0] for each in operators) + outside_us)
    spent = explain(profile, CEILINGS).spent
    assert spent is not None
    parts = (spent.outside_s, spent.memory_s, spent.arithmetic_s, spent.unexplained_s)
    assert sum(parts) == pytest.approx(profile.call_s)
    assert min(parts) >= 0


def test_without_ceilings_it_is_undecided_and_says_why() -> None:
    """Only overhead can be judged without ceilings: half of the call or more is enough."""
    undecided = explain(profile_of(operator_of(8, operations=1000), call_us=10), UNKNOWN)
    assert (undecided.bound, undecided.spent) == ("undecided", None)
    assert "20 % of a 10.0 µs call is spent outside operators" in undecided.sentence
    assert "no C compiler was found" in undecided.sentence
    assert explain(profile_of(operator_of(4), call_us=10), UNKNOWN).bound == "call overhead"


def test_another_device_is_not_held_against_these_cores() -> None:
    """Ceilings of the processor say nothing about a model that runs elsewhere, even in part."""
    there = operator_of(4, provider="CUDAExecutionProvider", operations=1000)
    result = explain(profile_of(operator_of(5, operations=400_000), there, call_us=10), CEILINGS)
    assert (result.bound, result.spent) == ("undecided", None)
    assert "CUDAExecutionProvider" in result.sentence


def test_a_busy_machine_is_no_call_overhead() -> None:
    """Where profiled calls are far longer than their operators, something else ran: nothing is concluded."""
    profile = profile_of(operator_of(4, operations=1000), call_us=100, profiled_call_s=100e-6)
    result = explain(profile, CEILINGS)
    assert result.bound == "undecided"
    assert "the machine was too busy" in result.sentence


def test_a_model_without_operators_is_all_overhead() -> None:
    """The null model has nothing but its call."""
    assert explain(profile_of(call_us=2), CEILINGS).bound == "call overhead"


def test_what_an_operator_attains() -> None:
    """The least time that the ceilings allow, over the time it took; nothing where they say nothing."""
    half, view = operator_of(2, operations=100_000), operator_of(1)
    result = explain(profile_of(half, view, call_us=4), CEILINGS)
    assert result.attained(half) == pytest.approx(0.5)
    assert result.attained(view) is None
    assert explain(result.profile, UNKNOWN).attained(half) is None


@pytest.mark.parametrize(("traffic", "level"), [(10, "L2"), (1_000_000, "L2"), (1_000_001, "memory")])
def test_bandwidth_is_that_of_the_nearest_level_that_is_large_enough(traffic: int, level: str) -> None:
    """Memory holds everything."""
    found = CEILINGS.bandwidth(traffic)
    assert found is not None
    assert found.level == level
    assert UNKNOWN.bandwidth(traffic) is None
