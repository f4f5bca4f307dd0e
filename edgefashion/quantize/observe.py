"""What a float32 model's tensors hold for calibration pictures: their extremes, and histograms."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BATCH = 100
_BINS = 2048
_NARROWEST = 1e-30  # what is narrower holds one value, and its bins cannot be told apart in float32


@dataclass(frozen=True)
class Histogram:
    """How often the values of a tensor fell into equal bins.

    Attributes:
        edges: float64[bins + 1], from the lowest to the highest value seen.
        counts: int64[bins].
    """

    edges: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def low(self) -> float:
        """The lowest value seen."""
        return float(self.edges[0])

    @property
    def high(self) -> float:
        """The highest value seen."""
        return float(self.edges[-1])

    @property
    def centers(self) -> NDArray[np.float64]:
        """float64[bins], the middle of each bin."""
        middles: NDArray[np.float64] = (self.edges[:-1] + self.edges[1:]) / 2
        return middles


def extremes(
    model: Any, pixels: NDArray[np.uint8], *, leave_out: Collection[str] = ()
) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of every float32 tensor that an onnx.ModelProto computes from `pixels`.

    Args:
        model: A classifier.
        pixels: uint8[N, H, W].
        leave_out: Tensors that are not looked at.
    """
    seen: dict[str, tuple[float, float]] = {}
    for name, values in _tensors(model, pixels, leave_out):
        low, high = seen.get(name, (np.inf, -np.inf))
        seen[name] = min(low, float(values.min())), max(high, float(values.max()))
    return seen


def histograms(model: Any, pixels: NDArray[np.uint8], *, leave_out: Collection[str] = ()) -> dict[str, Histogram]:
    """A histogram of every tensor of which `extremes` tells the ends.

    The pictures are run twice, as the bins are known only when the extremes are; nothing is kept but counts.
    """
    ends = extremes(model, pixels, leave_out=leave_out)
    counts = {name: np.zeros(_BINS, dtype=np.int64) for name in ends}
    for name, values in _tensors(model, pixels, leave_out):
        counts[name] += _count(values, *ends[name])
    return {name: Histogram(np.linspace(low, high, _BINS + 1), counts[name]) for name, (low, high) in ends.items()}


def _count(values: NDArray[np.float32], low: float, high: float) -> NDArray[np.int64]:
    """How many values lie in each bin: np.histogram, which refuses a tensor whose values hardly differ, for any."""
    bins_per_unit = np.float32(_BINS / max(high - low, _NARROWEST))
    index = ((values.ravel() - np.float32(low)) * bins_per_unit).astype(np.int64)
    return np.bincount(np.minimum(index, _BINS - 1), minlength=_BINS)


def _tensors(
    model: Any, pixels: NDArray[np.uint8], leave_out: Collection[str]
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Every float32 tensor by name, once for each batch of pictures."""
    import onnx
    import onnxruntime

    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    graph = inferred.graph
    # Weights are described beside what is computed.
    computed = {name for node in graph.node for name in node.output} - {graph.output[0].name, *leave_out}
    values = [value for value in graph.value_info if value.name in computed]
    graph.output.extend(each for each in values if each.type.tensor_type.elem_type == onnx.TensorProto.FLOAT)
    options = onnxruntime.SessionOptions()
    # A fused operator hides what is computed inside it.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(inferred.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [value.name for value in session.get_outputs()]
    image = session.get_inputs()[0].name
    for start in range(0, len(pixels), _BATCH):
        yield from zip(names, session.run(None, {image: pixels[start : start + _BATCH]}), strict=True)
