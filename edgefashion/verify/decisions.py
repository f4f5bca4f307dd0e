"""Whether two models decide alike where it counts: who is right, in every class, and how surely."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefashion.records.decisions import ClassDrop, Decisions
from edgefashion.stats import PairedDrop, class_f1, class_f1_drops, holm, mcnemar_exact, wilson
from edgefashion.verify.confidence import measure_confidence

Logits = NDArray[np.float32]
Classes = NDArray[np.uint8]

_LEVEL = 0.05  # how often any class's lower bound may be too high


def measure_decisions(candidate: Logits, reference: Logits, labels: Classes, names: Sequence[str]) -> Decisions:
    """Compare the decisions of finite logits (float32[N, classes] each, N ≥ 2) on `labels` (uint8[N])."""
    decided, before = candidate.argmax(1).astype(np.uint8), reference.argmax(1).astype(np.uint8)
    is_right, was_right = decided == labels, before == labels
    lost, gained = int(np.sum(was_right & ~is_right)), int(np.sum(is_right & ~was_right))
    return Decisions(
        reference_accuracy=wilson(int(was_right.sum()), len(labels)),
        accuracy=wilson(int(is_right.sum()), len(labels)),
        lost=lost,
        gained=gained,
        mcnemar_p=mcnemar_exact(lost, gained),
        accuracy_drop=PairedDrop(lost, gained, len(labels)).interval(),
        classes=class_drops(decided, before, labels, names),
        confidence=measure_confidence(candidate, reference, labels),
    )


def class_drops(decided: Classes, before: Classes, labels: Classes, names: Sequence[str]) -> list[ClassDrop]:
    """F1 of each class of `decided` beside `before` (uint8[N] each), judged as one family of tests.

    Tests are adjusted after Holm. The lower bounds hold for all classes at once, after Bonferroni: the highest of
    them exceeds a limit exactly where Holm's procedure finds any class whose F1 drops by more than that.
    """
    count = len(names)
    reference_f1, f1 = class_f1(labels, before, classes=count), class_f1(labels, decided, classes=count)
    drops = class_f1_drops(labels, before, decided, classes=count)
    adjusted = holm(np.array([drop.p_above(0.0) for drop in drops]))
    images = np.bincount(labels, minlength=count)
    return [
        ClassDrop(
            label=name,
            images=int(images[index]),
            reference_f1=float(reference_f1[index]),
            f1=float(f1[index]),
            drop=drop.interval(),
            p_drop=float(adjusted[index]),
            # An interval has two ends, of which only one is used here.
            lower_bound=drop.interval(confidence=1 - 2 * _LEVEL / count).low,
        )
        for index, (name, drop) in enumerate(zip(names, drops, strict=True))
    ]
