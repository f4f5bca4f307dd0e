"""The network without its preprocessing: what the first layer makes of any values."""

from typing import Any

from edgefashion.artifact import Artifact
from edgefashion.environment import require
from edgefashion.errors import BadInput
from edgefashion.subjects import ForeignModel

VALUES = "normalised_values"

# What preprocessing consists of; the first node of another kind is the first layer.
_ARITHMETIC = {"Add", "Sub", "Mul", "Div"}
_RESHAPES = {"Unsqueeze", "Reshape", "Identity"}
_CARRIERS = _RESHAPES | {"Cast", "QuantizeLinear", "DequantizeLinear"}


def without_preprocessing(artifact: Artifact) -> ForeignModel:
    """The model behind the last node that normalises: float32[N, 1, H, W] in, logits out.

    The quantization of these values, where there is one, stays in the network. A quantized model may take pictures as
    they are, and say with a scale and a zero point alone what their levels stand for; then these quantize the values.

    Raises:
        NotAvailable: onnx is not installed.
        BadInput: The graph does not begin with a chain of nodes that normalise floats, nor with quantized pictures.
    """
    require("train", purpose="trying faults of the normalisation")
    import onnx

    if artifact.format != "onnx":
        raise BadInput(f"{artifact.path} is a {artifact.format} file: its normalisation can be cut off in ONNX only")
    model = onnx.load_model_from_string(artifact.content)
    graph = model.graph
    begin = _begin(model)
    if begin is None:
        raise BadInput(f"{artifact.path} does not normalise its pictures by a chain of float nodes")
    _, height, width = artifact.manifest.input.shape
    kept = [begin, *_behind(graph, begin.output[0])]
    used = {name for node in kept for name in node.input}
    weights = [each for each in graph.initializer if each.name in used]
    source = onnx.helper.make_tensor_value_info(VALUES, onnx.TensorProto.FLOAT, ["batch", 1, height, width])
    del graph.node[:], graph.initializer[:], graph.input[:]
    graph.node.extend(kept)
    graph.initializer.extend(weights)
    graph.input.append(source)
    return ForeignModel(path=artifact.path, content=model.SerializeToString())


def _begin(model: Any) -> Any:
    """The node that makes of float32 values what comes first in the network; None where that is not known."""
    import onnx

    cut = _normalised(model.graph)
    if not cut:
        return _quantized(model.graph)
    element = _element_type(model, cut)
    if element not in {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}:
        return None
    return onnx.helper.make_node("Cast", [VALUES], [cut], name="cut/Cast", to=element)


def _quantized(graph: Any) -> Any:
    """A QuantizeLinear with what the first layer takes the pictures' own levels for; None where nothing says so."""
    import onnx

    tensor = graph.input[0].name
    while True:
        consumers = [node for node in graph.node if tensor in node.input]
        if len(consumers) != 1:
            return None
        inputs = list(consumers[0].input)
        if consumers[0].op_type not in _RESHAPES:
            break
        tensor = consumers[0].output[0]
    scale, zero_point = (*inputs[inputs.index(tensor) + 1 :], "", "")[:2]
    kinds = {each.name: each.data_type for each in graph.initializer}
    if (kinds.get(scale), kinds.get(zero_point)) != (onnx.TensorProto.FLOAT, onnx.TensorProto.UINT8):
        return None
    return onnx.helper.make_node("QuantizeLinear", [VALUES, scale, zero_point], [tensor], name="cut/QuantizeLinear")


def _normalised(graph: Any) -> str:
    """The last tensor that arithmetic makes of the pictures alone, before the first layer; "" where there is none."""
    tensor, found = graph.input[0].name, ""
    while True:
        consumers = [node for node in graph.node if tensor in node.input]
        if len(consumers) != 1 or consumers[0].op_type not in _ARITHMETIC | _CARRIERS:
            return found
        tensor = consumers[0].output[0]
        found = tensor if consumers[0].op_type in _ARITHMETIC else found


def _element_type(model: Any, tensor: str) -> int | None:
    import onnx

    inferred = onnx.shape_inference.infer_shapes(model).graph.value_info
    return next((each.type.tensor_type.elem_type for each in inferred if each.name == tensor), None)


def _behind(graph: Any, cut: str) -> list[Any]:
    """The nodes that lead from `cut` to the output, in their order."""
    needed, kept = {output.name for output in graph.output}, []
    for node in reversed(graph.node):
        if needed & set(node.output) and cut not in node.output:
            kept.append(node)
            needed |= set(node.input)
    return kept[::-1]
