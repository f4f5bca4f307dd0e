"""Static quantization in QOperator form: the graph itself names integer operators (QLinearConv, QGemm, ...).

Generators of C code read this form and emit integer arithmetic, where from QDQ they emit float32. ONNX Runtime itself
recommends QDQ. On x86 it has a fast kernel for this form with uint8 activations and int8 weights, which are the
default, and runs int8 activations several times slower than float32; kernels for microcontrollers want those.

Logits are rounded to 256 levels, unlike those of `static`: QGemm could hand over float32, but the generator that was
tried (emx-onnx-cgen 1.4) takes only the form that rounds. Two classes may tie, and the first of them is the answer.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import UsageError
from edgefashion.quantize import static
from edgefashion.quantize.pooling import means_as_pooling


@dataclass(frozen=True)
class Config(static.Config):
    """Settings of static quantization.

    Raises:
        UsageError: uint8 weights with a scale for each channel: QLinearConv has int8 weights then.
    """

    base: ClassVar[str] = "int8-qoperator"

    def __post_init__(self) -> None:
        super().__post_init__()
        check(self)


def check(config: static.Config) -> None:
    """Return silently if QOperator form has operators for these settings.

    Raises:
        UsageError: uint8 weights with a scale for each channel: QLinearConv has int8 weights then.
    """
    if config.weights == "uint8" and config.per_channel:
        raise UsageError("uint8 weights have one scale in QOperator form: add per_channel=false")


def apply(model: Any, config: static.Config, pixels: NDArray[np.uint8]) -> Any:
    """Quantize an onnx.ModelProto, calibrated on `pixels` uint8[N, H, W]."""
    return static.quantized(means_as_pooling(model), config, pixels, operators=True)
