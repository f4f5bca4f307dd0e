"""Where sums of two products may exceed 16 bits on x86-64 CPUs without VNNI: computed from the weights, not run.

There onnxruntime multiplies uint8 activations by int8 weights with VPMADDUBSW, which adds two neighbouring products
and clips the sum to 16 bits; sources: its documentation, "Quantize ONNX models", section "When and why do I need to
try U8U8?", and MLAS's QgemmU8X8KernelAvx2 and ConvSymKernelAvx2. Which products are neighbours:

- Matrix products take the reduced dimension in order, two at a time.
- Convolutions reduce over kernel row, kernel column, then input channel (qlinearconv.cc, `ReorderFilter`; convsym.cpp,
  `MlasConvSymPackW`), so neighbours are channels 0 and 1, 2 and 3, … of one tap where their number is even.

An odd number leaves the last product alone. This order was held against onnxruntime 1.32 under an emulated Haswell
(QEMU 7.2): outputs clipped in this order were its outputs, bit for bit, and in the other order of convolutions not.
With any of the first three remedies below it gave there what it gives with VNNI.

No other combination is clipped: uint8 × uint8 is widened to 16 bits and added in 32 (VPMADDWD), int8 activations of
QOperator models and all of ConvInteger run in 32 bits, depthwise convolutions too. int8 activations of QDQ models
become uint8 (qdq_s8_to_u8.cc), so they are no remedy.
"""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import require
from edgefashion.records.explanation import SaturationBound

if TYPE_CHECKING:
    from onnx import ModelProto

LIMIT = 32_767  # of the 16-bit sum; with factors up to 255 the limit below, −32,768, is exceeded by the same weights
LARGEST_ACTIVATION = 255

REMEDIES = (
    "reduce_range: weights of 7 bits, |w| ≤ 64, whose sums reach 2 × 64 × 255 = 32,640 at most",
    "uint8 weights (U8U8): another instruction, exact and slower",
    "session.x64quantprecision=1: onnxruntime makes such weights uint8 when it loads the model",
    "int8 activations (S8S8) as QOperator: exact and very slow on x86-64; in QDQ form they change nothing",
)

Int8Type = Literal["uint8", "int8"]
Integers = NDArray[np.int64]

# Where the weight stands among the inputs; the activations' zero point is the third of each.
_WEIGHT = {"QLinearConv": 3, "QLinearMatMul": 3, "QGemm": 3, "ConvInteger": 1, "MatMulInteger": 1}
_ZERO_POINT = 2


class _Weighty(NamedTuple):
    """One operator with integer weights and activations, however the file writes it."""

    node: Any  # onnx.NodeProto
    weight: NDArray[Any]  # as it is stored
    activations: Int8Type


def saturation(model: "Artifact | ModelProto") -> list[SaturationBound]:
    """The bound of every layer that computes on 8-bit weights and activations, in the order of the file.

    Layers whose activations are not quantized, weight-only ones among them, have no bound. In QDQ form a layer between
    DequantizeLinear nodes is taken to be fused.

    Raises:
        NotAvailable: The onnx package is not installed.
    """
    require("train", purpose="computing saturation bounds")
    import onnx

    graph = (onnx.load_model_from_string(model.content) if isinstance(model, Artifact) else model).graph
    return [_bound(each) for each in _Reader(graph).operators()]


def rows_in_kernel_order(weight: NDArray[Any], op_type: str, *, transposed: bool = False) -> Integers:
    """int64[output channels, products], each row in the order in which the kernel takes its products.

    Args:
        weight: [out, in, …] of a convolution; [in, out] of a matrix product.
        op_type: Whether it is one or the other: Conv, QLinearConv, Gemm, MatMulInteger, …
        transposed: Whether a matrix product's weight is [out, in].
    """
    wide = weight.astype(np.int64)
    if "Conv" in op_type:
        return np.moveaxis(wide, 1, -1).reshape(len(wide), -1)
    return wide if transposed else wide.T


def largest_pair_sums(rows: Integers) -> Integers:
    """int64[output channels]: the largest |sum| of two neighbouring products, over all uint8 activations.

    An activation may be 0, so that of two weights of unlike sign only one counts.
    """
    even = np.pad(rows, [(0, 0), (0, rows.shape[1] % 2)])
    first, second = even[:, 0::2], even[:, 1::2]
    up = np.maximum(first, 0) + np.maximum(second, 0)
    down = np.maximum(-first, 0) + np.maximum(-second, 0)
    found: Integers = LARGEST_ACTIVATION * np.maximum(up, down).max(axis=1, initial=0)
    return found


