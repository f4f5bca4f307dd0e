"""OpenVINO as a runtime: the same files, the same answers, its own threads and options, and nothing sent home."""

import dataclasses
import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.environment import usable_cpus
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import SessionSpec, TensorSpec
from edgefashion.runtimes import default_spec, open_session, openvino, openvino_bf16, require_provider, run_all
from edgefashion.subjects import ForeignModel

needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason=f"needs openvino: {openvino.REMEDY}")

each_of_both = pytest.mark.parametrize("runtime", [openvino, openvino_bf16], ids=["openvino", "openvino-bf16"])


def spec(runtime: str = "openvino", *, provider: str = "cpu", threads: int = 1, **options: str) -> SessionSpec:
    """A session of OpenVINO."""
    return SessionSpec(runtime, provider, threads=threads, options=options)


def logits_of(model: Artifact, asked: SessionSpec, sample: Dataset) -> Any:
    """What a runtime answers to a hundred pictures."""
    with open_session(model, asked) as session:
        return run_all(session, sample.test.pixels[:100])


def in_a_process(code: str, **environment: str) -> Any:
    """What Python code prints last, read as JSON, from a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ | environment
    )
    return json.loads(done.stdout.splitlines()[-1])


# Whether it is here


@each_of_both
def test_only_if_asked_for(runtime: Any) -> None:
    """It takes no part in a measurement that does not name it: ONNX has its runtime already."""
    assert runtime.OPT_IN


@each_of_both
def test_without_openvino(runtime: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package it says so, and what installs it; nothing is imported to find out."""
    monkeypatch.setattr(openvino, "installed", lambda _: None)
    monkeypatch.setattr(openvino, "load", lambda: pytest.fail("it was imported"))
    with pytest.raises(NotAvailable, match=r"^openvino\S* is not installed: pip install 'edgefashion\[openvino\]'$"):
        require_provider(runtime.available, "cpu")


def machine(monkeypatch: pytest.MonkeyPatch, devices: dict[str, list[str]]) -> None:
    """Put a machine in the place of this one: its devices, and what each of them computes in."""
    core = SimpleNamespace(available_devices=list(devices), get_property=lambda device, _: devices[device])
    monkeypatch.setattr(openvino, "installed", lambda _: "1.0")
    monkeypatch.setattr(openvino, "load", lambda: SimpleNamespace(Core=lambda: core))


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    """A device is usable where OpenVINO lists it and it computes in the precision; two of a kind are numbered."""
    machine(monkeypatch, {"CPU": ["FP32", "INT8"], "GPU": ["FP32", "FP16", "BF16"], "GPU.1": ["FP32"]})
    assert openvino.available().providers == {"cpu": "", "gpu": "", "npu": "OpenVINO finds no NPU"}
    assert openvino_bf16.available().providers == {
        "cpu": "this CPU does not compute in BF16, but in FP32, INT8",
        "gpu": "",
        "npu": "OpenVINO finds no NPU",
    }
    machine(monkeypatch, {"CPU": ["FP32"], "NPU": ["FP16"]})
    assert openvino.available("npu").providers == {"npu": "this NPU does not compute in FP32, but in FP16"}


