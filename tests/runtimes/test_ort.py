"""ONNX Runtime in particular: nothing runs under another provider's name."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
import onnxruntime  # noqa: E402 - after the skips

from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.files import UNSEALED  # noqa: E402
from edgefashion.records import SessionSpec  # noqa: E402
from edgefashion.runtimes import open_session, ort  # noqa: E402

CPU = SessionSpec("onnxruntime", "CPUExecutionProvider")
WEBGPU = "WebGpuExecutionProvider"
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
        # Biases of quantized layers are stored as floats; onnxruntime makes integers of them, and a node to read them.
        biases = len([node for node in nodes if node.op_type in ("Conv", "Gemm")]) if name == "int8-static" else 0
        assert 0 < session.placement.nodes["CPUExecutionProvider"] <= len(nodes) + biases
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


def fake_device(kind: str) -> Any:
    """What onnxruntime tells about a plug-in's device, as far as it is looked at."""
    return SimpleNamespace(device=SimpleNamespace(type=SimpleNamespace(name=kind)))


def test_plug_in_is_opened_by_its_device(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plug-in's session is made for one of its devices, with the options, and with no provider's name beside it."""
    gpu = fake_device("GPU")
    given: list[Any] = []

    class Options(onnxruntime.SessionOptions):  # type: ignore[misc]
        def add_provider_for_devices(self, *arguments: Any) -> None:
            given.append(arguments)

    monkeypatch.setattr(ort, "devices_of", lambda _: [gpu])
    monkeypatch.setattr(onnxruntime, "SessionOptions", Options)
    session = ort.OrtSession(fp32, SessionSpec("onnxruntime", WEBGPU, options={"a": "b"}))
    assert given == [([gpu], {"a": "b"})]
    assert session._session.get_providers() == ["CPUExecutionProvider"]


def test_device_must_be_named(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a plug-in's devices of several kinds none is guessed; that is the request's fault and not the model's."""
    monkeypatch.setattr(ort, "devices_of", lambda _: [fake_device("CPU"), fake_device("NPU")])
    with pytest.raises(UsageError, match=r"device=cpu\|npu, not 'none'"):
        ort.OrtSession(fp32, SessionSpec("onnxruntime", WEBGPU))


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


def test_bound_call_computes_what_run_computes(fp32: Artifact, sample: Dataset, bindings: list[Any]) -> None:
    """The call that is timed writes the logits that a plain run gives, of every picture, into the same place."""
    pixels = sample.test.pixels[:6]
    with open_session(fp32, CPU) as session:
        call = session.bind(pixels)
        call()
        place = bindings[0].get_outputs()[0].data_ptr()
        call()
        assert place == bindings[0].get_outputs()[0].data_ptr()
        np.testing.assert_array_equal(session.run(pixels), bindings[0].copy_outputs_to_cpu()[0])


def test_bytes_that_were_checked_are_run(own_run: Path, sample: Dataset) -> None:
    """A session runs what was checked, whatever happened to the file in between."""
    artifact = open_artifact(own_run / "fp32.onnx")
    artifact.path.write_bytes(b"replaced")
    with open_session(artifact, CPU) as session:
        assert session.run(sample.test.pixels[:1]).shape == (1, 10)


def test_a_bound_call_that_does_nothing_is_refused(fp32: Artifact, sample: Dataset) -> None:
    """It would be the fastest model of all: its outputs are not those of the plain call."""
    with open_session(fp32, SessionSpec("onnxruntime", "CPUExecutionProvider")) as session:
        session.bind(sample.test.pixels[:1])
        real = session._session
        session._session = SimpleNamespace(
            run=real.run, io_binding=real.io_binding, run_with_iobinding=lambda _binding: None
        )
        with pytest.raises(CheckFailed, match="answers wrongly through bound"):
            session.bind(sample.test.pixels[:1])


def test_onnxruntime_keeps_no_store_of_events(tmp_path: Path) -> None:
    """With edgefashion imported first, it opens no file in the home folder: nothing is collected to be sent."""
    code = (
        "import edgefashion, os, onnxruntime\n"
        "files = [os.path.realpath(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd')]\n"
        "print([file for file in files if file.startswith(os.environ['HOME'])])"
    )
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**environment, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"
    assert list(tmp_path.iterdir()) == []
