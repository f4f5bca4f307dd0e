"""Parity: the smallest lie is found."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from edgefashion import verify
from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx
from edgefashion.data import Dataset
from edgefashion.errors import CheckFailed
from edgefashion.files import UNSEALED
from edgefashion.records import Parity, VerifyReport
from edgefashion.verify import DEFAULT_LIMITS, Limits, ReferenceLogits
from edgefashion.verify.parity import differences, judge

LABELS = np.array([0, 1, 2, 1], dtype=np.uint8)
LOGITS = np.array([[4, 1, 0], [0, 3, 2.5], [0, 1, 2], [-8, 0.5, 0]], dtype=np.float32)

logits = npst.arrays(np.float32, (4, 3), elements=st.floats(-100, 100, width=32))


def edited(artifact: Artifact, edit: Any) -> Artifact:
    """The artifact after `edit` changed its onnx.ModelProto, soundly sealed."""
    onnx = pytest.importorskip("onnx")
    model = onnx.load_model_from_string(artifact.content)
    edit(model, onnx.numpy_helper)
    manifest = msgspec.structs.replace(artifact.manifest, seal=UNSEALED)
    return from_content(stamp_onnx(model, manifest), artifact.path)


def scale_weights(factor: float) -> Any:
    """An edit that multiplies one weight of the last layer."""

    def edit(model: Any, helper: Any) -> None:
        last = next(found for found in model.graph.initializer if found.name.endswith("classify.weight"))
        values = helper.to_array(last).copy()
        values[0, 0] *= factor
        last.CopyFrom(helper.from_array(values, last.name))

    return edit


# The figures


def test_one_flipped_decision_is_named() -> None:
    """One changed decision is found, with its picture, its label, both classes and both margins."""
    candidate = LOGITS.copy()
    candidate[1] = [0, 2.5, 2.75]
    found = differences(candidate, LOGITS, LABELS)
    (flip,) = found.flips
    assert (flip.index, flip.label, flip.reference_class, flip.candidate_class) == (1, 1, 1, 2)
    assert (flip.reference_margin, flip.candidate_margin) == (0.5, 0.25)
    assert found.agreement == 0.75


def test_figures_by_hand() -> None:
    """Absolute figures are over all logits; relative ones divide by the reference, or by one where it is small."""
    candidate = LOGITS.copy()
    candidate[3, 0] -= 2  # 2 off at a reference of -8
    candidate[3, 1] -= 0.25  # .25 off at a reference of .5
    found = differences(candidate, LOGITS, LABELS)
    assert (found.max_abs, found.mean_abs) == (2.0, 2.25 / 12)
    assert (found.max_rel, found.mean_rel) == (0.25, 0.5 / 12)
    assert found.max_reference_logit == 8.0


@given(candidate=logits, reference=logits)
def test_figures_agree_with_one_another(candidate: np.ndarray, reference: np.ndarray) -> None:
    """Nothing differs from itself, order does not matter to distance, and flips and agreement tell the same."""
    itself = differences(reference, reference, LABELS)
    assert (itself.max_abs, itself.max_rel, itself.flips, itself.agreement) == (0, 0, [], 1)
    there, back = differences(candidate, reference, LABELS), differences(reference, candidate, LABELS)
    assert there.max_abs == back.max_abs
    assert len(there.flips) == len(back.flips)
    assert pytest.approx(1 - len(there.flips) / 4) == there.agreement
    assert there.mean_abs <= there.max_abs
    for flip in there.flips:
        assert flip.reference_class != flip.candidate_class
        assert min(flip.reference_margin, flip.candidate_margin) >= 0


def test_other_shapes_are_refused() -> None:
    """Logits of another number of pictures or classes are never broadcast."""
    with pytest.raises(ValueError, match="cannot be compared"):
        differences(LOGITS[:1], LOGITS, LABELS)


# The limits


def test_limits_are_respected_exactly() -> None:
    """A figure at its limit passes, one beyond it does not, and what has no limit is not judged."""
    found = differences(LOGITS + np.float32(0.5), LOGITS, LABELS)
    ulps = 0.5 / (8 * float(np.finfo(np.float32).eps))
    exact = Limits(max_error_ulps=ulps, max_flips=0, min_agreement=1.0)
    assert [check.passed for check in judge(found, exact)] == [True] * 3
    beyond = Limits(max_error_ulps=ulps * 0.999, max_flips=-1, min_agreement=1.001)
    assert [check.passed for check in judge(found, beyond)] == [False] * 3
    assert judge(found, Limits()) == []
    assert judge(found, Limits(max_accuracy_drop=0)) == []


def test_not_a_number_passes_no_check() -> None:
    """A figure that is not a number respects no limit."""
    broken = LOGITS.copy()
    broken[0, 0] = np.nan
    checks = judge(differences(LOGITS, broken, LABELS), DEFAULT_LIMITS["float32"])
    assert not all(check.passed for check in checks)


def test_every_precision_has_limits() -> None:
    """Each precision is judged by something; float32 may not change a single decision."""
    assert {"float32", "float16", "int8"} == set(DEFAULT_LIMITS)
    assert DEFAULT_LIMITS["float32"].max_flips == 0
    assert all(Limits() != limits for limits in DEFAULT_LIMITS.values())


# Whole comparisons


def test_export_is_the_checkpoint(fp32: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """The float32 export passes against PyTorch, without a flip, with equal quality."""
    parity = verify.compare(fp32, checkpoint, sample)
    assert parity.passed
    assert (parity.flips, parity.agreement, parity.images) == ([], 1.0, 1_000)
    assert 0 < parity.max_abs < 1e-4
    assert parity.quality is not None
    assert parity.reference_quality is not None
    assert parity.quality.confusion == parity.reference_quality.confusion
    assert fp32.info == parity.artifact
    assert parity.runtime.endswith(" · CPUExecutionProvider")
    assert parity.reference.startswith("tiny/pytorch in pytorch ")


@pytest.mark.parametrize("factor", [1.001, 1.05, -1.0])
def test_one_wrong_weight_fails(factor: float, fp32: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """An export with one weight off by a thousandth does not pass, and comparing it raises nothing."""
    parity = verify.compare(edited(fp32, scale_weights(factor)), checkpoint, sample)
    assert not parity.passed
    assert parity.max_abs > 0


def test_logits_that_are_not_finite(fp32: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """A model that answers with something that is not a number is refused, with how often."""
    for value in (float("nan"), float("inf")):
        broken = edited(fp32, scale_weights(value))
        with pytest.raises(CheckFailed, match=r"fp32\.onnx gives logits that are not finite on 1000 of 1000"):
            verify.compare(broken, checkpoint, sample)


def test_reference_that_is_not_finite(tiny_run: Path, sample: Dataset) -> None:
    """A reference that is not finite proves nothing, at any precision."""
    int8 = open_artifact(tiny_run / "int8-static.onnx")
    logits = np.zeros((1_000, 10), np.float32)
    logits[:, 3] = np.nan
    reference = ReferenceLogits("made up", sample.test.pixels, sample.test.labels, logits)
    with pytest.raises(CheckFailed, match="not finite"):
        verify.compare(int8, reference, sample)


@pytest.mark.parametrize("name", ["int8-dynamic", "int8-static", "fp16"])
def test_limits_decide(name: str, tiny_run: Path, fp32: Artifact, sample: Dataset) -> None:
    """The limits given are the ones that decide, and the default ones are the precision's."""
    artifact = open_artifact(tiny_run / f"{name}.onnx")
    assert not verify.compare(artifact, fp32, sample, limits=Limits(min_agreement=1.1)).passed
    assert verify.compare(artifact, fp32, sample, limits=Limits(min_agreement=0.9)).passed
    default = verify.compare(artifact, fp32, sample)
    agreement, drop, worst, brier = (check.name for check in default.checks)
    assert (agreement, drop, brier) == ("top-1 agreement", "accuracy drop", "Brier score's rise, lower bound")
    assert default.decisions is not None
    assert worst == f"F1 drop of {default.decisions.most_damaged.label}, lower bound"