def largest_sums_in_any_order(rows: Integers) -> Integers:
    """int64[output channels]: the same, were each channel's two largest weights of one sign neighbours."""
    padded = np.pad(rows, [(0, 0), (0, 2)])
    up, down = (np.sort(np.maximum(sign * padded, 0), axis=1)[:, -2:].sum(axis=1) for sign in (1, -1))
    found: Integers = LARGEST_ACTIVATION * np.maximum(up, down)
    return found


def _bound(found: _Weighty) -> SaturationBound:
    node, weight = found.node, found.weight
    weights: Int8Type = "uint8" if weight.dtype == np.uint8 else "int8"
    clipped, why = _instruction(found, weights)
    rows = rows_in_kernel_order(weight, node.op_type, transposed=_attribute(node, "transB") == 1)
    pairs, anyhow = largest_pair_sums(rows), largest_sums_in_any_order(rows)
    return SaturationBound(
        layer=node.name.rpartition("/")[0] or node.name or node.output[0],
        op_type=node.op_type,
        activations=found.activations,
        weights=weights,
        sums_16_bit=clipped,
        why=why,
        pair_bound=int(pairs.max(initial=0)),
        any_order_bound=int(anyhow.max(initial=0)),
        limit=LIMIT,
        channels=len(rows),
        channels_at_risk=int((pairs > LIMIT).sum()) if clipped else 0,
        channels_at_risk_any_order=int((anyhow > LIMIT).sum()) if clipped else 0,
    )


def _instruction(found: _Weighty, weights: Int8Type) -> tuple[bool, str]:
    """Whether a CPU without VNNI adds pairs in 16 bits, and what does or does not."""
    node, weight = found.node, found.weight
    if node.op_type == "ConvInteger":
        return False, "ConvInteger adds in 32 bits"
    if "Conv" in node.op_type and weight.shape[1] == 1 and _attribute(node, "group") == len(weight) > 1:
        return False, "depthwise: products are added in 32 bits"
    if weights == "uint8":
        return False, "uint8 × uint8 is added in 32 bits (VPMADDWD)"
    if found.activations == "int8":
        return False, "int8 × int8 is added in 32 bits"
    return True, "uint8 × int8 is added in pairs of 16 bits (VPMADDUBSW)"


def _attribute(node: Any, name: str) -> int:
    return next((each.i for each in node.attribute if each.name == name), 0)


class _Reader:
    """Finds operators with 8-bit weights in an onnx.GraphProto of any form."""

    def __init__(self, graph: Any) -> None:
        from onnx.numpy_helper import to_array

        self._graph = graph
        self._stored = {each.name: to_array(each) for each in graph.initializer}
        self._producers = {name: node for node in graph.node for name in node.output}

    def operators(self) -> list[_Weighty]:
        found = (self._written(node) or self._fused(node) for node in self._graph.node)
        return [each for each in found if each is not None and each.weight.dtype in (np.uint8, np.int8)]

    def _written(self, node: Any) -> _Weighty | None:
        """An operator that the file itself writes as an integer one."""
        place = _WEIGHT.get(node.op_type)
        if place is None or node.input[place] not in self._stored:
            return None
        # A zero point that is not stored comes from DynamicQuantizeLinear, which makes uint8.
        point = self._stored.get(node.input[_ZERO_POINT]) if len(node.input) > _ZERO_POINT else None
        signed = point is not None and point.dtype == np.int8
        return _Weighty(node, self._stored[node.input[place]], "int8" if signed else "uint8")

    def _fused(self, node: Any) -> _Weighty | None:
        """An operator in float between DequantizeLinear nodes, which onnxruntime replaces by an integer one."""
        if node.op_type not in {"Conv", "Gemm", "MatMul"}:
            return None
        given, weight = (self._dequantized(name) for name in node.input[:2])
        if given is None or given in self._stored or weight not in self._stored:
            return None
        # On x86-64 onnxruntime makes int8 activations of this form uint8.
        return _Weighty(node, self._stored[weight], "uint8")

    def _dequantized(self, name: str) -> str | None:
        """The tensor of integers behind a tensor of floats; None where no DequantizeLinear made it."""
        producer = self._producers.get(name)
        return producer.input[0] if producer is not None and producer.op_type == "DequantizeLinear" else None
