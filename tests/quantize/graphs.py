"""What the tests ask of an onnx.ModelProto, and a network of every kind of layer that can be quantized."""

from collections import Counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize import SCHEMES
from edgefashion.quantize.settings import parse


def operators(model: Any) -> Counter[str]:
    """How often each operator occurs."""
    return Counter(node.op_type for node in model.graph.node)


def quantized(model: Any, text: str, pixels: NDArray[np.uint8]) -> Any:
    """A copy of `model`, quantized as `text` says, calibrated on `pixels` uint8[N, H, W], and checked."""
    import onnx

    scheme, config = parse(text)
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    result = SCHEMES.load(scheme).apply(copy, config, pixels)
    onnx.checker.check_model(result, full_check=True)
    return result


def constants(model: Any) -> dict[str, NDArray[Any]]:
    """Every initializer by name."""
    from onnx import numpy_helper

    return {each.name: numpy_helper.to_array(each) for each in model.graph.initializer}


def stored_weights(model: Any) -> dict[str, NDArray[Any]]:
    """The quantized weights of layers, biases not among them, by the name of the float32 weight."""
    stored = {name.removesuffix("_quantized"): values for name, values in constants(model).items()}
    return {name: values for name, values in stored.items() if name.endswith(".weight") and values.dtype.itemsize == 1}


def scales(model: Any) -> dict[str, NDArray[Any]]:
    """The scale of every activation and weight that has one."""
    return {name: values for name, values in constants(model).items() if name.endswith("_scale")}


def answers(model: Any, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The output for `pixels`."""
    import onnxruntime

    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(None, {session.get_inputs()[0].name: pixels})[0]
    return output


def branched() -> Any:
    """Two branches added, then a MatMul: uint8[N, 4, 4] in, float32[N, 2] out; layers "left", "right" and "head"."""
    from onnx import TensorProto, helper, numpy_helper

    generator = np.random.default_rng(0)
    weights = {
        "left.weight": generator.normal(size=(3, 1, 3, 3)),
        "right.weight": generator.normal(size=(3, 1, 3, 3)),
        "head.weight": generator.normal(size=(48, 2)),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["images", "one"], ["planes"], "preprocessing/Unsqueeze"),
        helper.make_node("Cast", ["planes"], ["x"], "preprocessing/Cast", to=TensorProto.FLOAT),
        helper.make_node("Conv", ["x", "left.weight"], ["left"], "left/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["x", "right.weight"], ["right"], "right/Conv", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["left", "right"], ["sum"], "join/Add"),
        helper.make_node("Relu", ["sum"], ["positive"], "join/Relu"),
        helper.make_node("Flatten", ["positive"], ["flat"], "flatten/Flatten"),
        helper.make_node("MatMul", ["flat", "head.weight"], ["logits"], "head/MatMul"),
    ]
    graph = helper.make_graph(
        nodes,
        "branched",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 4, 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 2])],
        [
            numpy_helper.from_array(np.array([1], dtype=np.int64), "one"),
            *(numpy_helper.from_array(values.astype(np.float32), name) for name, values in weights.items()),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
