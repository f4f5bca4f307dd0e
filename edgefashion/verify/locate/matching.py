"""A candidate beside its reference: their common tensors, the pictures, and the segments in between."""

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import require
from edgefashion.errors import BadInput, UsageError
from edgefashion.verify.locate.cuts import Counterparts, Cut, in_float
from edgefashion.verify.locate.graph import Graph, exposing, extract
from edgefashion.verify.locate.modules import module_counterparts
from edgefashion.verify.locate.running import run
from edgefashion.verify.locate.tensors import tensor_counterparts


@dataclass(frozen=True)
class Match:
    """Two models cut at the same places.

    Attributes:
        graph: The candidate; every tensor at a cut is float32.
        reference: The float32 graph; None where the reference is PyTorch.
        images: uint8[N, H, W].
        found: The cuts, and what has no counterpart.
        whole: What the candidate as a whole computes at each cut.
    """

    graph: Graph
    reference: Graph | None
    images: NDArray[np.uint8] = field(repr=False)
    found: Counterparts
    whole: dict[str, NDArray[np.float32]] = field(repr=False)

    @property
    def cuts(self) -> tuple[Cut, ...]:
        """In the order of execution."""
        return self.found.cuts

    @cached_property
    def stops(self) -> set[str]:
        """The tensors at which segments begin and end."""
        return {cut.tensor for cut in self.cuts}

    @cached_property
    def values(self) -> dict[str, NDArray[Any]]:
        """Reference values of every cut by the candidate's names, and the pictures."""
        return {self.graph.input: self.images, **{cut.tensor: cut.values for cut in self.cuts}}

    @property
    def batch(self) -> int | None:
        """Pictures a call; None where all may go together."""
        return _batch(self.graph)

    def segment(self, cut: Cut) -> Any:
        """The part of the candidate that ends in `cut`, as an onnx.ModelProto."""
        return extract(self.graph, self.stops, cut.tensor, self.values)

    def feeds(self, segment: Any) -> dict[str, NDArray[Any]]:
        """Reference values of what a segment takes."""
        return {each.name: self.values[each.name] for each in segment.graph.input}


def match(candidate: Artifact, reference: Artifact, images: NDArray[np.uint8]) -> Match:
    """Cut `candidate` wherever `reference` tells what a tensor should be on `images` uint8[N, H, W].

    Raises:
        UsageError: The two are not of kinds that can be compared tensor by tensor, or give different outputs.
        BadInput: They come from different checkpoints, or onnxruntime cannot run the graph unfused.
        NotAvailable: onnx or torch is not installed.
    """
    require("train", purpose="locating drift")
    _check(candidate, reference)
    graph = _graph(candidate)
    truth = None if reference.format == "safetensors" else _graph(reference)
    if truth is None:
        found = module_counterparts(graph, reference, images)
    else:
        found = tensor_counterparts(graph, truth, images)
    graph = in_float(graph, [cut.tensor for cut in found.cuts])
    whole = run(exposing(graph, [cut.tensor for cut in found.cuts]), {graph.input: images}, batch=_batch(graph))
    found = _of_one_shape(found, whole)
    if all(cut.tensor != graph.output for cut in found.cuts):
        raise UsageError(
            f"{candidate.path} and {reference.path} do not give the same output: {graph.output} is unknown"
        )
    return Match(graph, truth, images, found, whole)


def _check(candidate: Artifact, reference: Artifact) -> None:
    by_modules = reference.format == "safetensors"
    if candidate.format != "onnx" or (by_modules and candidate.manifest.precision != "float32"):
        raise UsageError(
            f"{candidate.path} is {candidate.format} in {candidate.manifest.precision}: PyTorch's modules are compared "
            "with a float32 ONNX model, and that with the models quantized from it"
        )
    if reference.manifest.precision != "float32":
        raise UsageError(f"{reference.path} is {reference.manifest.precision}: expected a float32 reference")
    origin = reference.sha256 if by_modules else reference.manifest.checkpoint_sha256
    if candidate.manifest.checkpoint_sha256 != origin:
        raise BadInput(f"{candidate.path} and {reference.path} come from different checkpoints")


def _graph(artifact: Artifact) -> Graph:
    import onnx

    model = onnx.load_model_from_string(artifact.content)
    # Notes on types would contradict what is changed; onnxruntime finds types by itself.
    del model.metadata_props[:], model.graph.value_info[:]
    return Graph(model)


def _batch(graph: Graph) -> int | None:
    """One picture a call where pictures would share a range that is found while the model runs, else all."""
    return 1 if any(node.op_type == "DynamicQuantizeLinear" for node in graph.nodes) else None


def _of_one_shape(found: Counterparts, whole: dict[str, NDArray[np.float32]]) -> Counterparts:
    """Without the cuts whose two sides cannot be compared element by element."""
    unlike = [cut for cut in found.cuts if whole[cut.tensor].shape != cut.values.shape]
    return replace(
        found,
        cuts=tuple(cut for cut in found.cuts if cut not in unlike),
        candidate_only=[*found.candidate_only, *(cut.tensor for cut in unlike)],
        reference_only=[*found.reference_only, *(cut.reference for cut in unlike)],
    )
