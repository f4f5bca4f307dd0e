"""A small .tflite network written by hand: flatten, to float32, one fully connected layer."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact, from_files
from edgefashion.records import Manifest, TensorSpec

HEIGHT, WIDTH, CLASSES = 3, 5, 10


def drawn_weights() -> NDArray[np.float32]:
    """Of the fully connected layer, float32[classes, pixels]."""
    return np.random.default_rng(1).standard_normal((CLASSES, HEIGHT * WIDTH)).astype(np.float32)


def drawn_images() -> NDArray[np.uint8]:
    """Five pictures that are wider than high."""
    return np.random.default_rng(2).integers(256, size=(5, HEIGHT, WIDTH), dtype=np.uint8)


def artifact(manifest: Manifest, content: bytes) -> Artifact:
    """`content` as a .tflite artifact."""
    taken = TensorSpec(name="images", dtype="uint8", shape=["batch", HEIGHT, WIDTH])
    own = msgspec.structs.replace(manifest, format="tflite", input=taken)
    return from_files(Path("net.tflite"), {"net.tflite": content}, own)


def network(weights: NDArray[np.float32], *, finished: bool = True) -> bytes:
    """uint8[batch, 3, 5] → float32[batch, 10]: the products of each picture with `weights` float32[10, 15].

    Without `finished` as a converter leaves it: the batch fixed at 1, pixels cast, names that say nothing.
    """
    from ai_edge_litert import schema_py_generated as schema
    from ai_edge_litert.tools.flatbuffer_utils import convert_object_to_bytearray

    pixels, batch = HEIGHT * WIDTH, -1 if finished else 1
    kinds = schema.BuiltinOperator
    model = schema.ModelT()
    model.version = 3
    model.buffers = [
        _set(schema.BufferT(), data=None if content is None else np.frombuffer(content.tobytes(), np.uint8))
        for content in (None, np.array([batch, pixels], np.int32), weights, np.zeros(CLASSES, np.float32))
    ]
    model.operatorCodes = [
        _set(schema.OperatorCodeT(), builtinCode=kind, deprecatedBuiltinCode=kind, version=1)
        for kind in (kinds.RESHAPE, kinds.DEQUANTIZE if finished else kinds.CAST, kinds.FULLY_CONNECTED)
    ]
    uint8, float32, int32 = schema.TensorType.UINT8, schema.TensorType.FLOAT32, schema.TensorType.INT32
    tensors = [
        (uint8, [1, HEIGHT, WIDTH], 0),
        (int32, [2], 1),
        (uint8, [1, pixels], 0),
        (float32, [1, pixels], 0),
        (float32, [CLASSES, pixels], 2),
        (float32, [CLASSES], 3),
        (float32, [1, CLASSES], 0),
    ]
    graph = schema.SubGraphT()
    graph.tensors = [
        _set(
            schema.TensorT(),
            name=f"tensor {index}",
            type=element,
            shape=shape,
            buffer=buffer,
            shapeSignature=[-1, *shape[1:]] if finished and not buffer else None,
            quantization=_set(schema.QuantizationParametersT(), scale=[1.0], zeroPoint=[0])
            if finished and element == uint8
            else None,
        )
        for index, (element, shape, buffer) in enumerate(tensors)
    ]
    graph.inputs, graph.outputs = [0], [6]
    graph.operators = [
        _set(schema.OperatorT(), opcodeIndex=index, inputs=taken, outputs=given)
        for index, (taken, given) in enumerate([([0, 1], [2]), ([2], [3]), ([3, 4, 5], [6])])
    ]
    graph.operators[2].builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    graph.operators[2].builtinOptions = schema.FullyConnectedOptionsT()
    model.subgraphs = [graph]
    names = ("images", "logits") if finished else ("args_0", "output_0")
    inputs, outputs = (
        [_set(schema.TensorMapT(), name=name, tensorIndex=index)] for name, index in zip(names, (0, 6), strict=True)
    )
    model.signatureDefs = [
        _set(schema.SignatureDefT(), signatureKey="serving_default", inputs=inputs, outputs=outputs, subgraphIndex=0)
    ]
    return bytes(convert_object_to_bytearray(model))


def _set(target: Any, **values: object) -> Any:
    for name, value in values.items():
        setattr(target, name, value)
    return target
