"""Weights stored in int8 with one scale for each output channel, arithmetic in float32.

A quarter of the bytes and no calibration; the activations are not rounded. Symmetric per-channel weights:
Krishnamoorthi 2018, arXiv:1806.08342.

Between a stored weight and its layer stand a Cast and a Mul, which ONNX Runtime computes once, when it opens the model:
then it runs as fast as float32 and takes as much memory. A DequantizeLinear would say the same, but ONNX Runtime leaves
it in place for integer kernels to find, and computes it in every call.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import UsageError
from edgefashion.quantize.layers import WEIGHTED
from edgefashion.quantize.settings import setting, variant_of
from edgefashion.records import Precision

_HIGHEST = 127


@dataclass(frozen=True)
class Config:
    """Settings of weight-only quantization.

    Attributes:
        min_weights: Layers with fewer weights stay float32: scales and the extra operator would eat the gain.

    Raises:
        UsageError: `min_weights` is negative.
    """

    precision: ClassVar[Precision] = "int8"
    calibration_images: ClassVar[int] = 0
    calibration_seed: ClassVar[int] = 0

    min_weights: int = setting(256, word="from-{}-weights")

    def __post_init__(self) -> None:
        if self.min_weights < 0:
            raise UsageError(f"min_weights is {self.min_weights}: expected 0 or more")

    @property
    def variant(self) -> str:
        """int8-weight-only, and what differs from the default settings."""
        return variant_of("int8-weight-only", self)


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:  # noqa: ARG001 - schemes share a signature
    """Quantize the weights of an onnx.ModelProto in place; `pixels` are not needed."""
    import onnx

    graph = model.graph
    weights = {each.name: each for each in graph.initializer}
    axes = {node.input[1]: _output_axis(node) for node in graph.node if node.op_type in WEIGHTED}
    restored = []
    for name, axis in axes.items():
        if name not in weights or np.prod(weights[name].dims) < config.min_weights:
            continue
        stored, scales = quantize_weight(onnx.numpy_helper.to_array(weights[name]), axis)
        constants: dict[str, NDArray[Any]] = {f"{name}_quantized": stored, f"{name}_scale": scales}
        graph.initializer.remove(weights[name])
        graph.initializer.extend(onnx.numpy_helper.from_array(values, key) for key, values in constants.items())
        quantized, scale = constants
        unscaled = f"{name}_unscaled"
        restored += [
            onnx.helper.make_node("Cast", [quantized], [unscaled], unscaled, to=onnx.TensorProto.FLOAT),
            onnx.helper.make_node("Mul", [unscaled, scale], [name], f"{name}_restored"),
        ]
    computed = list(graph.node)
    del graph.node[:]
    graph.node.extend([*restored, *computed])
    return model


def quantize_weight(values: NDArray[np.float32], axis: int) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """int8 of the same shape, and a float32 scale for each channel; their product is what the layer computes with.

    Args:
        values: A weight of any shape.
        axis: The axis of its output channels; negative ones count from the end.

    Returns:
        The stored weight, and scales with as many axes, all but `axis` of length 1.
    """
    others = tuple(each for each in range(values.ndim) if each != axis % values.ndim)
    largest = np.abs(values).max(axis=others, keepdims=True)
    scales = largest / np.float32(_HIGHEST)
    # What is this small is nothing beside any other weight, and too small to divide by: it is rounded to zero.
    scales = np.where(scales < np.finfo(np.float32).tiny, np.float32(1), scales)
    stored = np.round(values / scales).clip(-_HIGHEST, _HIGHEST).astype(np.int8)
    return stored, scales


def _output_axis(node: Any) -> int:
    """Where the weight of an onnx.NodeProto has its output channels."""
    if node.op_type == "Gemm":
        return 0 if any(each.name == "transB" and each.i for each in node.attribute) else 1
    return 0 if node.op_type == "Conv" else -1
