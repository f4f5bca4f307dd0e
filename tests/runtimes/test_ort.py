"""ONNX Runtime in particular: nothing runs under another provider's name."""

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
import onnxruntime  # noqa: E402 - after the skips

from edgefashion.artifact import Artifact, ForeignModel, from_content, open_artifact, stamp_onnx  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable, UsageError  # noqa: E402
from edgefashion.files import UNSEALED  # noqa: E402
from edgefashion.records import SessionSpec, TensorSpec  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, ort  # noqa: E402

CPU = SessionSpec("onnxruntime", "CPUExecutionProvider")
AZURE = "AzureExecutionProvider"  # part of the plain build; it takes no node of an ordinary model


def edited(artifact: Artifact, edit: Any) -> Artifact:
    """The artifact after `edit` changed its onnx.ModelProto, soundly sealed."""
    model = onnx.load_model_from_string(artifact.content)
    edit(model)
    return from_content(stamp_onnx(model, msgspec.structs.replace(artifact.manifest, seal=UNSEALED)), artifact.path)


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic", "int8-static", "fp16"])
def test_every_node_is_accounted_for(name: str, tiny_run: Path) -> None:
    """The placement accounts for all of the model, on the provider that was asked for."""
    artifact = open_artifact(tiny_run / f"{name}.onnx")
    with open_session(artifact, CPU) as session:
        assert list(session.placement.nodes) == ["CPUExecutionProvider"]
        nodes = onnx.load_model_from_string(artifact.content).graph.node
        assert 0 < session.placement.nodes["CPUExecutionProvider"] <= len(nodes)
        if name == "fp32":
            assert len(nodes) == session.placement.nodes["CPUExecutionProvider"]


@pytest.mark.parametrize("allow_partial", [False, True])
def test_provider_that_takes_nothing(fp32: Artifact, *, allow_partial: bool) -> None:
    """A provider that is here and takes no node is refused, with the counts: the session would be the CPU's."""
    if AZURE not in onnxruntime.get_available_providers():
        pytest.skip("this build of onnxruntime does not contain the Azure provider")
    spec = SessionSpec("onnxruntime", AZURE, allow_partial=allow_partial)
    with pytest.raises(NotAvailable, match=rf"{AZURE} took none of the 17 nodes of fp32\.onnx \(17 on CPUExecution"):
        open_session(fp32, spec)


@pytest.mark.parametrize("allow_partial", [False, True])
def test_provider_that_takes_some(fp32: Artifact, monkeypatch: pytest.MonkeyPatch, *, allow_partial: bool) -> None:
    """A session of which nodes landed elsewhere is given only to who allows it."""
    monkeypatch.setattr(ort, "_count_nodes", lambda _: {CPU.provider: 16, AZURE: 1})
    spec = msgspec.structs.replace(CPU, allow_partial=allow_partial)
    if allow_partial:
        assert {CPU.provider: 16, AZURE: 1} == open_session(fp32, spec).placement.nodes
    else:
        with pytest.raises(NotAvailable, match=f"took 16 of the 17 nodes of fp32.onnx .1 on {AZURE}.*--allow-partial"):
            open_session(fp32, spec)


