"""What a .tflite file still lacks after conversion: an open batch, pixels that every kernel takes, its proper names."""

from typing import Any

import numpy as np

_ANY = -1
_PIXEL_STEP, _PIXEL_ZERO = 1.0, 0


def finished(content: bytes, *, input_name: str, output_name: str) -> bytes:
    """The model for any number of pictures; each answer stays what it was.

    Args:
        content: A model converted for one picture, with one input and one output.
        input_name: What its signature shall call the pictures.
        output_name: And the logits.
    """
    from ai_edge_litert.tools import flatbuffer_utils

    model = flatbuffer_utils.read_model_from_bytearray(bytearray(content))
    _read_pixels_as_numbers(model)
    _open_batch(model)
    for signature in model.signatureDefs:
        signature.inputs[0].name, signature.outputs[0].name = input_name.encode(), output_name.encode()
    return bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def _read_pixels_as_numbers(model: Any) -> None:
    """Turn each CAST of uint8 to float32 into a DEQUANTIZE with steps of 1 from 0, which gives the same numbers.

    Neither XNNPACK nor TFLite Micro casts uint8; both dequantize it. In LiteRT the cast would run outside of XNNPACK.
    """
    from ai_edge_litert import schema_py_generated as schema

    graph = model.subgraphs[0]
    for operator in graph.operators:
        if _kind(model, operator) != schema.BuiltinOperator.CAST:
            continue
        if graph.tensors[operator.inputs[0]].type != schema.TensorType.UINT8:
            continue
        operator.opcodeIndex = _code_of(model, schema.BuiltinOperator.DEQUANTIZE)
        operator.builtinOptionsType, operator.builtinOptions = schema.BuiltinOptions.NONE, None
    for tensor in graph.tensors:
        if tensor.type == schema.TensorType.UINT8:
            tensor.quantization = schema.QuantizationParametersT()
            tensor.quantization.scale, tensor.quantization.zeroPoint = [_PIXEL_STEP], [_PIXEL_ZERO]


def _open_batch(model: Any) -> None:
    """Leave the first size of whatever is computed open, and let each RESHAPE infer it.

    The converter cannot trace a model whose batch is open.
    """
    from ai_edge_litert.schema_py_generated import BuiltinOperator

    graph = model.subgraphs[0]
    for operator in graph.operators:
        for index in (*operator.inputs, *operator.outputs):
            tensor = graph.tensors[index]
            if not _is_constant(model, tensor):
                tensor.shapeSignature = [_ANY, *tensor.shape[1:]]
        if _kind(model, operator) == BuiltinOperator.RESHAPE:
            target = model.buffers[graph.tensors[operator.inputs[1]].buffer]
            sizes = np.frombuffer(bytes(target.data), np.int32).copy()
            sizes[0] = _ANY
            target.data = sizes.view(np.uint8)


def _is_constant(model: Any, tensor: Any) -> bool:
    data = model.buffers[tensor.buffer].data
    return data is not None and len(data) > 0


def _kind(model: Any, operator: Any) -> int:
    from ai_edge_litert.tools.flatbuffer_utils import get_builtin_code_from_operator_code

    kind: int = get_builtin_code_from_operator_code(model.operatorCodes[operator.opcodeIndex])
    return kind


def _code_of(model: Any, kind: int) -> int:
    """Where the file lists a new operator code for `kind`."""
    from ai_edge_litert.schema_py_generated import OperatorCodeT

    code = OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = kind
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
