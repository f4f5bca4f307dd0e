"""Static quantization in QDQ form: int8 weights per channel, uint8 activations with ranges found by calibration.

Source of the scheme: Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference"; per-channel weights: Krishnamoorthi 2018, arXiv:1806.08342.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize.prepare import prepared
from edgefashion.records import Precision

_CALIBRATION_BATCH = 100


@dataclass(frozen=True)
class Config:
    """Settings of static quantization.

    Attributes:
        activations: Type of the activations; uint8 is what x86's and ARM's integer kernels like best.
        per_channel: One scale for each output channel of a weight.
        method: How ranges are found from the calibration pictures.
        calibration_images: How many training pictures are used.
        calibration_seed: Decides which.
    """

    variant: ClassVar[str] = "int8-static"
    precision: ClassVar[Precision] = "int8"

    activations: Literal["uint8", "int8"] = "uint8"
    per_channel: bool = True
    method: Literal["minmax", "percentile"] = "minmax"
    calibration_images: int = 1000
    calibration_seed: int = 0


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:
    """Quantize an onnx.ModelProto, calibrated on `pixels` uint8[N, H, W]."""
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    methods = {"minmax": CalibrationMethod.MinMax, "percentile": CalibrationMethod.Percentile}
    types = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}
    with prepared(model) as (source, target):
        quantize_static(
            source,
            target,
            _Reader(model.graph.input[0].name, pixels),
            quant_format=QuantFormat.QDQ,
            per_channel=config.per_channel,
            activation_type=types[config.activations],
            weight_type=QuantType.QInt8,
            calibrate_method=methods[config.method],
        )
        return keep_output_float(target.read())


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
        self._feeds: Iterator[dict[str, NDArray[np.uint8]]] = (
            {name: pixels[start : start + _CALIBRATION_BATCH]} for start in range(0, len(pixels), _CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next feed, or None at the end."""
        return next(self._feeds, None)
