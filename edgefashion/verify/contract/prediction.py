"""What the artifact would answer if one thing were done wrongly, and how far rounding may move that."""

from dataclasses import dataclass, field

import numpy as np

from edgefashion.records import Precision
from edgefashion.verify.parity import GOLDEN_LIMITS, Logits


@dataclass(frozen=True)
class Prediction:
    """Logits under one hypothesis.

    Attributes:
        fault: What was done wrongly; empty for the artifact's own logits.
        remedy: What to do about it.
        logits: float32[N, classes].
        limit: Root mean square of the differences that rounding explains, in logits.
        parameters: What was fitted to the outputs.
    """

    fault: str
    remedy: str
    logits: Logits
    limit: float
    parameters: dict[str, float] = field(default_factory=dict)


def rounding(logits: Logits, precision: Precision, *, growth: float = 1.0) -> float:
    """How far rounding may move `logits` of a model of that precision, as a root mean square.

    It is the golden limit, which in `compare` holds for the largest difference. The largest of a hundred normal
    errors is about 2.5 times their root mean square, so this is so much looser: integer kernels may differ by a
    step here and there, on inputs that no range was calibrated for.

    Args:
        logits: float32[N, classes].
        precision: Of the model.
        growth: How many times larger the values are that the model adds up than those it was made for. Rounding of
            floats grows with them, while the logits need not; integers are cut to their ranges instead.
    """
    ulps = GOLDEN_LIMITS[precision].max_error_ulps or 0.0
    limit = ulps * float(np.finfo(np.float32).eps) * float(np.abs(logits).max())
    return limit if precision == "int8" else limit * max(growth, 1.0)
