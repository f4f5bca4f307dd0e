"""Artifacts with a fault that no test picture meets."""

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from edgefashion.artifact import Artifact, from_content, stamp_onnx
from edgefashion.files import UNSEALED

ALTERED = 4


@pytest.fixture(scope="module", autouse=True)
def few_altered_pictures() -> Iterator[None]:
    """Edge inputs are made from fewer test pictures, which saves most of the time."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("edgefashion.verify.search.search._ALTERED", ALTERED)
        yield


def edited(artifact: Artifact, edit: Callable[[Any], None]) -> Artifact:
    """The artifact after `edit` changed its onnx.ModelProto, soundly sealed."""
    model = onnx.load_model_from_string(artifact.content)
    edit(model)
    onnx.checker.check_model(model)
    return from_content(stamp_onnx(model, msgspec.structs.replace(artifact.manifest, seal=UNSEALED)), artifact.path)


def behind(model: Any, name: str, nodes: list[Any], **constants: np.ndarray) -> None:
    """Put `nodes`, which read "trapped" and write `name`, behind whatever wrote `name`."""
    writer = next(node for node in model.graph.node if name in node.output)
    place = list(model.graph.node).index(writer) + 1
    writer.output[0] = "trapped"
    rest = [onnx.NodeProto.FromString(node.SerializeToString()) for node in model.graph.node[place:]]
    del model.graph.node[place:]
    model.graph.node.extend([*nodes, *rest])
    model.graph.initializer.extend(numpy_helper.from_array(array, key) for key, array in constants.items())


def wrong_when_bright(artifact: Artifact, *, above: float, by: float = 1.0) -> Artifact:
    """Adds `by` to every logit of a picture whose pixels are brighter than `above` on average."""

    def edit(model: Any) -> None:
        logits, images = model.graph.output[0].name, model.graph.input[0].name
        nodes = [
            helper.make_node("Cast", [images], ["as_float"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["as_float", "sides"], ["brightness"], keepdims=0),
            helper.make_node("Greater", ["brightness", "threshold"], ["is_bright"]),
            helper.make_node("Cast", ["is_bright"], ["as_number"], to=onnx.TensorProto.FLOAT),
            helper.make_node("Mul", ["as_number", "fault"], ["added"]),
            helper.make_node("Unsqueeze", ["added", "last"], ["column"]),
            helper.make_node("Add", ["trapped", "column"], [logits]),
        ]
        behind(
            model,
            logits,
            nodes,
            sides=np.array([1, 2]),
            last=np.array([1]),
            threshold=np.float32(above),
            fault=np.float32(by),
        )

    return edited(artifact, edit)


def cut_off(artifact: Artifact, *, at: float) -> Artifact:
    """No logit is above `at`: an activation that saturates."""

    def edit(model: Any) -> None:
        logits = model.graph.output[0].name
        behind(
            model,
            logits,
            [helper.make_node("Clip", ["trapped", "", "most"], [logits])],
            most=np.float32(at),
        )

    return edited(artifact, edit)


def not_a_number_when_bright(artifact: Artifact, *, above: float) -> Artifact:
    """Gives logits that are no numbers for very bright pictures."""

    def edit(model: Any) -> None:
        logits, images = model.graph.output[0].name, model.graph.input[0].name
        nodes = [
            helper.make_node("Cast", [images], ["as_float"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["as_float", "sides"], ["brightness"], keepdims=0),
            helper.make_node("Sub", ["threshold", "brightness"], ["left"]),
            helper.make_node("Sqrt", ["left"], ["root"]),
            helper.make_node("Mul", ["root", "nothing"], ["added"]),
            helper.make_node("Unsqueeze", ["added", "last"], ["column"]),
            helper.make_node("Add", ["trapped", "column"], [logits]),
        ]
        behind(
            model,
            logits,
            nodes,
            sides=np.array([1, 2]),
            last=np.array([1]),
            threshold=np.float32(above),
            nothing=np.float32(0),
        )

    return edited(artifact, edit)
