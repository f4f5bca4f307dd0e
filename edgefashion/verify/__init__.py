"""Verify that an artifact is the model it was exported from: the same decisions on the same pictures.

parity = verify.compare(int8, checkpoint, split)
parity.passed, parity.agreement, parity.flips
parity.decisions.most_damaged, parity.decisions.confidence, parity.certificate
"""

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import CheckFailed, UsageError
from edgefashion.records import Parity, SessionSpec
from edgefashion.runtimes import Logits, default_spec, in_words, open_session, run_all
from edgefashion.verify.decisions import measure_decisions
from edgefashion.verify.margins import MARGIN_SHARE, certify
from edgefashion.verify.parity import (
    DEFAULT_LIMITS,
    Limits,
    default_limits,
    differences,
    judge,
    override,
    with_pictures,
)
from edgefashion.verify.quality import measure_quality
from edgefashion.verify.reference import ReferenceLogits, find_reference, from_artifact

__all__ = [
    "DEFAULT_LIMITS",
    "Limits",
    "ReferenceLogits",
    "compare",
    "default_limits",
    "find_reference",
    "from_artifact",
    "measure_quality",
    "override",
]


def compare(
    candidate: Artifact,
    reference: Artifact | ReferenceLogits,
    data: Dataset,
    *,
    spec: SessionSpec | None = None,
    limits: Limits | None = None,
) -> Parity:
    """Run `candidate` on the reference's pictures and compare logits, decisions and quality.

    Args:
        candidate: What is verified.
        reference: An artifact, which is run on the test pictures of `data`, or logits from `find_reference`.
        data: Gives the class names, and the test pictures when `reference` is an artifact.
        spec: Runtime and provider; ONNX Runtime's CPU provider for ONNX by default.
        limits: Instead of the default limits of the candidate's precision, all of them.

    Returns:
        The figures and the checks made on them; nothing is raised when a check fails.

    Raises:
        CheckFailed: Logits are not finite, so that no figure could be computed.
        UsageError: The limits say nothing about this reference.
        NotAvailable: The runtime or provider is not here.
    """
    truth = from_artifact(reference, data) if isinstance(reference, Artifact) else reference
    spec = spec or default_spec(candidate)
    with open_session(candidate, spec) as session:
        logits = run_all(session, truth.pixels)
    _check_finite(truth.logits, truth.source)
    _check_finite(logits, str(candidate.path))
    found = differences(logits, truth.logits, truth.labels)
    precision = candidate.manifest.precision
    limits = limits or default_limits(precision, len(truth.labels), golden=truth.golden)
    quality = reference_quality = decisions = certificate = None
    if not truth.golden:
        quality = measure_quality(logits, truth.labels, data.labels)
        reference_quality = measure_quality(truth.logits, truth.labels, data.labels)
        decisions = measure_decisions(logits, truth.logits, truth.labels, data.labels)
        certificate = certify(logits, truth.logits, margin_share=limits.margin_share or MARGIN_SHARE)
    checks = judge(found, limits, decisions=decisions, certificate=certificate)
    if not checks:
        raise UsageError(f"no limit applies to {truth.source}: give one of error, flips or agreement")
    return Parity(
        artifact=candidate.info,
        runtime=f"{in_words(spec)} · {spec.provider}",
        reference=truth.source,
        images=len(truth.labels),
        max_abs=found.max_abs,
        mean_abs=found.mean_abs,
        max_rel=found.max_rel,
        mean_rel=found.mean_rel,
        max_reference_logit=found.max_reference_logit,
        agreement=found.agreement,
        flips=with_pictures(found.flips, truth.pixels),
        reference_quality=reference_quality,
        quality=quality,
        checks=checks,
        decisions=decisions,
        certificate=certificate,
    )


def _check_finite(logits: Logits, source: str) -> None:
    broken = int(np.count_nonzero(~np.isfinite(logits).all(axis=1)))
    if broken:
        raise CheckFailed(f"{source} gives logits that are not finite on {broken} of {len(logits)} pictures")
