"""How large an error may be that is nothing but rounding.

float32 beside float32 differs in the order of sums alone: the limit is the one that `verify.parity` reasons for logits,
in float32 epsilons at the tensor's largest value.

A lower precision is held against the reference's own segment, rounded as well as that precision allows: what it takes,
its weights and its result once each, to the float16 nearest or to 2^bits even steps over exactly the range of the
values at hand. A step Δ makes an error of Δ²/12 on average (Widrow and Kollár, "Quantization Noise", 2008), and running
the segment shows what becomes of it: cancelling sums and saturated sigmoids are in the figure.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import Precision
from edgefashion.verify.locate.cuts import Cut
from edgefashion.verify.locate.graph import Graph, extract
from edgefashion.verify.locate.matching import Match
from edgefashion.verify.locate.running import run
from edgefashion.verify.parity import DEFAULT_LIMITS

Measure = Literal["max_abs", "rms"]
Limiter = Callable[[Cut], tuple[Measure, float]]

# A sound quantizer may do worse than the best rounding: weights of 7 bits cost 6 dB, a range that was calibrated 1.6
# times as wide as these pictures need costs another 4. Saturation, a wrong scale or a wrong operator cost more.
TOLERATED_DB = 10.0

_EPSILON = float(np.finfo(np.float32).eps)
_BITS = 8
_FEW_BITS = 4


class Rounding(Protocol):
    """What a precision does to values."""

    def round(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The nearest values that it has."""

    def error(self, values: NDArray[Any]) -> float:
        """The rms error of that, if values fall anywhere between two steps."""


class Float16:
    """11 bits for each number, whatever its magnitude."""

    def round(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The nearest float16."""
        return values.astype(np.float16).astype(np.float32)

    def error(self, values: NDArray[Any]) -> float:
        """Steps are at most the type's epsilon times the number."""
        return float(np.finfo(np.float16).eps * rms(values) / sqrt(12))


@dataclass(frozen=True)
class Steps:
    """2^bits even steps over the values' own range and zero."""

    bits: int

    def round(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The nearest step."""
        step = self._step(values)
        return (np.rint(values / step) * step).astype(np.float32)

    def error(self, values: NDArray[Any]) -> float:
        """Δ/√12 for a step of Δ."""
        return self._step(values) / sqrt(12)

    def _step(self, values: NDArray[Any]) -> float:
        span = max(float(values.max()), 0.0) - min(float(values.min()), 0.0)
        return span / (2**self.bits - 1) or 1.0


def limiter(found: Match, precision: Precision) -> Limiter:
    """What judges the own error of each cut of a candidate in that precision."""
    reference = found.reference
    if reference is None or precision == "float32":
        return lambda cut: ("max_abs", _order_limit(cut))
    of_activations, of_weights = _roundings(found.graph, precision)
    stops = {cut.reference for cut in found.cuts}
    values: dict[str, NDArray[Any]] = {cut.reference: cut.values for cut in found.cuts}
    values[reference.input] = found.images

    def rounding_limit(cut: Cut) -> tuple[Measure, float]:
        segment = extract(reference, stops, cut.reference, values)
        for tensor in segment.graph.initializer:
            _round_weight(tensor, of_weights)
        feeds = {each.name: values[each.name] for each in segment.graph.input}
        rounded = {name: of_activations.round(each) if name in stops else each for name, each in feeds.items()}
        result = of_activations.round(run(segment, rounded)[cut.reference])
        # Values that happen to fall on the steps, as pixels do, would leave no room for another range.
        explained = max(rms(result.astype(np.float64) - cut.values), of_activations.error(cut.values))
        return "rms", explained * 10 ** (TOLERATED_DB / 20)

    return rounding_limit


def rms(values: NDArray[Any]) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))) if values.size else 0.0


def _order_limit(cut: Cut) -> float:
    epsilons = DEFAULT_LIMITS["float32"].max_error_ulps
    if epsilons is None:
        raise ValueError("the default limits of float32 say nothing about its error")
    return epsilons * _EPSILON * float(np.abs(cut.values).max())


def _roundings(candidate: Graph, precision: Precision) -> tuple[Rounding, Rounding]:
    """How a precision rounds activations, and weights."""
    if precision == "float16":
        return Float16(), Float16()
    return Steps(_BITS), Steps(_weight_bits(candidate))


def _round_weight(tensor: Any, rounding: Rounding) -> None:
    from onnx import TensorProto, numpy_helper

    # One-dimensional parameters are biases, which stay finer than the sums they are added to.
    if tensor.data_type == TensorProto.FLOAT and len(tensor.dims) > 1:
        tensor.CopyFrom(numpy_helper.from_array(rounding.round(numpy_helper.to_array(tensor)), tensor.name))


def _weight_bits(candidate: Graph) -> int:
    """Four where any weight has no more: packed by the type of the tensor or by an operator that says so."""
    from onnx import TensorProto

    packed = {TensorProto.INT4, TensorProto.UINT4}
    by_type = any(tensor.data_type in packed for tensor in candidate.constants.values())
    by_operator = any(
        attribute.name == "bits" and attribute.i == _FEW_BITS
        for node in candidate.nodes
        for attribute in node.attribute
    )
    return _FEW_BITS if by_type or by_operator else _BITS
