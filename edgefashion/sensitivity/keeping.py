"""From a choice to an artifact: quantized once more, proven on the test pictures, and only then kept."""

from dataclasses import replace
from pathlib import Path

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.quantize import apply, mixed
from edgefashion.records import Parity, SensitivityReport
from edgefashion.verify import Limits, ReferenceLogits, default_limits


def limits_for(max_drop: float, images: int) -> Limits:
    """What a model must hold on the test pictures that may lose `max_drop` of accuracy: int8's limits, or wider ones.

    Accuracy that drops by d takes at least d of the decisions with it, twice d of a class's F1 if one class bears what
    two would, and at most 2 d of the Brier score.
    """
    usual = default_limits("int8", images)
    if usual.max_accuracy_drop is None or usual.min_agreement is None or max_drop <= usual.max_accuracy_drop:
        return usual
    return replace(
        usual,
        max_accuracy_drop=max_drop,
        min_agreement=max(0.0, usual.min_agreement - max_drop),
        max_class_f1_drop=2 * max_drop,
        max_brier_rise=2 * max_drop,
    )


def keep(
    fp32: Artifact,
    report: SensitivityReport,
    data: Dataset,
    *,
    config: mixed.Config | None = None,
    out: Path | None = None,
    reference: Artifact | ReferenceLogits | None = None,
    limits: Limits | None = None,
) -> tuple[Artifact, Parity] | None:
    """The chosen assignment as an artifact beside `fp32`; None where everything stays float32.

    Raises:
        ValueError: The report chose nothing, or is about another model.
        CheckFailed: It does not hold on the test pictures; nothing is written.
    """
    if report.chosen is None or report.artifact.sha256 != fp32.sha256:
        raise ValueError("the report chose no assignment of this model")
    chosen = report.assignments[report.chosen]
    if not chosen.int8_layers:
        return None
    config = replace(config or mixed.Config(), float_layers=tuple(chosen.float_layers))
    return apply(fp32, "mixed", data, config=config, out=out, reference=reference, limits=limits)