def test_float32_is_certified(fp32: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """The export's error is far within the margins, so that next to every decision is certain to stay."""
    parity = verify.compare(fp32, checkpoint, sample)
    assert parity.certificate is not None
    assert parity.certificate.epsilon == parity.max_abs < parity.certificate.tolerance
    assert parity.certificate.certified.value > 0.998
    assert parity.certificate.certified_flips == 0
    check = next(check for check in parity.checks if check.name == "largest logit difference, by margins")
    assert (check.value, check.limit) == (parity.max_abs, parity.certificate.tolerance)


def test_golden_pictures_are_too_few(fp32: Artifact, sample: Dataset) -> None:
    """On ten golden pictures nothing is said about classes, confidence or margins."""
    parity = verify.compare(fp32, verify.find_reference(fp32, sample, "golden"), sample)
    assert (parity.decisions, parity.certificate) == (None, None)
    assert parity.passed


def test_surest_flips_come_with_their_pictures(fp32: Artifact, sample: Dataset) -> None:
    """Of many flips the 48 that the reference was surest of carry their pixels, and survive being written."""
    logits = np.zeros((1_000, 10), np.float32)
    logits[np.arange(1_000), sample.test.labels] = 1 + np.arange(1_000) % 7
    logits = np.roll(logits, 5, axis=1)
    parity = verify.compare(fp32, ReferenceLogits("made up", sample.test.pixels, sample.test.labels, logits), sample)
    again = msgspec.json.decode(msgspec.json.encode(parity), type=Parity)
    pictured = [flip for flip in again.flips if flip.pixels]
    assert len(parity.flips) > 500
    assert len(pictured) == 48
    assert {7.0} == {flip.reference_margin for flip in pictured}
    assert all(flip.pixels == sample.test.pixels[flip.index].tobytes() for flip in pictured)
    assert [flip.index for flip in again.flips] == sorted(flip.index for flip in again.flips)


def test_older_proofs_can_be_read() -> None:
    """The committed run's verify.json is read, whichever fields it was written without."""
    path = Path(__file__).parents[2] / "exported" / "seed-reference" / "verify.json"
    assert VerifyReport.load(path).passed


def test_accuracy_drop_has_a_sign(fp32: Artifact, sample: Dataset) -> None:
    """Losing accuracy against the reference is a positive drop; gaining is no failure."""
    truth = np.eye(10, dtype=np.float32)[sample.test.labels]
    for logits, lost in ((truth, True), (np.roll(truth, 1, axis=1), False)):
        reference = ReferenceLogits("made up", sample.test.pixels, sample.test.labels, logits)
        (check,) = verify.compare(fp32, reference, sample, limits=Limits(max_accuracy_drop=0.0)).checks
        assert lost == (check.value > 0) == (not check.passed)
