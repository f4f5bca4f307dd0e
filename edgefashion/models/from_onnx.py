"""An ONNX graph as a torch module: what an artifact computes, with gradients.

    module = OnnxModule(onnx.load_model_from_string(artifact.content)).eval()
    logits = module(pixels)

Rounding has no useful gradient; the straight-through one of Bengio et al. 2013 (arXiv:1308.3432) stands in for it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from edgefashion.errors import BadInput
from edgefashion.models.onnx_operators import OPERATORS, Attributes, Operator
from edgefashion.models.whole_numbers import Value, real

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

_MIN_OPSET = 18  # before, axes were attributes


@dataclass(frozen=True)
class _Step:
    """One node."""

    operator: Operator
    attributes: Attributes
    inputs: list[str]
    output: str


class OnnxModule(nn.Module):
    """Runs an ONNX classifier in torch: uint8[N, H, W], or float32 in the same units of 0 to 255, → logits.

    Float graphs agree with ONNX Runtime up to the order of sums. In QDQ graphs sums of quantized products are exact
    and are rounded as ONNX Runtime's kernels round them. Weights are buffers: nothing here is trained.

    Raises:
        BadInput: The graph has an operator that is not known, more than one input or output, or an older opset.
    """

    def __init__(self, model: "ModelProto") -> None:
        super().__init__()
        graph = model.graph
        if len(graph.input) != 1 or len(graph.output) != 1:
            raise BadInput(f"the graph has {len(graph.input)} inputs and {len(graph.output)} outputs: expected one")
        opset = next(each.version for each in model.opset_import if each.domain in {"", "ai.onnx"})
        if opset < _MIN_OPSET:
            raise BadInput(f"the graph is of opset {opset}: expected {_MIN_OPSET} or newer")
        self._input, self._output = graph.input[0].name, graph.output[0].name
        self._steps = [_step(node) for node in graph.node]
        self._buffer_names: dict[str, str] = {}
        for index, (name, array) in enumerate(constants_of(model).items()):
            # Names in ONNX hold dots, which torch does not allow.
            self._buffer_names[name] = f"constant_{index}"
            self.register_buffer(f"constant_{index}", torch.from_numpy(array))

    def forward(self, images: Tensor, replaced: Mapping[str, Tensor] | None = None) -> Tensor:
        """Logits float32[N, classes] of `images`; initializers in `replaced`, by name, take these values instead."""
        values: dict[str, Value | None] = {name: self.get_buffer(key) for name, key in self._buffer_names.items()}
        values |= {self._input: images, **(replaced or {}), "": None}  # an empty name leaves an input out
        for step in self._steps:
            values[step.output] = step.operator(step.attributes, *(values[name] for name in step.inputs))
        logits = values[self._output]
        assert logits is not None  # noqa: S101 - the checker proved that a node makes it
        return real(logits)


def constants_of(model: "ModelProto") -> dict[str, np.ndarray]:
    """The initializers of `model` by name, as arrays of their own."""
    from onnx import numpy_helper

    return {each.name: np.array(numpy_helper.to_array(each)) for each in model.graph.initializer}


def _step(node: "NodeProto") -> _Step:
    from onnx import helper

    if node.op_type not in OPERATORS:
        raise BadInput(
            f"{node.name} is a {node.op_type}, which cannot be run in torch: known are {', '.join(OPERATORS)}"
        )
    if len(node.output) != 1:
        raise BadInput(f"{node.name} has {len(node.output)} outputs: expected one")
    return _Step(
        operator=OPERATORS[node.op_type],
        attributes={each.name: helper.get_attribute_value(each) for each in node.attribute},
        inputs=list(node.input),
        output=node.output[0],
    )
