"""Faults behind the artifact: its logits are changed before they are written. Pure functions on float64[N, classes]."""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Reading:
    """Logits as they would have been written.

    Attributes:
        values: float64[N, classes].
        gain: By how much a difference in the logits grows, at most.
        parameters: What was fitted to the outputs.
    """

    values: Numbers
    gain: float = 1.0
    parameters: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Readout:
    """Something done to the logits.

    Attributes:
        fault: In words; empty where nothing is done.
        remedy: What to do about it.
        read: The reading of logits, given the outputs it is to explain, both float64[N, classes].
        smooth: Whether it needs no fit of its own, so that something else can be fitted through it.
    """

    fault: str
    remedy: str
    read: Callable[[Numbers, Numbers], Reading]
    smooth: bool = True


def plain(logits: Numbers, _: Numbers) -> Reading:
    """The logits themselves."""
    return Reading(logits)


# The gains are those of the largest difference: a probability p moves by at most 2 p (1 - p) ≤ 1/2 of it.


def softmax(logits: Numbers, _: Numbers) -> Reading:
    """Probabilities."""
    return Reading(np.exp(_log_softmax(logits)), gain=0.5)


def log_softmax(logits: Numbers, _: Numbers) -> Reading:
    """Logarithms of probabilities."""
    return Reading(_log_softmax(logits), gain=2.0)


def sigmoid(logits: Numbers, _: Numbers) -> Reading:
    """Each logit's own probability."""
    return Reading(0.5 * (1 + np.tanh(logits / 2)), gain=0.25)


def permuted(logits: Numbers, outputs: Numbers) -> Reading:
    """The columns in the order that explains the outputs best (an assignment problem: Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    squares = ((outputs[:, :, None] - logits[:, None, :]) ** 2).sum(axis=0)  # [column of outputs, class]
    order = linear_sum_assignment(squares)[1]
    moved = {f"column {column} holds class": float(held) for column, held in enumerate(order) if column != held}
    return Reading(logits[:, order], parameters=moved)


def reordered(logits: Numbers, outputs: Numbers) -> Reading:
    """The rows in the order that explains the outputs best."""
    from scipy.optimize import linear_sum_assignment

    squares = ((outputs[:, None, :] - logits[None, :, :]) ** 2).sum(axis=2)  # [row of outputs, picture]
    order = linear_sum_assignment(squares)[1]
    moved = {f"row {row} holds picture": float(held) for row, held in enumerate(order) if row != held}
    return Reading(logits[order], parameters=moved)


def rescaled(logits: Numbers, outputs: Numbers) -> Reading:
    """One factor and one summand for all logits, by least squares."""
    factor, summand = np.polyfit(logits.ravel(), outputs.ravel(), 1)
    parameters = {"factor": float(factor), "summand": float(summand)}
    return Reading(factor * logits + summand, gain=abs(float(factor)), parameters=parameters)


AS_THEY_ARE = Readout("", "", plain)

READOUTS = (
    Readout("softmax already applied", "take the logits, before the softmax; or compare decisions only", softmax),
    Readout("log-softmax already applied", "take the logits, before the log-softmax", log_softmax),
    Readout("sigmoid already applied", "take the logits, before the sigmoid", sigmoid),
    Readout("labels permuted", "put the columns into the order of the artifact's labels", permuted, smooth=False),
    Readout("pictures in another order", "answer the golden pictures in their order", reordered, smooth=False),
    Readout(
        "outputs scaled", "dequantize the outputs, or leave the temperature out: see the fit", rescaled, smooth=False
    ),
)


def _log_softmax(logits: Numbers) -> Numbers:
    from scipy.special import log_softmax

    result: Numbers = log_softmax(logits, axis=1)
    return result
