"""Reading onnxruntime's profiles, made by hand."""

from pathlib import Path
from typing import Any

import pytest

from edgefashion.bench.profiling.child import quieter_half
from edgefashion.bench.profiling.events import kernels, of_rounds, probe_times, read_calls, split, unit_of
from edgefashion.errors import CheckFailed


def event(name: str, duration: int, **args: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "op_name": "Add",
        "provider": "CPUExecutionProvider",
        "node_index": name,
        "input_type_shape": [{"float": [1, 2]}, {"float": []}],
        "output_type_shape": [{"float": [1, 2]}],
        "activation_size": "8",
        "parameter_size": "4",
        "output_size": "8",
    }
    return {"cat": "Node", "name": name, "dur": duration, "args": {**values, **args}}


def run_event(duration: int) -> dict[str, Any]:
    return {"cat": "Session", "name": "model_run", "dur": duration, "args": {}}


def call(*events: dict[str, Any]) -> list[dict[str, Any]]:
    return [*events, run_event(sum(each["dur"] for each in events))]


def test_a_kernel_is_the_median_of_its_calls() -> None:
    """In the order of execution, with shapes and bytes; fences and the session's own events are no kernels."""
    calls = [
        call(event("b_kernel_time", duration), event("b_fence_before", 7), event("a_kernel_time", 3))
        for duration in (4, 5, 90)
    ]
    found = kernels(calls, unit_s=1e-6)
    assert [each.node for each in found] == ["b", "a"]
    # What was cut off a duration of five whole microseconds is half a microsecond on average.
    assert [each.seconds for each in found] == pytest.approx([5.5e-6, 3.5e-6])
    assert (found[0].inputs, found[0].outputs, found[0].bytes_moved) == ([(1, 2), ()], [(1, 2)], 20)


def test_a_node_in_a_loop_counts_as_often_as_it_runs() -> None:
    """Three kernels of one node in a call are one sum."""
    found = kernels([call(*[event("loop_kernel_time", 2)] * 3)] * 2, unit_s=1e-6)
    assert found[0].seconds == pytest.approx(3 * 2.5e-6)


def test_a_profile_is_split_into_its_calls() -> None:
    """Each ends with its own event; what was cut off in the middle of a call is none."""
    first, second = call(event("a_kernel_time", 1)), call(event("a_kernel_time", 2), event("b_kernel_time", 3))
    assert split([*first, *second, event("a_kernel_time", 4)]) == [first, second]


def test_rounds_are_the_last_calls_of_a_profile() -> None:
    """The calls before them, made while inputs were bound, belong to no round."""
    calls = [[event("a_kernel_time", index)] for index in range(8)]
    chosen = of_rounds(calls, [1, 2, 3], [0, 2])
    assert [each[0]["dur"] for each in chosen] == [2, 5, 6, 7]


def test_the_quieter_half_of_the_rounds_counts() -> None:
    """By their medians, so that a single slow call condemns no round; in order."""
    assert quieter_half([[9, 9, 9], [2, 2, 90], [5, 5, 5], [1, 1, 1], [7, 7, 7]]) == [1, 2, 3]


@pytest.mark.parametrize(("duration", "unit_s"), [(100, 1e-6), (100_000, 1e-9)])
def test_the_unit_is_seen_by_another_clock(duration: int, unit_s: float) -> None:
    """Ten calls that took a millisecond are so many units long, one way or the other."""
    assert unit_of([[run_event(duration)]] * 10, elapsed_s=1.1e-3) == pytest.approx(unit_s)


def test_a_missing_profile_is_a_reason(tmp_path: Path) -> None:
    """A runtime that writes none cannot be profiled."""
    with pytest.raises(CheckFailed, match="wrote no profile"):
        read_calls(tmp_path, "model")


def test_the_probe_tells_one_input_from_three() -> None:
    """Its operators differ in nothing but their inputs."""
    one = [event(f"{index}_kernel_time", 2, input_type_shape=[{"float": [1, 1]}]) for index in range(3)]
    three = [event(f"{index}_kernel_time", 5, input_type_shape=[{"float": []}] * 3) for index in range(3, 6)]
    assert probe_times(kernels([call(*one, *three)], unit_s=1e-6)) == pytest.approx((2.5e-6, 1.5e-6))
