"""An ONNX graph as the C generator wants it: one picture, every type told, integer sums rescaled in float32."""

from typing import Any

from edgefashion.verify.locate.running import run

_GEMM_INPUTS = 9  # of com.microsoft.QGemm, the last two of them scale and zero point of a quantized output


def for_one_picture(model: Any) -> Any:
    """A copy of an onnx.ModelProto for a batch of one, with the element type and shape of each tensor.

    The manifest is left behind: the generator would copy it into its code.
    """
    import onnx

    lowered = onnx.ModelProto()
    lowered.CopyFrom(model)
    del lowered.metadata_props[:]
    for value in (*lowered.graph.input, *lowered.graph.output):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.HasField("dim_param"):
                dimension.dim_value = 1
    _gemms_as_convolutions(lowered.graph)
    _declare_tensors(lowered)
    return lowered


def _gemms_as_convolutions(graph: Any) -> None:
    """Put a QLinearConv in the place of each QGemm: the same sums, rescaled as ONNX Runtime does it.

    ONNX Runtime rescales the sums of both operators in float32. The generator does so for QLinearConv, but for QGemm
    in float64: a sum next to the middle of two levels is then rounded to the other one.
    """
    weights = {each.name: each for each in graph.initializer}
    nodes = [
        part
        for node in graph.node
        for part in (_as_convolution(graph, node, weights) if _is_plain_gemm(node, weights) else [node])
    ]
    del graph.node[:]
    graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    for name in weights.keys() - used:
        graph.initializer.remove(weights[name])


def _is_plain_gemm(node: Any, weights: dict[str, Any]) -> bool:
    """Whether a node is a QGemm with a quantized output, and constant weights that lie row by output."""
    given = {each.name: each.f if each.name == "alpha" else each.i for each in node.attribute}
    return (
        (node.domain, node.op_type) == ("com.microsoft", "QGemm")
        and (given.get("alpha", 1.0), given.get("transA", 0), given.get("transB", 0)) == (1.0, 0, 1)
        and len(node.input) == _GEMM_INPUTS
        and node.input[3] in weights
    )


def _as_convolution(graph: Any, node: Any, weights: dict[str, Any]) -> list[Any]:
    import numpy as np
    from onnx import helper, numpy_helper

    data, data_scale, data_zero, weight, weight_scale, weight_zero, bias, output_scale, output_zero = node.input
    matrix = numpy_helper.to_array(weights[weight])
    outputs, inputs = matrix.shape
    kernel, image, product = (f"{node.name}/{part}" for part in ("kernel", "image", "product"))
    # A picture of one line, as wide as the kernel: the generator then writes a row of weights in a line of code.
    shapes = {f"{image}.shape": [1, 1, 1, inputs], f"{product}.shape": [1, outputs]}
    graph.initializer.append(numpy_helper.from_array(matrix[:, None, None, :], kernel))
    graph.initializer.extend(numpy_helper.from_array(np.array(shape), name) for name, shape in shapes.items())
    quantities = [data_scale, data_zero, kernel, weight_scale, weight_zero, output_scale, output_zero, bias]
    to_image, to_row = shapes
    return [
        helper.make_node("Reshape", [data, to_image], [image], name=image),
        helper.make_node("QLinearConv", [image, *quantities], [product], name=node.name, kernel_shape=[1, inputs]),
        helper.make_node("Reshape", [product, to_row], node.output, name=product),
    ]


def _declare_tensors(model: Any) -> None:
    """Write the type and shape of every tensor into the graph, as ONNX Runtime computes them.

    Shape inference of the onnx package stops at operators of other domains.
    """
    import numpy as np
    from onnx import ModelProto, helper

    graph = model.graph
    outputs = {each.name for each in graph.output}
    computed = [name for node in graph.node for name in node.output if name not in outputs]
    looked_at = ModelProto()
    looked_at.CopyFrom(model)
    looked_at.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in computed)
    (image,) = graph.input
    given = image.type.tensor_type
    shape = [dimension.dim_value for dimension in given.shape.dim]
    values = run(looked_at, {image.name: np.zeros(shape, helper.tensor_dtype_to_np_dtype(given.elem_type))})
    del graph.value_info[:]
    graph.value_info.extend(
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(values[name].dtype), values[name].shape)
        for name in computed
    )
