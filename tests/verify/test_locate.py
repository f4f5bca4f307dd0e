"""A bug that is put into one node of an export is found at that node, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import pytest

from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records.drift import Drift
from edgefashion.verify.locate import locate

onnx = pytest.importorskip("onnx")

PICTURES = 32


@dataclass(frozen=True)
class Bug:
    """What an exporter could do wrong at a node."""

    node: str
    name: str
    inject: Callable[[onnx.ModelProto, onnx.NodeProto], None]

    def __str__(self) -> str:
        return f"{self.node}: {self.name}"


def edit(position: int, change: Callable[[np.ndarray], np.ndarray]) -> Callable[..., None]:
    """A bug in the constant that a node takes at `position`."""

    def inject(model, node):
        tensor = next(each for each in model.graph.initializer if each.name == node.input[position])
        values = onnx.numpy_helper.to_array(tensor).copy()
        tensor.CopyFrom(onnx.numpy_helper.from_array(change(values), tensor.name))

    return inject


def replace(op_type: str, **attributes: object) -> Callable[..., None]:
    """A bug that puts another operator in a node's place, without the attributes that it does not have."""

    def inject(_, node):
        kept = [each for each in node.attribute if each.name in {"kernel_shape", "strides", "pads"}]
        node.op_type = op_type
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes.items())

    return inject


def set_attributes(**attributes: object) -> Callable[..., None]:
    """A bug in a node's attributes."""

    def inject(_, node):
        kept = [each for each in node.attribute if each.name not in attributes]
        del node.attribute[:]
        node.attribute.extend(kept)
        node.attribute.extend(onnx.helper.make_attribute(name, value) for name, value in attributes.items())

    return inject


def flatten_channels_last(model, node) -> None:
    """A bug of exporters that lay pictures out otherwise: the elements are flattened in another order."""
    moved = onnx.helper.make_node("Transpose", [node.input[0]], ["moved"], "network/Transpose", perm=[0, 2, 3, 1])
    node.input[0] = "moved"
    model.graph.node.insert(list(model.graph.node).index(node), moved)


def one_weight_off(values: np.ndarray) -> np.ndarray:
    """The largest weight is a tenth too small."""
    values.flat[np.abs(values).argmax()] *= 0.9
    return values


CONVOLUTIONS = [f"features.{index}.conv/Conv" for index in range(3)]
DENSE = ["hidden/Gemm", "classify/Gemm"]

BUGS = [
    Bug("preprocessing/Mul", "another scale", edit(1, lambda scale: scale * np.float32(1.001))),
    Bug("preprocessing/Mul", "not divided by 255", edit(1, lambda scale: scale * np.float32(255))),
    Bug("preprocessing/Add", "mean not subtracted", edit(1, np.zeros_like)),
    *(Bug(node, "one weight off", edit(1, one_weight_off)) for node in (*CONVOLUTIONS, *DENSE)),
    *(Bug(node, "bias lost", edit(2, np.zeros_like)) for node in (*CONVOLUTIONS, *DENSE)),
    *(Bug(node, "wrong pads", set_attributes(pads=[2, 2, 0, 0])) for node in CONVOLUTIONS),
    Bug(CONVOLUTIONS[1], "dilated", set_attributes(pads=[2, 2, 2, 2], dilations=[2, 2])),
    Bug(CONVOLUTIONS[2], "kernel transposed", edit(1, lambda weight: weight.transpose(0, 1, 3, 2).copy())),
    Bug("classify/Gemm", "classes reversed", edit(1, lambda weight: weight[::-1].copy())),
    *(Bug(f"features.{index}.relu/Relu", "leaky", replace("LeakyRelu", alpha=0.01)) for index in range(3)),
    *(Bug(f"features.{index}.pool/MaxPool", "averages", replace("AveragePool")) for index in range(3)),
    Bug("network/Reshape", "channels last", flatten_channels_last),
    Bug("network/Sigmoid", "hard", replace("HardSigmoid")),
]


@pytest.fixture(scope="module")
def images(sample: Dataset) -> np.ndarray:
    """A few pictures."""
    return sample.test.pixels[:PICTURES]


def with_bug(artifact: Artifact, bug: Bug) -> Artifact:
    """The artifact with one node spoilt."""
    model = onnx.load_model_from_string(artifact.content)
    bug.inject(model, next(node for node in model.graph.node if node.name == bug.node))
    return from_content(stamp_onnx(model, artifact.manifest), artifact.path)


def departing(drift: Drift) -> list[str]:
    """The tensors at which a candidate departs."""
    return [point.tensor for point in drift.points if point.departs]


# The tensor that shows what a node computes: some lie inside a segment that only its end is known of.
SHOWN = {"preprocessing/Mul": "preprocessing/Add", "classify/Gemm": "logits"}


