"""Static quantization in QDQ form: 8-bit weights and activations, whose ranges calibration pictures tell.

Source of the scheme: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; per-channel weights: Krishnamoorthi 2018, arXiv:1806.08342.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import UsageError
from edgefashion.quantize.layers import float_nodes
from edgefashion.quantize.prepare import prepared
from edgefashion.quantize.ranges import Method, find_ranges
from edgefashion.quantize.settings import setting, variant_of
from edgefashion.records import Precision
from edgefashion.registry import unknown


@dataclass(frozen=True)
class Config:
    """Settings of static quantization.

    Attributes:
        method: How ranges are found from the calibration pictures; see `ranges`.
        percentile: For the method of that name: how many of 100 values stay inside the range.
        activations: Type of the activations; uint8 is what x86's integer kernels like best.
        weights: Type of the weights: int8 is symmetric, and uint8 goes with uint8 activations only.
        per_channel: One scale for each output channel of a weight.
        reduce_range: Weights of 7 bits, whose sums of two products fit 16 bits: for x86 processors without VNNI.
        calibration_images: How many training pictures are used.
        calibration_seed: Decides which.

    Raises:
        UsageError: The settings contradict each other, or lie outside of what makes sense.
    """

    base: ClassVar[str] = "int8-static"
    precision: ClassVar[Precision] = "int8"

    method: Method = setting("minmax", word="{}")  # noqa: RUF009 - a field, as dataclasses.field itself
    percentile: float = setting(99.999, word="{}")
    activations: Literal["uint8", "int8"] = setting("uint8", word="{}-activations")
    weights: Literal["int8", "uint8"] = setting("int8", word="{}-weights")
    per_channel: bool = setting(True, word="per-tensor")
    reduce_range: bool = setting(False, word="reduced-range")
    calibration_images: int = setting(1000, word="{}-images")
    calibration_seed: int = setting(0, word="seed-{}")

    def __post_init__(self) -> None:
        if (self.activations, self.weights) == ("int8", "uint8"):
            raise UsageError("int8 activations go with int8 weights: no runtime multiplies them with uint8 weights")
        if self.method not in get_args(Method):
            raise UsageError(unknown("method", self.method, get_args(Method)))
        if not 90 <= self.percentile <= 100:  # noqa: PLR2004 - per cent; NaN fails too
            raise UsageError(f"percentile is {self.percentile}: expected 90 to 100")
        if self.method != "percentile" and self.percentile != Config.percentile:
            raise UsageError(f"percentile is for method=percentile, not for method={self.method}")
        if self.calibration_images < 1 or self.calibration_seed < 0:
            raise UsageError("calibration needs at least one picture, and a seed that is not negative")

    @property
    def variant(self) -> str:
        """int8-static, and what differs from the default settings."""
        return variant_of(self.base, self)


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:
    """Quantize an onnx.ModelProto, calibrated on `pixels` uint8[N, H, W]."""
    return keep_output_float(quantized(model, config, pixels))


def quantized(
    model: Any,
    config: Config,
    pixels: NDArray[np.uint8],
    *,
    float_layers: Collection[str] = (),
    operators: bool = False,
) -> Any:
    """An onnx.ModelProto whose layers but `float_layers` compute in integers, its output rounded like the rest.

    Args:
        model: A float32 classifier; it stays as it is.
        config: Types and ranges.
        pixels: uint8[N, H, W] that the ranges are found with.
        float_layers: Layers that stay float32.
        operators: Integer operators (QOperator form) instead of float32 operators between QuantizeLinear and
            DequantizeLinear (QDQ form).
    """
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static

    types = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
    ranges = find_ranges(model, pixels, config.method, percentile=config.percentile)
    with prepared(model) as (source, target):
        quantize_static(
            source,
            target,
            # It wants to see a picture, though every range is given.
            _Reader(model.graph.input[0].name, pixels[:1]),
            quant_format=QuantFormat.QOperator if operators else QuantFormat.QDQ,
            per_channel=config.per_channel,
            reduce_range=config.reduce_range,
            activation_type=types[config.activations],
            weight_type=types[config.weights],
            nodes_to_exclude=float_nodes(model, float_layers),
            extra_options={
                "TensorQuantOverrides": {
                    name: [{"rmin": np.float32(low), "rmax": np.float32(high)}] for name, (low, high) in ranges.items()
                }
            },
        )
        return target.read()


def keep_output_float(model: Any) -> Any:
    """Take the last QuantizeLinear/DequantizeLinear pair out of an onnx.ModelProto, if its output ends in one.

    Logits rounded to 256 levels tie, and a tie is decided by the order of the classes. The layer before computes
    in integers all the same and hands over its sums as float32.
    """
    graph = model.graph
    producers = {name: node for node in graph.node for name in node.output}
    output = graph.output[0].name
    dequantize = producers[output]
    quantize = producers.get(dequantize.input[0])
    if dequantize.op_type != "DequantizeLinear" or quantize is None or quantize.op_type != "QuantizeLinear":
        return model
    last = producers[quantize.input[0]]
    last.output[list(last.output).index(quantize.input[0])] = output
    graph.node.remove(dequantize)
    graph.node.remove(quantize)
    used = {name for node in graph.node for name in node.input}
    for initializer in [each for each in graph.initializer if each.name not in used]:
        graph.initializer.remove(initializer)
    return model


class _Reader:
    """What onnxruntime calls a CalibrationDataReader: feeds until there are none left."""

    def __init__(self, name: str, pixels: NDArray[np.uint8]) -> None:
        self._feeds = iter([{name: pixels}])

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next feed, or None at the end."""
        return next(self._feeds, None)
