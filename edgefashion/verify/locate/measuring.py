"""The errors at each cut point: of the candidate as a whole, and of each segment by itself."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.errors import UsageError
from edgefashion.records.drift import CutPoint, Deviation, Drift
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.verify.locate.cuts import Cut, is_of_file
from edgefashion.verify.locate.graph import layer_of
from edgefashion.verify.locate.matching import Match, match
from edgefashion.verify.locate.rounding import Limiter, limiter, rms
from edgefashion.verify.locate.running import run

# What follows a layer's own operation; quantizers name it after the operation that comes next.
_CONVERSIONS = {"Cast", "DequantizeLinear", "QuantizeLinear"}


def locate(candidate: Artifact, reference: Artifact, images: NDArray[np.uint8]) -> Drift:
    """Compare `candidate` with `reference` tensor by tensor, and find where it departs.

    The graph is run as it is written, without fusing operators, because fused ones do not give up what lies between
    them; `Drift.unfused_max_abs` tells how far that moves the logits. A tensor that is stored as an integer takes
    reference values rounded as it stores them, so the own error behind it has that rounding in it.

    Args:
        candidate: A float32 export beside its checkpoint, or a quantized model beside the float32 one.
        reference: The checkpoint, or the float32 ONNX artifact.
        images: uint8[N, H, W]; 64 to 256 pictures show what there is to see.

    Raises:
        UsageError: The two are not of kinds that can be compared tensor by tensor.
        BadInput: They come from different checkpoints, or onnxruntime cannot run the graph unfused.
        NotAvailable: onnx or torch is not installed.
    """
    found = match(candidate, reference, images)
    if len(found.cuts) == 1:
        raise UsageError(
            f"no tensor inside {candidate.path} has a counterpart: nodes are named after layers by "
            "`edgefashion export`; export again"
        )
    limit = limiter(found, candidate.manifest.precision)
    points: list[CutPoint] = []
    for cut in found.cuts:
        points.append(_point(found, cut, points, limit))
    with open_session(candidate, default_spec(candidate)) as session:
        shipped = run_all(session, images)
    return Drift(
        candidate=candidate.info,
        reference=f"{reference.manifest.name}/{reference.manifest.variant}",
        images=len(images),
        points=points,
        candidate_only=found.found.candidate_only,
        reference_only=found.found.reference_only,
        unfused_max_abs=deviation(found.whole[found.graph.output], shipped).max_abs,
        peak_logit=float(np.abs(found.values[found.graph.output]).max()),
    )


def deviation(candidate: NDArray[Any], reference: NDArray[Any]) -> Deviation:
    """How far one tensor is from another of its shape; what is not finite on either side is only counted."""
    sound = np.isfinite(candidate) & np.isfinite(reference)
    error = np.abs(candidate[sound].astype(np.float64) - reference[sound])
    return Deviation(
        max_abs=float(error.max(initial=0)),
        rms=rms(error),
        not_finite=int(sound.size - np.count_nonzero(sound)),
    )


def _layer(nodes: list[Any]) -> str:
    """The layer that a segment computes: its last node's, conversions of the result aside."""
    computing = [node for node in nodes if node.op_type not in _CONVERSIONS]
    return layer_of((computing or nodes)[-1])


def _point(found: Match, cut: Cut, before: list[CutPoint], limit: Limiter) -> CutPoint:
    segment = found.segment(cut)
    alone = run(segment, found.feeds(segment), batch=found.batch)[cut.tensor]
    nodes = [node for node in segment.graph.node if is_of_file(node)]
    after = [each.name for each in segment.graph.input if each.name != found.graph.input]
    depths = {point.tensor: point.depth for point in before}
    measure, most = limit(cut)
    return CutPoint(
        tensor=cut.tensor,
        reference=cut.reference,
        layer=_layer(nodes),
        operators=[str(node.op_type) for node in nodes],
        after=after,
        depth=1 + max((depths[name] for name in after), default=0),
        elements=cut.values.size,
        peak=float(np.abs(cut.values).max()),
        rms=rms(cut.values),
        own=deviation(alone, cut.values),
        accumulated=deviation(found.whole[cut.tensor], cut.values),
        measure=measure,
        limit=most,
    )
