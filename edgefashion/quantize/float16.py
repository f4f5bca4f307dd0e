"""float16 weights and arithmetic, with uint8 in and float32 logits out as before.

Half the bytes. A CPU without float16 arithmetic computes in float32 behind casts and gains no speed.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Precision


@dataclass(frozen=True)
class Config:
    """float16 has no settings."""

    variant: ClassVar[str] = "fp16"
    precision: ClassVar[Precision] = "float16"
    calibration_images: ClassVar[int] = 0
    calibration_seed: ClassVar[int] = 0


def apply(model: Any, config: Config, pixels: NDArray[np.uint8]) -> Any:  # noqa: ARG001 - schemes share a signature
    """Convert an onnx.ModelProto; `pixels` are not needed."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    return convert_float_to_float16(model, keep_io_types=True)
