"""What a search wants more of, and the directions in which it looks for that."""

from collections.abc import Sequence
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgefashion.runtimes import Pixels
from edgefashion.verify.search.answers import Answers

# difference: of a logit. flip: the reference's margin where the candidate decides otherwise. size: of the reference's
# logits, which is only a way to a difference.
Aim = Literal["difference", "flip", "size"]

FAMILY: dict[Aim, str] = {
    "difference": "climb: difference",
    "flip": "climb: sure flip",
    "size": "climb: large logits",
}


class Directions(Protocol):
    """Where to go from pictures.

    Attributes:
        method: In words, for the report.
        aims: What is aimed at, in turns.
        leads_on: Whether to follow it on from a step that was no improvement.
    """

    method: str
    aims: tuple[Aim, ...]
    leads_on: bool

    def __call__(self, pixels: Pixels, aims: Sequence[Aim], random: np.random.Generator) -> NDArray[np.int16]:
        """-1, 0 or 1 for each pixel of uint8[N, H, W], one aim a picture."""


class RandomDirections:
    """A block of each picture up or down, anywhere and of any size: a search that needs no gradient.

    After Andriushchenko et al. 2020, "Square attack: a query-efficient black-box adversarial attack via random search"
    (arXiv:1912.00049): convolutions answer to blocks more than to as many single pixels.
    """

    aims: tuple[Aim, ...] = ("difference", "flip")
    leads_on = False

    def __init__(self, reason: str) -> None:
        """`reason` says why there is no gradient."""
        self.method = f"random blocks on the worst inputs, keeping what is worse, because {reason}"

    def __call__(self, pixels: Pixels, aims: Sequence[Aim], random: np.random.Generator) -> NDArray[np.int16]:  # noqa: ARG002 - chance has no aim
        """-1 or 1 within one block of each picture, else 0."""
        moves = np.zeros(pixels.shape, np.int16)
        height, width = pixels.shape[1:]
        for move in moves:
            top, left = random.integers(height), random.integers(width)
            side = random.integers(1, max(height, width) // 2, endpoint=True)
            move[top : top + side, left : left + side] = random.choice((-1, 1))
        return moves


def scores(answers: Answers, aims: Sequence[Aim]) -> NDArray[np.float64]:
    """How near each picture is to what it aims at, as measured: float64[N].

    A flip that is sure beats one that is not, and any flip beats none, of which the one nearest to flipping is best.
    """
    flips = np.where(answers.flipped, answers.reference_margins, np.minimum(answers.excesses, 0.0))
    return np.where([aim == "flip" for aim in aims], flips, answers.errors)
