"""Mixed precision: static quantization in QDQ form, with some layers left in float32.

"Only these layers in int8" is the complement: `float_layers` are then all the others of `layers.layers_of`.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgefashion.quantize import static
from edgefashion.quantize.settings import setting


@dataclass(frozen=True)
class Config(static.Config):
    """Settings of static quantization, and which layers it leaves alone.

    Attributes:
        float_layers: Names of layers, as `layers.layers_of` gives them; none is the same as `static`.
    """

    base: ClassVar[str] = "int8-mixed"

    float_layers: tuple[str, ...] = setting((), word="float-{}")


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:
    """Quantize an onnx.ModelProto but for some layers, calibrated on `pixels` uint8[N, H, W].

    Raises:
        UsageError: A layer's name is unknown.
    """
    return static.keep_output_float(static.quantized(model, config, pixels, float_layers=config.float_layers))
