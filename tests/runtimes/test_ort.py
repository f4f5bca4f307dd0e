"""ONNX Runtime in particular: nothing runs under another provider's name."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx  # noqa: E402 - after the skips
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable  # noqa: E402
from edgefashion.files import UNSEALED  # noqa: E402
from edgefashion.records import Placement, SessionSpec  # noqa: E402
from edgefashion.runtimes import open_session, ort  # noqa: E402

CPU = SessionSpec("onnxruntime", "CPUExecutionProvider")


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


@pytest.mark.parametrize(
    "nodes",
    [
        {"CPUExecutionProvider": 10, "XnnpackExecutionProvider": 7},
        {"XnnpackExecutionProvider": 17},
    ],
)
def test_partial_placement_is_refused(nodes: dict[str, int], fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """A model of which the provider took only a part, or nothing, is not run under its name."""
    monkeypatch.setattr(ort, "_placement", lambda _: Placement(nodes=nodes, source="made up"))
    with pytest.raises(NotAvailable, match=r"CPUExecutionProvider did not take all of fp32: .* of 17 nodes on Xnnpack"):
        open_session(fp32, CPU)


def test_tensorrt_may_leave_nodes_to_cuda(fp32: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """What TensorRT leaves to CUDA still runs on the device that was asked for; what it leaves to the CPU does not."""

    class FakeSession:
        placement = Placement(nodes={}, source="made up")

        def __init__(self, *_: object) -> None: ...

    monkeypatch.setattr(ort, "OrtSession", FakeSession)
    monkeypatch.setattr(ort, "require_provider", lambda *_: None)
    spec = SessionSpec("onnxruntime", "TensorrtExecutionProvider")
    for other, refused in (("CUDAExecutionProvider", False), ("CPUExecutionProvider", True)):
        FakeSession.placement = Placement(nodes={"TensorrtExecutionProvider": 10, other: 7}, source="made up")
        if refused:
            with pytest.raises(NotAvailable, match="7 of 17 nodes on CPU"):
                open_session(fp32, spec)
        else:
            assert FakeSession.placement == open_session(fp32, spec).placement


def test_refused_model(fp32: Artifact, capfd: pytest.CaptureFixture[str]) -> None:
    """A model that ONNX Runtime refuses is bad input, with its reason in one line and nothing on the terminal."""

    def misname(model: Any) -> None:
        model.graph.node[4].op_type = "NoSuchOperator"

    with pytest.raises(BadInput, match=r"onnxruntime refuses .*fp32\.onnx: .*NoSuchOperator") as raised:
        open_session(edited(fp32, misname), CPU)
    assert "\n" not in str(raised.value)
    assert capfd.readouterr() == ("", "")


def test_bound_call_computes_what_run_computes(fp32: Artifact, sample: Dataset) -> None:
    """The call that is timed writes the logits that a plain run gives."""
    pixels = sample.test.pixels[:6]
    with open_session(fp32, CPU) as session:
        bound: list[Any] = []
        inner = session._session  # type: ignore[attr-defined]

        class Spy:
            def io_binding(self) -> Any:
                bound.append(inner.io_binding())
                return bound[-1]

            def run_with_iobinding(self, binding: Any) -> None:
                inner.run_with_iobinding(binding)

        session._session = Spy()  # type: ignore[attr-defined]
        session.bind(pixels)()
        session._session = inner  # type: ignore[attr-defined]
        np.testing.assert_array_equal(session.run(pixels), bound[0].copy_outputs_to_cpu()[0])


def test_bytes_that_were_checked_are_run(own_run: Path, sample: Dataset) -> None:
    """A session runs what was checked, whatever happened to the file in between."""
    artifact = open_artifact(own_run / "fp32.onnx")
    artifact.path.write_bytes(b"replaced")
    with open_session(artifact, CPU) as session:
        assert session.run(sample.test.pixels[:1]).shape == (1, 10)
