"""Profiles of real sessions, operator by operator."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from test_bottleneck import operator_of, profile_of

from edgefashion.bench.profiling import child as profile_worker
from edgefashion.bench.profiling import native
from edgefashion.bench.profiling import profile as profiling
from edgefashion.bench.profiling.child import PROBE
from edgefashion.bench.profiling.profile import fitted, profile, provider_shares
from edgefashion.data import Dataset
from edgefashion.environment import usable_cpus
from edgefashion.errors import CheckFailed
from edgefashion.records import Profile
from edgefashion.runtimes import default_spec
from edgefashion.subjects import open_model

LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]
# Two for each product on the picture: an image of 28, 14 and 7 pixels a side under a window of 3.
CONV_OPERATIONS = {
    "features.0.conv": 2 * 4 * 1 * 82**2,
    "features.1.conv": 2 * 8 * 4 * 40**2,
    "features.2.conv": 2 * 16 * 8 * 19**2,
}

Profiler = Callable[[Path], Profile]


@pytest.fixture(scope="module")
def profiled(sample: Dataset) -> Profiler:
    """Profile a model on one picture a call, once."""

    @cache
    def run(path: Path) -> Profile:
        model = open_model(path)
        inputs = sample.test.pixels[:4].reshape(4, 1, 28, 28)
        return profile(model, session=default_spec(model), batch=1, cpus=usable_cpus()[-1:], inputs=inputs)

    return run


@pytest.mark.parametrize("variant", ["fp32", "fp16", "int8-static", "int8-dynamic"])
def test_operators_are_mapped_to_layers(profiled: Profiler, tiny_run: Path, variant: str) -> None:
    """After fusion and quantization every layer with weights is found, in order, with its true operations."""
    found = profiled(tiny_run / f"{variant}.onnx")
    heavy = [each for each in found.operators if any(word in each.op_type for word in ("Conv", "Gemm", "MatMul"))]
    assert [each.layer for each in heavy] == LAYERS
    operations = {each.layer: each.operations for each in heavy}
    assert operations == CONV_OPERATIONS | {"hidden": 2 * 144 * 64, "classify": 2 * 64 * 10}
    assert {each.arithmetic for each in heavy} == {"int8" if variant.startswith("int8") else "float"}
    assert all(each.operations is not None for each in found.operators)


def test_weights_are_part_of_the_traffic(profiled: Profiler, tiny_run: Path) -> None:
    """Also where the runtime packed them: float32 weights are four times as many bytes as int8 ones."""
    moved = {
        variant: next(
            each.bytes_moved for each in profiled(tiny_run / f"{variant}.onnx").operators if "Gemm" in each.op_type
        )
        for variant in ("fp32", "int8-static")
    }
    assert 4 * 144 * 64 < moved["fp32"] < 4 * 144 * 64 + 4000
    assert 144 * 64 < moved["int8-static"] < 144 * 64 + 4000


def test_parts_and_whole_belong_together(profiled: Profiler, tiny_run: Path) -> None:
    """Operators are within the unprofiled call, which is shorter than the profiled one."""
    found = profiled(tiny_run / "fp32.onnx")
    assert 0 < found.operators_s <= found.call_s * (1 + 1e-9)
    assert found.operators_s + found.overhead_s == pytest.approx(found.call_s)
    assert found.call_s < found.profiled_call_s
    assert all(0 <= each.time_s < each.profiled_s for each in found.operators)
    assert found.calls >= 10
    assert provider_shares(found) == {"CPUExecutionProvider": pytest.approx(1)}


def test_a_profile_is_a_record(profiled: Profiler, tiny_run: Path) -> None:
    """It survives being written and read."""
    found = profiled(tiny_run / "fp32.onnx")
    assert found == msgspec.json.decode(msgspec.json.encode(found), type=Profile)


def test_the_clock_is_made_finer_where_there_is_a_compiler(
    profiled: Profiler, tiny_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nanosecond with it, a microsecond without, and nothing else changes."""
    if not any(map(native.shutil.which, native.COMPILERS)):
        pytest.skip("needs a C compiler")
    fine = profiled(tiny_run / "fp32.onnx")
    monkeypatch.setattr(native, "COMPILERS", ())
    coarse = profiled.__wrapped__(tiny_run / "fp32.onnx")  # type: ignore[attr-defined]
    assert (fine.resolution_s, coarse.resolution_s) == pytest.approx((1e-9, 1e-6))
    assert [each.layer for each in fine.operators] == [each.layer for each in coarse.operators]


