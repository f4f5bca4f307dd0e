"""One sentence about what was found, with the remedy."""

import math
from typing import Literal

import numpy as np

from edgefashion.records.contract import Hypothesis
from edgefashion.verify.contract.readouts import Numbers

Conclusion = Literal["match", "explained", "another model", "none fits"]

# Guessing is right as often as this by chance at most, before answers count as those of a model that was trained.
CHANCE_LEVEL = 0.01

# Five trainings of the seed networks, of two widths and with little data or all of it, leave 23 to 58 % of each other's
# golden logits unexplained. What is nearer than that has this model in it, with something done to it.
LEAST_UNLIKE = 0.2

_SAME_SHARE = 1e-12


def chance_of(correct: int, *, images: int, classes: int) -> float:
    """Probability that guessing among `classes` is right on at least `correct` of `images` (binomial distribution)."""
    hit = 1 / classes
    return math.fsum(
        math.comb(images, count) * hit**count * (1 - hit) ** (images - count) for count in range(correct, images + 1)
    )


def unlikeness(outputs: Numbers, logits: Numbers) -> float:
    """Share of the variance of `outputs` that no factor and summand make of `logits`: 1 - r², both [N, classes]."""
    if not outputs.std() or not logits.std():
        return 1.0
    return 1 - float(np.corrcoef(outputs.ravel(), logits.ravel())[0, 1]) ** 2


def conclude(
    hypotheses: list[Hypothesis], *, correct: int, images: int, chance: float, unlike: float, complete: bool
) -> tuple[Conclusion, str]:
    """The conclusion from ranked hypotheses of outputs that are not the artifact's, and a sentence about it.

    Another model is a conclusion by elimination: its answers are right, they are no nearer to this one's than those
    of other trainings are, and nothing makes them out of this one's.

    Args:
        hypotheses: Ranked, at least one.
        correct: Right answers.
        images: All answers.
        chance: Probability that guessing is right as often.
        unlike: What `unlikeness` says of the outputs and the artifact's own logits.
        complete: Whether every hypothesis could be tried.
    """
    best = hypotheses[0]
    if best.fits:
        fitted = ", ".join(f"{name} {value:.4g}" for name, value in best.parameters.items())
        found = f" ({fitted})" if fitted else ""
        alike = [
            f", or {each.fault}, which gives the same outputs here," for each in hypotheses[1:] if _ties(each, best)
        ]
        return "explained", f"{best.fault}{found}{''.join(alike)} explains the outputs: {best.remedy}"
    nearest = f"the nearest, {best.fault}, leaves {100 * best.unexplained:.3g} % of the variance unexplained"
    right = f"{correct} of {images} answers are right"
    if complete and chance < CHANCE_LEVEL and unlike > LEAST_UNLIKE:
        return "another model", (
            f"another model altogether, or pictures changed beyond recognition: {right}, which guessing reaches with "
            f"probability {chance:.2g}, but no fault that was tried makes them out of this one's; {nearest}: "
            "compare the SHA-256 of the model on the device, then the pictures that arrive"
        )
    return "none fits", (
        f"none fits: {nearest}, and {right}: "
        "compare the pictures that arrive, then the SHA-256 of the model on the device, then layer by layer"
    )


def constant(outputs: Numbers) -> tuple[Conclusion, str] | None:
    """The conclusion for outputs that are the same for every picture, as of a buffer that nobody wrote; else None."""
    if np.ptp(outputs, axis=0).any():
        return None
    return "none fits", (
        "none fits: the outputs are the same for every picture: "
        "see that the device reads the picture it is given, and that the output buffer is written"
    )


def _ties(other: Hypothesis, best: Hypothesis) -> bool:
    """Whether nothing tells the two apart: eight bits cannot hold every difference between two faults."""
    return other.parameters == best.parameters and abs(other.unexplained - best.unexplained) < _SAME_SHARE
