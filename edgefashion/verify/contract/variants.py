"""The other artifacts in an artifact's folder: a device may run one of them."""

import numpy as np

from edgefashion.artifact import Artifact, open_artifact
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.records import Precision
from edgefashion.verify.contract.prediction import Prediction, rounding
from edgefashion.verify.reference import ReferenceLogits, golden_reference

_FINENESS: tuple[Precision, ...] = ("float32", "float16", "int8")


def other_variants(artifact: Artifact, golden: ReferenceLogits) -> tuple[list[Prediction], list[Prediction], list[str]]:
    """What the other ONNX files beside `artifact` answer to the same golden pictures, by what they carry.

    Returns:
        Predictions of those that round no coarser than `artifact`, of those that do, and why some files give none.
    """
    own = _FINENESS.index(artifact.manifest.precision)
    alike: list[Prediction] = []
    coarser: list[Prediction] = []
    remarks: list[str] = []
    for path in sorted(artifact.path.parent.glob("*.onnx")):
        if path.name == artifact.path.name:
            continue
        try:
            other = open_artifact(path)
            answers = golden_reference(other)
        except (BadInput, NotAvailable) as error:
            remarks.append(f"not tried: {path.name}: {error}")
            continue
        if not np.array_equal(answers.pixels, golden.pixels) or answers.logits.shape != golden.logits.shape:
            remarks.append(f"not tried: {path.name}: it carries other golden pictures")
            continue
        precision = other.manifest.precision
        prediction = Prediction(
            fault=f"another variant runs: {other.manifest.variant} ({precision})",
            remedy=f"load {artifact.path.name}, or verify {path.name}",
            logits=answers.logits,
            limit=rounding(answers.logits, precision),
        )
        (coarser if _FINENESS.index(precision) > own else alike).append(prediction)
    return alike, coarser, remarks