def test_a_model_with_unknown_names_is_profiled(profiled: Profiler, tiny_run: Path, tmp_path: Path) -> None:
    """Layers are the nodes' own names where a foreign model tells no others, or those of the weights."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load(tiny_run / "fp32.onnx")
    del model.metadata_props[:]
    for index, node in enumerate(model.graph.node):
        node.name = f"n{index}"
    onnx.save(model, tmp_path / "foreign.onnx")
    found = profiled(tmp_path / "foreign.onnx")
    layers = [each.layer for each in found.operators]
    assert "n0" in layers
    assert [layer for layer in layers if layer and layer.startswith("network")] == [
        f"network.{each}" for each in LAYERS
    ]
    assert CONV_OPERATIONS["features.1.conv"] in {each.operations for each in found.operators}


# What can go wrong


@pytest.fixture
def ask(tiny_run: Path, sample: Dataset) -> Callable[..., Profile]:
    """Profile the tiny model, or a changed one."""

    def run(**changes: Any) -> Profile:
        model = open_model(tiny_run / "fp32.onnx")
        values: dict[str, Any] = {
            "session": default_spec(model),
            "batch": 1,
            "cpus": usable_cpus()[-1:],
            "inputs": sample.test.pixels[:1].reshape(1, 1, 28, 28),
        }
        return profile(changes.pop("model", model), **{**values, **changes})

    return run


def test_a_file_that_changes_is_refused(ask: Callable[..., Profile], own_run: Path) -> None:
    """What is profiled is what was read."""
    model = open_model(own_run / "fp32.onnx")
    (own_run / "fp16.onnx").replace(own_run / "fp32.onnx")
    with pytest.raises(CheckFailed, match=r"cannot be profiled: .*changed before it was profiled"):
        ask(model=model)


def test_input_that_does_not_fit_is_a_reason(ask: Callable[..., Profile]) -> None:
    """What onnxruntime says reaches the reader."""
    with pytest.raises(CheckFailed, match="cannot be profiled: onnxruntime cannot run"):
        ask(inputs=np.zeros((1, 1, 28, 28), np.float32))


def test_a_process_that_dies_is_a_reason(
    ask: Callable[..., Profile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its exit code and its last words are told."""
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no interpreter here >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setattr(profiling.sys, "executable", str(broken))
    with pytest.raises(CheckFailed, match="the process ended with 3: no interpreter here"):
        ask()


def test_a_process_that_hangs_is_ended(
    ask: Callable[..., Profile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for ever."""
    sleeper = tmp_path / "python"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(profiling.sys, "executable", str(sleeper))
    monkeypatch.setattr(profiling, "_TIMEOUT_S", 0.2)
    with pytest.raises(CheckFailed, match="did not end within"):
        ask()


# The rest of the record


def test_the_probe_is_the_model_that_is_described() -> None:
    """Sixteen operators on one number: by turns a view, and a clip that changes nothing."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    names = ["x", *(f"t{index}" for index in range(15)), "y"]
    nodes = [
        helper.make_node("Clip", [given, "low", "high"], [made], name=f"three_inputs_{index}")
        if index % 2
        else helper.make_node("Flatten", [given], [made], name=f"one_input_{index}")
        for index, (given, made) in enumerate(pairwise(names))
    ]
    limits = [helper.make_tensor("low", kind, [], [-1.0]), helper.make_tensor("high", kind, [], [1.0])]
    given, made = (helper.make_tensor_value_info(name, kind, [1, 1]) for name in ("x", "y"))
    graph = helper.make_graph(nodes, "probe", [given], [made], initializer=limits)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    assert model == onnx.load(PROBE)


def test_shares_of_providers() -> None:
    """Of the time inside operators; nothing is claimed where there is none."""
    here, there = operator_of(1), operator_of(3, provider="WebGpuExecutionProvider")
    shares = provider_shares(profile_of(here, there, here, call_us=20))
    assert shares == pytest.approx({"CPUExecutionProvider": 0.4, "WebGpuExecutionProvider": 0.6})
    assert provider_shares(profile_of(operator_of(0), call_us=20)) == {}


def test_operators_are_never_longer_than_their_call() -> None:
    """Scaled down to the call where noise made them so, left alone otherwise."""
    operators = [operator_of(6), operator_of(4)]
    assert [each.time_s for each in fitted(operators, 5e-6)] == pytest.approx([3e-6, 2e-6])
    assert operators == fitted(operators, 20e-6)
    assert fitted([], 1e-6) == []


def test_the_protocol_survives_a_library_that_prints(
    ask: Callable[..., Profile], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is printed while a job is served goes to stderr, not into the reply."""
    script = "import edgefashion.bench.profiling.child as w\n"
    script += "def loud(job):\n    print('hello'); raise ValueError('out of luck')\nw.measure = loud\nw.main()\n"
    wrapper = tmp_path / "python"
    wrapper.write_text(f"#!{profile_worker.sys.executable}\n{script}")
    wrapper.chmod(0o755)
    monkeypatch.setattr(profiling.sys, "executable", str(wrapper))
    with pytest.raises(CheckFailed, match="cannot be profiled: ValueError: out of luck"):
        ask()
