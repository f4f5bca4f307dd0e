"""From a choice to an artifact: quantized once more, proven on the test pictures, and only then kept."""

from dataclasses import replace
from pathlib import Path

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.quantize import apply, mixed
from edgefashion.records import Parity, SensitivityReport
from edgefashion.verify import Limits, ReferenceLogits


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
