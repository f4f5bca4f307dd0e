"""Where nodes run: what is refused, and how time is shared out."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.errors import NotAvailable
from edgefashion.runtimes.placement import check_placement, time_share
from edgefashion.runtimes.providers import BY_OWN_NAME

CPU, CUDA, TENSORRT, WEBGPU = (f"{name}ExecutionProvider" for name in ("CPU", "CUDA", "Tensorrt", "WebGpu"))


def check(nodes: dict[str, int], provider: str, *, allow_partial: bool = False) -> None:
    """Check a placement made up for the test."""
    check_placement(nodes, BY_OWN_NAME[provider], model="fp32.onnx", allow_partial=allow_partial)


@pytest.mark.parametrize(
    ("provider", "nodes"),
    [
        (CPU, {CPU: 17}),
        (WEBGPU, {WEBGPU: 1}),
        (TENSORRT, {TENSORRT: 10, CUDA: 7}),
        (CPU, {}),
    ],
)
def test_all_of_it(provider: str, nodes: dict[str, int]) -> None:
    """A model that runs where it was asked to is accepted; what TensorRT leaves to CUDA is on the same device."""
    check(nodes, provider)


@pytest.mark.parametrize(
    ("provider", "nodes", "words"),
    [
        (WEBGPU, {WEBGPU: 18, CPU: 1}, "WebGpuExecutionProvider took 18 of the 19 nodes .*1 on CPUExecutionProvider"),
        (CUDA, {CUDA: 10, TENSORRT: 7}, "CUDAExecutionProvider took 10 of the 17 nodes .*7 on TensorrtExecutionProvid"),
        (TENSORRT, {TENSORRT: 9, CUDA: 7, CPU: 1}, "took 9 of the 17 nodes .*7 on CUDA.*, 1 on CPU"),
    ],
)
def test_some_of_it(provider: str, nodes: dict[str, int], words: str) -> None:
    """A model that runs in part elsewhere is refused with the counts and the flag, and accepted with the flag."""
    with pytest.raises(NotAvailable, match=f"{words}.*--allow-partial"):
        check(nodes, provider)
    check(nodes, provider, allow_partial=True)


@pytest.mark.parametrize("allow_partial", [False, True])
@pytest.mark.parametrize(("provider", "nodes"), [(WEBGPU, {CPU: 17}), (TENSORRT, {CUDA: 17})])
def test_none_of_it(provider: str, nodes: dict[str, int], *, allow_partial: bool) -> None:
    """A provider that took nothing has no time to be measured, whatever is allowed."""
    with pytest.raises(NotAvailable, match=f"{provider} took none of the 17 nodes of fp32.onnx"):
        check(nodes, provider, allow_partial=allow_partial)


def call(us: float) -> dict[str, Any]:
    """A call in onnxruntime's profile."""
    return {"cat": "Session", "name": "model_run", "dur": us, "args": {}}


def node(provider: str, name: str, us: float) -> dict[str, Any]:
    """A node in onnxruntime's profile."""
    return {
        "cat": "Node",
        "name": f"{name}_kernel_time",
        "dur": us,
        "args": {"provider": provider, "node_index": name},
    }


def test_waiting_belongs_to_the_device() -> None:
    """A device that takes 10 µs to be told and 900 µs to be waited for has all but the CPU's share of the call."""
    events = 3 * [node(CPU, "a", 100), node(WEBGPU, "b", 4), node(WEBGPU, "c", 6), call(1000)]
    assert {WEBGPU: pytest.approx(0.9), CPU: pytest.approx(0.1)} == time_share(events)


def test_first_call_does_not_count() -> None:
    """A first call that compiles for seconds changes nothing."""
    slow = [node(CPU, "a", 5_000), node(WEBGPU, "b", 2_000_000), call(3_000_000)]
    events = slow + 4 * [node(CPU, "a", 50), node(WEBGPU, "b", 10), call(100)]
    assert {WEBGPU: pytest.approx(0.5), CPU: pytest.approx(0.5)} == time_share(events)


def test_two_devices_share_by_their_nodes() -> None:
    """What the CPU leaves of a call is divided among the others as their nodes' durations are."""
    events = 3 * [node(TENSORRT, "a", 30), node(CUDA, "b", 10), call(200)]
    assert {TENSORRT: pytest.approx(0.75), CUDA: pytest.approx(0.25), CPU: 0} == time_share(events)


@given(
    st.dictionaries(
        st.sampled_from([CPU, CUDA, TENSORRT, WEBGPU]),
        st.lists(st.integers(0, 10_000), min_size=1, max_size=5),
        min_size=2,
    ),
    st.integers(0, 1_000_000),
)
def test_shares_make_a_whole(durations: dict[str, list[int]], overhead: int) -> None:
    """Whatever the durations, also of no microsecond, shares lie between 0 and 1 and add up to 1."""
    nodes = [node(name, str(number), us) for name, all_us in durations.items() for number, us in enumerate(all_us)]
    total = 1 + overhead + sum(map(sum, durations.values()))
    shares = time_share([*nodes, call(total)])
    assert {*durations, CPU} == set(shares)
    assert pytest.approx(1) == sum(shares.values())
    assert all(0 <= share <= 1 for share in shares.values())