def test_processor_without_bfloat16(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the processor has no bfloat16 that runtime is refused: OpenVINO would compute in float32 without a word."""
    machine(monkeypatch, {"CPU": ["FP32"]})
    with pytest.raises(
        NotAvailable, match=r"cpu is not usable in openvino-bf16 1.0: this CPU does not compute in BF16"
    ):
        open_session(fp32, spec("openvino-bf16"))


@needs_openvino
def test_nothing_is_sent(tmp_path: Path) -> None:
    """Importing OpenVINO opens no connection and leaves nothing in the home folder; its telemetry is a stub."""
    code = """
import json, sys
events = []
watched = ("socket.", "subprocess.", "os.mkdir")
sys.addaudithook(lambda name, _: events.append(name) if name.startswith(watched) else None)
from edgefashion.runtimes import openvino
openvino.load()
from openvino.tools.ovc import telemetry_utils
print(json.dumps([events, telemetry_utils.tm.__name__, "openvino_telemetry" in sys.modules]))
"""
    # Without CI's mark: there OpenVINO would be silent of itself.
    events, sender, blocked = in_a_process(code, HOME=str(tmp_path), CI="", PYTHONDONTWRITEBYTECODE="1")
    assert [name for name in events if name != "socket.__new__"] == []
    assert sender == "openvino.tools.ovc.telemetry_stub"
    assert not blocked, "others in this process may import it again"
    assert list(tmp_path.iterdir()) == []


# Answers


@needs_openvino
def test_float32_answers_like_pytorch(fp32: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """The float32 file, unchanged, gives PyTorch's logits up to the order of sums."""
    expected = logits_of(checkpoint, SessionSpec("pytorch", "cpu"), sample)
    np.testing.assert_allclose(logits_of(fp32, spec(), sample), expected, atol=2e-5)


@needs_openvino
def test_int8_answers_like_onnxruntime(tiny_run: Path, sample: Dataset) -> None:
    """The QDQ file, unchanged, computes in integers and decides like ONNX Runtime."""
    int8 = open_artifact(tiny_run / "int8-static.onnx")
    expected = logits_of(int8, default_spec(int8), sample)
    found = logits_of(int8, spec(), sample)
    assert np.abs(found - expected).mean() < 0.01 * np.abs(expected).max()
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.99
    with open_session(int8, spec()) as session:
        assert " in u8" in session.placement.source


@needs_openvino
def test_bfloat16_is_another_cell(fp32: Artifact, sample: Dataset) -> None:
    """In bfloat16 logits move visibly, and the placement says what was computed in it; in float32 nothing is."""
    if openvino_bf16.available("cpu").providers["cpu"]:
        pytest.skip(openvino_bf16.available("cpu").providers["cpu"])
    plain, rounded = (logits_of(fp32, spec(name), sample) for name in ("openvino", "openvino-bf16"))
    assert 1e-3 < np.abs(rounded - plain).max() < 0.1 * np.abs(plain).max()
    with open_session(fp32, spec()) as plainly, open_session(fp32, spec("openvino-bf16")) as roundly:
        assert "bf16" not in plainly.placement.source
        assert " in bf16" in roundly.placement.source
        assert {"cpu"} == set(plainly.placement.nodes)


@needs_openvino
@pytest.mark.parametrize("batch", [1, 7])
def test_bound_call_computes_what_was_asked(batch: int, fp32: Artifact, sample: Dataset) -> None:
    """Each call fills its own output with the answers to its own pictures, also after the pictures changed."""
    first, second = sample.test.pixels[:batch].copy(), sample.test.pixels[batch : 2 * batch]
    with open_session(fp32, spec()) as session:
        expected = [session.run(first), session.run(second)]
        calls: list[Any] = [session.bind(first), session.bind(second)]
        first[:] = 0
        outputs = [call.func.__self__.get_output_tensor(0).data for call in calls]
        for output in outputs:
            output[:] = 0
        for call in calls:
            call()
        np.testing.assert_array_equal(expected, outputs)


@needs_openvino
def test_a_shape_is_compiled_once(fp32: Artifact, sample: Dataset) -> None:
    """One picture is compiled for when the session opens, another batch size by its first call, and neither again."""
    with open_session(fp32, spec()) as session:
        compiled: dict[Any, Any] = session._compiled  # type: ignore[attr-defined]
        assert list(compiled) == [(1, 28, 28)]
        for batch in (1, 5, 5, 1):
            session.run(sample.test.pixels[:batch])
            session.bind(sample.test.pixels[:batch])()
        assert list(compiled) == [(1, 28, 28), (5, 28, 28)]
        assert [list(each.inputs[0].shape) for each in compiled.values()] == [[1, 28, 28], [5, 28, 28]]


@needs_openvino
def test_inputs_that_do_not_fit(fp32: Artifact) -> None:
    """Pictures of another size or type are bad input, in a plain and in a bound run, and so is one alone."""
    wrong = (np.zeros((2, 28, 29), np.uint8), np.zeros((28, 28), np.uint8), np.zeros((1, 28, 28), np.float32))
    with open_session(fp32, spec()) as session:
        for images in wrong:
            for act in (session.run, session.bind):
                with pytest.raises(BadInput, match=r"openvino cannot run .*fp32\.onnx on .*28") as info:
                    act(images)
                assert "\n" not in str(info.value)


# Threads and options


@needs_openvino
def test_threads_stay_inside_the_mask(tiny_run: Path) -> None:
    """No thread of OpenVINO leaves the process's cores, and more threads than cores are refused, not cut down."""
    code = f"""
import json, os
os.sched_setaffinity(0, [{usable_cpus()[-1]}])
import numpy as np
from pathlib import Path
from edgefashion.artifact import open_artifact
from edgefashion.errors import UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import open_session
model = open_artifact(Path({str(tiny_run / "fp32.onnx")!r}))
with open_session(model, SessionSpec("openvino", "cpu", threads=1)) as session:
    session.run(np.zeros((64, 28, 28), np.uint8))
    masks = [sorted(os.sched_getaffinity(int(task))) for task in os.listdir("/proc/self/task")]
try:
    open_session(model, SessionSpec("openvino", "cpu", threads=2))
    refusal = ""
except UsageError as error:
    refusal = str(error)
print(json.dumps([masks, refusal]))
"""
    masks, refusal = in_a_process(code)
    assert [[usable_cpus()[-1]]] * len(masks) == masks
    assert len(masks) > 1
    assert refusal == "openvino would take 1 threads here, not 2"


@needs_openvino
@pytest.mark.parametrize(
    ("runtime", "options", "words"),
    [
        (
            "openvino",
            {"PERF_COUNTS": "YES"},
            "unknown property of openvino's CPU 'PERF_COUNTS': did you mean 'PERF_COUNT'",
        ),
        ("openvino", {"FULL_DEVICE_NAME": "mine"}, "unknown property of openvino's CPU 'FULL_DEVICE_NAME'"),
        ("openvino", {"PERF_COUNT": "maybe"}, "refuses the options PERF_COUNT=maybe: Wrong value maybe"),
        ("openvino", {"INFERENCE_PRECISION_HINT": "undefined"}, "would compute in .* here, not in undefined"),
        ("openvino", {"INFERENCE_NUM_THREADS": "2"}, "INFERENCE_NUM_THREADS is no option: threads"),
        ("openvino", {"ENABLE_CPU_PINNING": "YES"}, "ENABLE_CPU_PINNING is no option: threads"),
        ("openvino", {"NUM_STREAMS": "2"}, "NUM_STREAMS is no option: threads"),
        (
            "openvino-bf16",
            {"INFERENCE_PRECISION_HINT": "f32"},
            "INFERENCE_PRECISION_HINT is no option of openvino-bf16",
        ),
    ],
)
def test_options_that_make_no_sense(runtime: str, options: dict[str, str], words: str, fp32: Artifact) -> None:
    """A property that does not exist, cannot be set, or is decided elsewhere is refused, and a value it cannot have."""
    if openvino_bf16.available("cpu").providers["cpu"] and runtime == "openvino-bf16":
        pytest.skip("needs a processor with bfloat16")
    with pytest.raises(UsageError, match=words) as info:
        open_session(fp32, spec(runtime, **options))
    assert "\n" not in str(info.value)


@needs_openvino
def test_options_reach_openvino(fp32: Artifact) -> None:
    """Properties are set as given; one stream, no pinning and float32 are set where nothing else is asked for."""

    def settings(**options: str) -> list[Any]:
        with open_session(fp32, spec(**options)) as session:
            compiled: Any = session._first  # type: ignore[attr-defined]
            names = ("PERF_COUNT", "INFERENCE_PRECISION_HINT", "NUM_STREAMS", "ENABLE_CPU_PINNING")
            properties = [compiled.get_property(name) for name in names]
            return [value.get_type_name() if hasattr(value, "get_type_name") else value for value in properties]

    assert settings() == ["NO", "f32", 1, False]
    assert settings(PERF_COUNT="YES") == ["YES", "f32", 1, False]


# Models of others


def foreign(shape: list[int | str], dtype: str = "float32", *, inputs: int = 1) -> ForeignModel:
    """A model without manifest that computes x + x and x * x, or x + y where it has two inputs."""
    onnx = pytest.importorskip("onnx")
    helper, element = onnx.helper, onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    names = ["x", "y"][:inputs]
    nodes = [helper.make_node("Add", ["x", names[-1]], ["sum"]), helper.make_node("Mul", ["x", names[-1]], ["product"])]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info(name, element, shape) for name in names],
        [helper.make_tensor_value_info(name, element, None) for name in ("sum", "product")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ForeignModel(path=Path("foreign.onnx"), content=model.SerializeToString())


@needs_openvino
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int32", "int64", "uint8"])
def test_foreign_model(dtype: str) -> None:
    """A model of any numeric type is run by what OpenVINO tells about it; its first output is the answer."""
    x = (np.arange(30) % 11).reshape(2, 3, 5).astype(dtype)  # no product above 127: OpenVINO saturates
    with open_session(foreign(["batch", 3, 5], dtype), spec()) as session:
        assert [TensorSpec("x", dtype, ["open", 3, 5])] == session.inputs
        assert x.dtype == session.run(x).dtype
        np.testing.assert_array_equal(x + x, session.run(x))
        call: Any = session.bind(x)
        call()
        np.testing.assert_array_equal(x * x, call.func.__self__.get_output_tensor(1).data)


@needs_openvino
def test_foreign_model_with_open_sizes() -> None:
    """A model whose pictures have no fixed size is compiled for the size that comes."""
    with open_session(foreign(["batch", "width"]), spec()) as session:
        assert session.inputs[0].shape == ["open", "open"]
        assert sum(session.placement.nodes.values()) > 0
        for shape in ((1, 4), (3, 7)):
            np.testing.assert_array_equal(np.full(shape, 2), session.run(np.ones(shape, np.float32)))


@needs_openvino
def test_models_that_are_refused() -> None:
    """What is no model, and what has two inputs, is bad input, said in one line."""
    with pytest.raises(BadInput, match=r"openvino refuses broken\.onnx: Unable to read the model") as info:
        open_session(ForeignModel(path=Path("broken.onnx"), content=b"no model"), spec())
    assert "\n" not in str(info.value)
    with pytest.raises(BadInput, match=r"foreign\.onnx has 2 inputs: expected one"):
        open_session(foreign([1, 2], inputs=2), spec())


@needs_openvino
def test_unknown_operators_are_named() -> None:
    """Of a long log of what could not be converted the reason is told, not the advice at its end."""
    model = foreign([1, 2])
    content = model.content.replace(b"Mul", b"Mux")
    with pytest.raises(BadInput, match=r"refuses foreign\.onnx: No conversion rule found for operations: Mux\S*$"):
        open_session(dataclasses.replace(model, content=content), spec())
