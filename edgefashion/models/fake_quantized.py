"""A quantized graph that can be trained: float32 weights and biases behind the rounding that the device will do.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
section 3, with batch-norm folded beforehand. Scales stay as calibration found them: learning them too, as in Esser et
al. 2020, arXiv:1902.08153, brought the seed network's answers no nearer on validation pictures.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from edgefashion.models.from_onnx import OnnxModule, constants_of
from edgefashion.models.whole_numbers import whole

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_WEIGHTED = ("Conv", "Gemm", "MatMul")
# A bias is added to a sum of 32 bits; half of them are left to the sum.
_BIAS_LIMIT = 2**30


class FakeQuantized(nn.Module):
    """A QDQ graph with its weights and biases as parameters: uint8[N, H, W] → logits float32[N, classes].

    Until it is trained it computes what the graph computes. In evaluation mode its sums are exact, so its logits are
    those of the graph that `levels` is written into.
    """

    def __init__(self, model: "ModelProto") -> None:
        super().__init__()
        self.graph = OnnxModule(model)
        constants = constants_of(model)
        trained = {node.input[0]: _Rounded.of(node, constants) for node in _dequantized_weights(model, constants)}
        self._names = list(trained)
        self._rounded = nn.ModuleList(trained.values())

    def forward(self, images: Tensor) -> Tensor:
        """Logits of `images`."""
        levels = (rounded() for rounded in self._rounded)
        # The type of a weight decides in which one its sums are computed.
        exact = levels if self.training else (each.double() for each in levels)
        logits: Tensor = self.graph(images, dict(zip(self._names, exact, strict=True)))
        return logits

    @torch.no_grad()
    def levels(self) -> dict[str, NDArray[Any]]:
        """What the trained weights and biases are as integers, by the name of the initializer that holds them."""
        found = zip(self._names, self._rounded, strict=True)
        return {name: rounded().contiguous().numpy().astype(rounded.dtype) for name, rounded in found}


class _Rounded(nn.Module):
    """One weight or bias in float32, and the levels it is rounded to."""

    scale: Tensor
    zero: Tensor

    def __init__(
        self, levels: NDArray[Any], scale: NDArray[np.float32], zero: NDArray[Any], low: int, high: int
    ) -> None:
        super().__init__()
        self.dtype, self.low, self.high = levels.dtype, low, high
        self.register_buffer("scale", torch.tensor(scale))
        self.register_buffer("zero", torch.tensor(zero.astype(np.float32)))
        values = (torch.tensor(levels.astype(np.float32)) - self.zero) * self.scale
        # channels_last: torch's fastest layout for convolutions on the CPU.
        layout = torch.channels_last if levels.ndim == 4 else torch.contiguous_format  # noqa: PLR2004 - a kernel
        self.values = nn.Parameter(values.contiguous(memory_format=layout))

    @classmethod
    def of(cls, node: "NodeProto", constants: dict[str, NDArray[Any]]) -> "_Rounded":
        """What a DequantizeLinear makes a weight or bias of; it stays between the ends that its levels have now."""
        levels, scale, zero = (constants[name] for name in node.input)
        shape = [1] * levels.ndim
        if scale.size > 1:
            shape[next((each.i for each in node.attribute if each.name == "axis"), 1)] = -1
        is_bias = levels.dtype == np.int32
        low, high = (-_BIAS_LIMIT, _BIAS_LIMIT) if is_bias else (int(levels.min()), int(levels.max()))
        return cls(levels, scale.reshape(shape), zero.reshape(shape), low, high)

    def forward(self) -> Tensor:
        """The levels, as floats, with a gradient."""
        return whole(self.values / self.scale + self.zero, self.low, self.high)


def _dequantized_weights(model: "ModelProto", constants: dict[str, NDArray[Any]]) -> Iterator["NodeProto"]:
    """The nodes that turn stored integers into weights or biases of layers."""
    producers = {name: node for node in model.graph.node for name in node.output}
    for layer in model.graph.node:
        for name in layer.input[1:] if layer.op_type in _WEIGHTED else ():
            node = producers.get(name)
            if node is not None and node.op_type == "DequantizeLinear" and node.input[0] in constants:
                yield node