@pytest.mark.parametrize("bug", BUGS, ids=str)
def test_a_bug_is_located_at_its_node(bug: Bug, fp32: Artifact, checkpoint: Artifact, images) -> None:
    """The node with the bug departs, and none of those that only hand its error on."""
    drift = locate(with_bug(fp32, bug), checkpoint, images)
    expected = SHOWN.get(bug.node, bug.node)
    assert [expected] == departing(drift)
    assert drift.first is not None
    assert (expected, bug.node.rpartition("/")[0]) == (drift.first.tensor, drift.first.layer)
    assert drift.first == drift.worst[0]


def test_every_computing_node_was_given_a_bug(fp32: Artifact) -> None:
    """No node of the graph is left untried but the two that only give the pixels another shape and type."""
    nodes = {node.name for node in onnx.load_model_from_string(fp32.content).graph.node}
    assert {"preprocessing/Unsqueeze", "preprocessing/Cast"} == nodes - {bug.node for bug in BUGS}


def test_a_sound_export_departs_nowhere(fp32: Artifact, checkpoint: Artifact, images) -> None:
    """Every node of the graph is matched with PyTorch, and its error is that of the order of sums."""
    drift = locate(fp32, checkpoint, images)
    assert None is drift.first
    assert {SHOWN.get(bug.node, bug.node) for bug in BUGS} == {point.tensor for point in drift.points}
    assert drift.reference_only == ["hidden"]
    assert drift.candidate_only == ["preprocessing/Unsqueeze", "preprocessing/Cast", "preprocessing/Mul"]
    assert list(range(1, len(drift.points) + 1)) == [point.depth for point in drift.points]
    assert drift.unfused_max_abs < 1e-4 * drift.peak_logit


def test_folded_batch_norm_is_matched_with_the_module_that_went_into_it(
    fp32: Artifact, checkpoint: Artifact, images
) -> None:
    """A layer's tensor is what the batch-norm behind it gives; functions give what the next module takes."""
    drift = locate(fp32, checkpoint, images)
    references = {point.tensor: point.reference for point in drift.points}
    assert references["hidden/Gemm"] == "output of norm"
    assert references["network/Sigmoid"] == "input of classify"
    assert references["network/Reshape"] == "input of hidden"
    assert references["preprocessing/Add"] == "input of features.0.conv"


def test_what_is_not_finite_departs(fp32: Artifact, checkpoint: Artifact, images, tmp_path: Path) -> None:
    """A result that is no number is located, and the document that says so can be read again."""
    lost = Bug("features.1.conv/Conv", "no number", edit(1, lambda weight: weight * np.float32("nan")))
    drift = locate(with_bug(fp32, lost), checkpoint, images)
    assert drift.first is not None
    assert drift.first.layer == "features.1.conv"
    assert drift.first.elements == drift.first.own.not_finite
    again = Drift.load(drift.save(tmp_path / "drift.json"))
    assert drift.points == again.points


def test_kinds_that_cannot_be_compared_are_refused(
    tiny_run: Path, fp32: Artifact, checkpoint: Artifact, images
) -> None:
    """Modules are compared with float32 graphs only, and nothing with a quantized reference."""
    int8 = open_artifact(tiny_run / "int8-static.onnx")
    with pytest.raises(UsageError, match="PyTorch's modules are compared with a float32"):
        locate(int8, checkpoint, images)
    with pytest.raises(UsageError, match="expected a float32 reference"):
        locate(fp32, int8, images)


def test_models_of_different_checkpoints_are_refused(fp32: Artifact, checkpoint: Artifact, images) -> None:
    """Two trainings have nothing in common that could drift."""
    manifest = msgspec.structs.replace(fp32.manifest, checkpoint_sha256="0" * 64)
    other = from_content(stamp_onnx(onnx.load_model_from_string(fp32.content), manifest), fp32.path)
    with pytest.raises(BadInput, match="different checkpoints"):
        locate(other, checkpoint, images)


def test_a_graph_that_does_not_run_is_bad_input(fp32: Artifact, checkpoint: Artifact, images) -> None:
    """What onnxruntime cannot open is told in one line."""
    broken = with_bug(fp32, Bug("network/Sigmoid", "unknown", replace("NoSuchOperator")))
    with pytest.raises(BadInput, match="cannot run the graph"):
        locate(broken, checkpoint, images)


def test_without_torch_it_is_not_available(
    fp32: Artifact, checkpoint: Artifact, images, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device is told what to install before anything is computed."""
    monkeypatch.setattr("edgefashion.environment.find_spec", lambda _: None)
    with pytest.raises(NotAvailable, match="locating drift needs torch"):
        locate(fp32, checkpoint, images)
