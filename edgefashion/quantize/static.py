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
        return target.read()


class _Reader:
    """What onnxruntime calls a CalibrationDataReader: feeds until there are none left."""

    def __init__(self, name: str, pixels: NDArray[np.uint8]) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.uint8]]] = (
            {name: pixels[start : start + _CALIBRATION_BATCH]} for start in range(0, len(pixels), _CALIBRATION_BATCH)
        )

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        """The next feed, or None at the end."""
        return next(self._feeds, None)
