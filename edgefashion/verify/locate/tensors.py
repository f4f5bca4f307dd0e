"""A float32 graph beside one quantized from it.

A node that computes floats has the same name in both. Where a quantizer put others in its place, the tensor that it
gave has the same name, or one that onnxruntime's quantizers make of it.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.verify.locate.cuts import Counterparts, Cut, quantization_of
from edgefashion.verify.locate.graph import Graph, exposing
from edgefashion.verify.locate.running import run

# Activations that are nothing but a bound, which the range of an integer tensor draws as well.
_BOUNDS = {"Relu", "Clip"}


def tensor_counterparts(graph: Graph, reference: Graph, images: NDArray[np.uint8]) -> Counterparts:
    """The tensors of a quantized `graph` that stand for one of `reference`, with the latter's values for `images`."""
    values = run(exposing(reference, list(reference.computed)), {reference.input: images})
    floats = [name for name, each in values.items() if each.dtype == np.float32 and len(each) == len(images)]
    stands = _standing_for(graph, reference, floats)
    cuts = {stands[name]: Cut(stands[name], name, values[name]) for name in floats if name in stands}
    return Counterparts(
        cuts=tuple(cuts[name] for name in graph.computed if name in cuts),
        candidate_only=[],  # whatever a quantizer inserts lies inside a segment
        reference_only=[name for name in floats if name not in stands],
    )


def _standing_for(graph: Graph, reference: Graph, names: list[str]) -> dict[str, str]:
    """The candidate's tensor for each of the reference's that it has."""
    stands: dict[str, str] = {}
    for name in names:
        tensor = _rounded(graph, reference.producers[name].name, name)
        if tensor is not None:
            stands[name] = tensor
            continue
        # Quantizers leave out a bound that the integers have anyway: the tensor before then stands for the one behind.
        node = reference.producers[name]
        if node.op_type in _BOUNDS and node.input[0] in stands:
            stands[name] = stands.pop(node.input[0])
    return stands


def _rounded(graph: Graph, node: str, name: str) -> str | None:
    """The tensor that the nodes behind it really take: after rounding, where there is no other way than through it.

    Args:
        graph: The candidate.
        node: What the node that computes it is called in the reference.
        name: What the tensor is called there.
    """
    if name not in graph.computed and node in graph.by_name:
        name = str(graph.by_name[node].output[0])
    if name not in graph.computed:
        quantized = f"{name}_quantized"
        return quantized if quantized in graph.computed and quantization_of(graph, quantized) else None
    quantize = _only_consumer(graph, name, "QuantizeLinear")
    if quantize is None:
        return name
    dequantize = _only_consumer(graph, quantize.output[0], "DequantizeLinear")
    if dequantize is not None:
        return str(dequantize.output[0])
    return str(quantize.output[0]) if quantization_of(graph, quantize.output[0]) else name


def _only_consumer(graph: Graph, name: str, op_type: str) -> Any:
    consumers = graph.consumers.get(name, [])
    if name != graph.output and len(consumers) == 1 and consumers[0].op_type == op_type:
        return consumers[0]
    return None
