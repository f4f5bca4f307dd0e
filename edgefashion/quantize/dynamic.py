"""Dynamic quantization: int8 weights; activations are quantized while the model runs, by their own range.

Convolutions become ConvInteger, for which ONNX Runtime's CPU provider has no fast kernel: on x86 the result is
small and several times slower. It is offered because it needs no calibration; the benchmark tells its price.
"""

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize.prepare import prepared
from edgefashion.quantize.settings import setting, variant_of
from edgefashion.records import Precision


@dataclass(frozen=True)
class Config:
    """Settings of dynamic quantization.

    Attributes:
        weights: Type of the weights; convolutions with uint8 weights have the faster kernel on x86.
        per_channel: One scale for each output channel of a weight.
    """

    precision: ClassVar[Precision] = "int8"
    calibration_images: ClassVar[int] = 0
    calibration_seed: ClassVar[int] = 0

    weights: Literal["int8", "uint8"] = setting("int8", word="{}-weights")
    per_channel: bool = setting(False, word="per-channel")

    @property
    def variant(self) -> str:
        """int8-dynamic, and what differs from the default settings."""
        return variant_of("int8-dynamic", self)


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:  # noqa: ARG001 - schemes share a signature
    """Quantize an onnx.ModelProto; `pixels` are not needed."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with prepared(model) as (source, target):
        quantize_dynamic(
            source,
            target,
            weight_type=QuantType.QInt8 if config.weights == "int8" else QuantType.QUInt8,
            per_channel=config.per_channel,
        )
        return target.read()