def test_time_is_shared_out_from_a_real_profile(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where several providers have nodes a second session is profiled; here it finds the CPU busy, and nobody else."""
    monkeypatch.setattr(ort, "_count_nodes", lambda _: {CPU.provider: 16, AZURE: 1})
    with open_session(fp32, msgspec.structs.replace(CPU, allow_partial=True)) as session:
        (name, share), *others = session.placement.time_share.items()
        assert (CPU.provider, []) == (name, others)
        assert 0.05 < share <= 1
        assert session.placement is session.placement


def test_time_is_not_shared_out_without_need(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that runs in one place is not profiled."""
    monkeypatch.setattr(ort, "_time_share", lambda *_: pytest.fail("it was profiled"))
    with open_session(fp32, CPU) as session:
        assert session.placement.time_share == {}


def test_profile_leaves_nothing_behind(fp32: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The profile is deleted once it is read."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    with open_session(fp32, CPU) as session:
        assert ort._time_share(fp32, CPU, session.inputs)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_put_in_a_provider_s_place(fp32: Artifact) -> None:
    """The fallback of onnxruntime, which answers a failure with a session on the CPU, is off."""
    with open_session(fp32, CPU) as session:
        assert session._session._enable_fallback is False  # type: ignore[attr-defined]


def test_options_of_the_cpu(fp32: Artifact) -> None:
    """The CPU provider takes no options: onnxruntime would accept any, and ignore it."""
    with pytest.raises(UsageError, match="CPUExecutionProvider takes no options: got arena, other"):
        open_session(fp32, msgspec.structs.replace(CPU, options={"arena": "1", "other": "2"}))


def test_options_reach_the_provider(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is given as options is what onnxruntime is given for that provider, and for no other."""
    given: list[Any] = []
    create = onnxruntime.InferenceSession

    def spy(*args: Any, providers: Any, **settings: Any) -> Any:
        given.append(providers)
        return create(*args, providers=["CPUExecutionProvider"], **settings)

    monkeypatch.setattr(onnxruntime, "InferenceSession", spy)
    ort.OrtSession(fp32, SessionSpec("onnxruntime", "TensorrtExecutionProvider", options={"device_id": "1"}))
    assert given == [[("TensorrtExecutionProvider", {"device_id": "1"}), "CUDAExecutionProvider"]]


@pytest.mark.parametrize(
    ("spec", "refused", "kind", "words"),
    [
        (SessionSpec("onnxruntime", AZURE, options={"a": "b"}), "options", UsageError, "refuses the options a=b: no"),
        (
            SessionSpec("onnxruntime", AZURE, options={"a": "b"}),
            "provider",
            NotAvailable,
            f"{AZURE} cannot open .*: no",
        ),
        (SessionSpec("onnxruntime", AZURE), "provider", NotAvailable, f"{AZURE} cannot open .*fp32.onnx: no"),
        (SessionSpec("onnxruntime", AZURE), "model", BadInput, "onnxruntime refuses .*fp32.onnx: no"),
        (CPU, "model", BadInput, "onnxruntime refuses .*fp32.onnx: no"),
    ],
)
def test_who_is_to_blame(
    spec: SessionSpec, refused: str, kind: type[Exception], words: str, fp32: Artifact, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no session can be made, the fault is the options', the provider's or the model's: what it helps to omit."""

    def create(_: object, asked: SessionSpec) -> None:
        if {"options": asked.options, "provider": asked.provider == AZURE, "model": True}[refused]:
            raise RuntimeError("no")

    monkeypatch.setattr(ort, "_create", create)
    with pytest.raises(kind, match=words):
        ort.OrtSession(fp32, spec)


def test_refused_model(fp32: Artifact, capfd: pytest.CaptureFixture[str]) -> None:
    """A model that ONNX Runtime refuses is bad input, with its reason in one line and nothing on the terminal."""

    def misname(model: Any) -> None:
        model.graph.node[4].op_type = "NoSuchOperator"

    with pytest.raises(BadInput, match=r"onnxruntime refuses .*fp32\.onnx: .*NoSuchOperator") as raised:
        open_session(edited(fp32, misname), CPU)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


@pytest.fixture
def bindings(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every binding that is made, in order."""
    made: list[Any] = []
    io_binding = onnxruntime.InferenceSession.io_binding
    monkeypatch.setattr(
        onnxruntime.InferenceSession, "io_binding", lambda session: made.append(io_binding(session)) or made[-1]
    )
    return made


def test_bound_call_computes_what_run_computes(fp32: Artifact, sample: Dataset, bindings: list[Any]) -> None:
    """The call that is timed writes the logits that a plain run gives, of every picture, into the same place."""
    pixels = sample.test.pixels[:6]
    with open_session(fp32, CPU) as session:
        call = session.bind(pixels)
        place = bindings[0].get_outputs()[0].data_ptr() if bindings[0].get_outputs() else None
        call()
        first = bindings[0].get_outputs()[0].data_ptr()
        call()
        assert first == bindings[0].get_outputs()[0].data_ptr()
        assert place in (None, first)
        np.testing.assert_array_equal(session.run(pixels), bindings[0].copy_outputs_to_cpu()[0])


def test_bytes_that_were_checked_are_run(own_run: Path, sample: Dataset) -> None:
    """A session runs what was checked, whatever happened to the file in between."""
    artifact = open_artifact(own_run / "fp32.onnx")
    artifact.path.write_bytes(b"replaced")
    with open_session(artifact, CPU) as session:
        assert session.run(sample.test.pixels[:1]).shape == (1, 10)


# Models of others: nothing is known but what onnxruntime tells.


def foreign(shape: list[int | str], element: int, nodes: list[Any], outputs: list[Any]) -> ForeignModel:
    """A model with one input `x`, without manifest and seal."""
    helper = onnx.helper
    graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", element, shape)], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ForeignModel(path=Path("foreign.onnx"), content=model.SerializeToString())


def doubling(shape: list[int | str], element: int) -> ForeignModel:
    """A model that computes y = x + x."""
    y = onnx.helper.make_tensor_value_info("y", element, None)
    return foreign(shape, element, [onnx.helper.make_node("Add", ["x", "x"], ["y"])], [y])


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int32", "int64", "uint8"])
def test_foreign_model(dtype: str, batch: int, bindings: list[Any]) -> None:
    """A model of any numeric type is run and bound by what onnxruntime tells about it."""
    model = doubling(["batch", 3, 5], onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    x = np.arange(batch * 15).reshape(batch, 3, 5).astype(dtype)
    with open_session(model, default_spec(model)) as session:
        assert [TensorSpec("x", dtype, ["batch", 3, 5])] == session.inputs
        assert x.dtype == session.run(x).dtype
        np.testing.assert_array_equal(x + x, session.run(x))
        session.bind(x)()
        np.testing.assert_array_equal(x + x, bindings[0].get_outputs()[0].numpy())


def test_foreign_model_with_two_outputs(bindings: list[Any]) -> None:
    """The first output is the answer; the timed call computes all of them."""
    helper, element = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Add", ["x", "x"], ["sum"]), helper.make_node("Mul", ["x", "x"], ["square"])]
    outputs = [helper.make_tensor_value_info(name, element, None) for name in ("square", "sum")]
    x = np.array([[1.0, 3.0]], np.float32)
    with open_session(model := foreign([1, 2], element, nodes, outputs), default_spec(model)) as session:
        assert [TensorSpec("x", "float32", [1, 2])] == session.inputs
        np.testing.assert_array_equal([[1, 9]], session.run(x))
        session.bind(x)()
        assert [output.tolist() for output in bindings[0].copy_outputs_to_cpu()] == [[[1, 9]], [[2, 6]]]


def test_open_dimensions_have_a_word() -> None:
    """A dimension that is open and has no name is told from one of a known size."""
    model = doubling([None, 2], onnx.TensorProto.FLOAT)  # type: ignore[list-item]
    with open_session(model, default_spec(model)) as session:
        assert session.inputs[0].shape == ["open", 2]


def test_input_that_does_not_fit() -> None:
    """An input of another shape or type is bad input, with both named, in a plain and in a bound run."""
    model = doubling([2, 3], onnx.TensorProto.FLOAT)
    with open_session(model, default_spec(model)) as session:
        for x in (np.zeros((5, 3), np.float32), np.zeros((2, 3), np.int64)):
            for act in (session.run, session.bind):
                with pytest.raises(
                    BadInput, match=rf"onnxruntime cannot run foreign.onnx on {x.dtype}\[., 3\]: "
                ) as info:
                    act(x)
                assert "\n" not in str(info.value)
