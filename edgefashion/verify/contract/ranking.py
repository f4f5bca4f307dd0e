"""How much of the outputs each hypothesis leaves unexplained, and the order that follows."""

import itertools
from collections.abc import Iterable

import msgspec
import numpy as np

from edgefashion.records.contract import Hypothesis
from edgefashion.verify.contract.prediction import Prediction
from edgefashion.verify.contract.readouts import Numbers, Readout

# However far rounding may move logits, what leaves more than this share of the outputs' variance unexplained is no
# explanation. Quantizing to int8 moves every value by up to half a step, and leaves .03 to .07 % of the seed network's
# golden logits unexplained; integer kernels that differ by a step now and then stay below that. Three times as much is
# room for pictures that no range was calibrated for, and less than lies between most of the faults.
MOST_UNEXPLAINED = 0.002


def explain(prediction: Prediction, readout: Readout, outputs: Numbers) -> Hypothesis | None:
    """Hold `outputs` float64[N, classes] against one hypothesis on either side.

    The share that is left unexplained is 1 - R², the sum of squared differences over that of the outputs around
    their mean. Rounding may leave as much as if every logit were off by the prediction's limit.

    Returns:
        An explanation without its rank; None if the hypothesis leads to no finite outputs.
    """
    logits = prediction.logits.astype(np.float64)
    if not np.isfinite(logits).all():
        return None
    reading = readout.read(logits, outputs)
    squares = float(np.sum((outputs - outputs.mean()) ** 2))
    error = float(np.sum((outputs - reading.values) ** 2))
    noise = outputs.size * (reading.gain * prediction.limit) ** 2
    return Hypothesis(
        rank=0,
        fault=" and ".join(filter(None, (prediction.fault, readout.fault))),
        remedy="; ".join(filter(None, (prediction.remedy, readout.remedy))),
        unexplained=error / squares if squares else 1.0,
        allowed=min(noise / squares, MOST_UNEXPLAINED) if squares else 0.0,
        agreement=float(np.mean(reading.values.argmax(axis=1) == outputs.argmax(axis=1))),
        parameters=prediction.parameters | reading.parameters,
    )


def explain_all(predictions: Iterable[Prediction], readouts: Iterable[Readout], outputs: Numbers) -> list[Hypothesis]:
    """Every prediction through every readout."""
    found = (explain(*pair, outputs) for pair in itertools.product(predictions, readouts))
    return [explanation for explanation in found if explanation is not None]


def ranked(hypotheses: Iterable[Hypothesis]) -> list[Hypothesis]:
    """Those that fit before those that do not; then the one with fewer fitted numbers; then the closer one.

    A hypothesis that was fitted to the outputs comes closer than an exact one by its nature, so closeness decides
    only among equals. Of those that do not fit, the closest is of interest whatever it is.
    """

    def place(each: Hypothesis) -> tuple[bool, int, float]:
        return not each.fits, len(each.parameters) if each.fits else 0, each.unexplained

    ordered = sorted(hypotheses, key=place)
    return [msgspec.structs.replace(each, rank=rank) for rank, each in enumerate(ordered, start=1)]
