"""How well logits classify: accuracy, F1 per class, confusion, cross-entropy."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import ClassScore, Quality


def measure_quality(logits: NDArray[np.float32], labels: NDArray[np.uint8], names: Sequence[str]) -> Quality:
    """Score `logits` (float32[N, classes]) against `labels` (uint8[N]).

    Definitions are scikit-learn's; a class that is never predicted has precision and F1 zero.
    """
    from scipy.special import logsumexp
    from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

    predicted = logits.argmax(axis=1)
    classes = np.arange(len(names))
    precision, recall, f1, support = precision_recall_fscore_support(
        labels, predicted, labels=classes, zero_division=0.0
    )
    share = support / support.sum()
    wide = logits.astype(np.float64)
    true_class = np.take_along_axis(wide, labels[:, None].astype(np.intp), axis=1)[:, 0]
    return Quality(
        images=len(labels),
        accuracy=float(np.mean(predicted == labels)),
        macro_f1=float(np.mean(f1)),
        weighted_f1=float(f1 @ share),
        weighted_precision=float(precision @ share),
        weighted_recall=float(recall @ share),
        cross_entropy=float(np.mean(logsumexp(wide, axis=1) - true_class)),
        per_class=[
            ClassScore(label=name, precision=float(p), recall=float(r), f1=float(f), images=int(n))
            for name, p, r, f, n in zip(names, precision, recall, f1, support, strict=True)
        ],
        confusion=confusion_matrix(labels, predicted, labels=classes).tolist(),
    )
