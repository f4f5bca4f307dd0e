"""The same model in fewer bytes: what a file says twice, or says although nobody needs it, is left out.

    smaller = compact(model)

Weights are a third of a small quantized file as quantizers write it; the rest is names, zeros, defaults and shapes that
follow from others. Every logit stays the same to the last bit, and ONNX Runtime fuses the same integer kernels.
"""

from typing import Any

from edgefashion.quantize.compact.biases import store_biases_as_floats
from edgefashion.quantize.compact.integers import drop_zero_points, move_integers, take_pictures_as_levels
from edgefashion.quantize.compact.names import shorten_names
from edgefashion.quantize.compact.repeated import drop_defaults, drop_notes, share_constants

# Constants that are shared have one name, by which the steps behind see that they are equal.
_STEPS = (
    drop_notes,
    drop_defaults,
    share_constants,
    take_pictures_as_levels,
    move_integers,
    drop_zero_points,
    store_biases_as_floats,
    shorten_names,
)


def compact(model: Any) -> Any:
    """A smaller onnx.ModelProto that computes what `model` does; `model` stays as it is.

    Nodes keep the names that tell their layers, tensors and weights do not. There must be no graph inside a node.
    """
    import onnx

    smaller = onnx.ModelProto()
    smaller.CopyFrom(model)
    for step in _STEPS:
        step(smaller)
    return smaller
