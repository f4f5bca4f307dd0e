"""Verifications that hold all that is said about decisions: made by hand, so that every cell is known."""

import msgspec
import numpy as np
import pieces

from edgefashion.records import Check, Flip, Interval, Parity, VerifyReport
from edgefashion.records.decisions import Certificate, ClassDrop, Confidence, Coverage, Decisions


def verification(*, is_sample: bool = False, labels: list[str] = pieces.LABELS) -> VerifyReport:
    """fp32 changes nothing, int8-static flips 37 and int8-dynamic 212 pictures, both lose Shirts; fp16: golden only."""
    plain = pieces.verification(is_sample=is_sample)
    fp32, static, dynamic, golden = plain.results
    return msgspec.structs.replace(
        plain,
        data=pieces.identity(is_sample=is_sample, labels=labels),
        results=[
            proven(fp32, lost=0, labels=labels),
            proven(static, lost=37, labels=labels),
            proven(dynamic, lost=60, labels=labels),
            golden,
        ],
    )


def proven(parity: Parity, *, lost: int, labels: list[str]) -> Parity:
    """With decisions, a certificate, a failed check of a class, and pictures of the surest 48 flips."""
    surest = {flip.index for flip in sorted(parity.flips, key=lambda flip: -flip.reference_margin)[:48]}
    return msgspec.structs.replace(
        parity,
        flips=[pictured(flip) if flip.index in surest else flip for flip in parity.flips],
        decisions=decisions(lost=lost, labels=labels),
        certificate=certificate(epsilon=parity.max_abs),
        checks=[
            *parity.checks,
            Check(name=f"F1 drop of {labels[6]}, lower bound", value=lost / 2_000 - 0.01, limit=0.01, relation="≤"),
        ],
    )


def pictured(flip: Flip) -> Flip:
    """A picture whose pixels tell which flip it is."""
    pixels = np.full((28, 28), flip.index % 256, dtype=np.uint8)
    return msgspec.structs.replace(flip, pixels=pixels.tobytes())


def decisions(*, lost: int, labels: list[str] = pieces.LABELS) -> Decisions:
    return Decisions(
        reference_accuracy=Interval(value=0.866, low=0.8592, high=0.8725),
        accuracy=Interval(value=0.866 - lost / 10_000, low=0.85, high=0.87),
        lost=lost,
        gained=0,
        mcnemar_p=1.0 if lost == 0 else 1e-9,
        accuracy_drop=Interval(value=lost / 10_000, low=lost / 10_000 - 0.001, high=lost / 10_000 + 0.001),
        classes=[
            ClassDrop(
                label=label,
                images=1_000,
                reference_f1=0.8,
                f1=0.8 - (lost / 2_000 if number == 6 else 0),
                drop=Interval(value=lost / 2_000 if number == 6 else 0, low=-0.002, high=0.03),
                p_drop=1e-6 if lost and number == 6 else 1.0,
                lower_bound=lost / 2_000 - 0.01 if number == 6 else -0.02,
            )
            for number, label in enumerate(labels)
        ],
        confidence=Confidence(
            reference_brier=0.19495,
            brier=0.19495 + lost / 1e5,
            brier_rise=Interval(value=lost / 1e5, low=lost / 1e5 - 1e-4, high=lost / 1e5 + 1e-4),
            ece_bins=15,
            reference_ece=0.0442,
            ece=0.0459,
            coverages=[
                Coverage(0.01, None, 0.0, 0.0, 0.0, 0.0),
                Coverage(0.05, 0.6815, 0.7749, 0.0499, 0.7746, 0.0512),
            ],
        ),
    )


def certificate(*, epsilon: float) -> Certificate:
    return Certificate(
        epsilon=epsilon,
        certified=Interval(value=0.9421, low=0.9374, high=0.9465),
        certified_flips=0,
        margin_share=0.999,
        tolerance=0.0019,
    )
