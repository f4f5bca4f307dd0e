"""Step by step uphill from the worst inputs known, within all pictures that there are.

Projected gradient ascent of Madry et al. 2018, "Towards deep learning models resistant to adversarial attacks", without
their ball around a picture: a model may be given anything. Steps are whole grey levels, so a projected picture is one
that a camera can give. When the step is halved each picture goes back to the best that it has been, as in Croce & Hein
2020, "Reliable evaluation of adversarial robustness" (arXiv:2003.01690). After each round others start over.
"""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefashion.runtimes import Pixels
from edgefashion.verify.search.aims import FAMILY, Aim, Directions, scores
from edgefashion.verify.search.answers import Pair
from edgefashion.verify.search.ledger import Ledger, pictures_of

_ROWS = 32  # pictures that climb together
_STEP_LEVELS = (32, 16, 8, 4, 2, 1)
_STEPS_OF_EACH = 4
_SHAKE_LEVELS = 24  # by how much the worst inputs are shaken before they start again


def climb(
    pair: Pair,
    ledger: Ledger,
    photographs: Pixels,
    directions: Directions,
    random: np.random.Generator,
    *,
    goes_on: Callable[[], bool],
) -> None:
    """Round after round for as long as `goes_on` says so before each step; everything measured goes to `ledger`."""
    while goes_on():
        pixels = _starts(ledger, photographs, random)
        aims = [directions.aims[row % len(directions.aims)] for row in range(len(pixels))]
        best, best_scores = pixels, _measure(pair, ledger, pixels, aims)
        for step_levels in _STEP_LEVELS:
            pixels = best
            for _ in range(_STEPS_OF_EACH):
                if not goes_on():
                    return
                moved = pixels + step_levels * directions(pixels, aims, random)
                pixels = np.clip(moved, 0, 255).astype(np.uint8)
                found = _measure(pair, ledger, pixels, aims)
                best = np.where((found > best_scores)[:, None, None], pixels, best)
                best_scores = np.maximum(found, best_scores)
                if not directions.leads_on:
                    pixels = best


def _measure(pair: Pair, ledger: Ledger, pixels: Pixels, aims: Sequence[Aim]) -> NDArray[np.float64]:
    """How near each picture is to its aim; every one is entered in the ledger under its aim's family."""
    answers = pair.answers(pixels)
    for aim in dict.fromkeys(aims):
        ledger.add(FAMILY[aim], answers.take([row for row, own in enumerate(aims) if own == aim]))
    return scores(answers, aims)


def _starts(ledger: Ledger, photographs: Pixels, random: np.random.Generator) -> Pixels:
    """Half from the worst inputs known, shaken; half from real pictures."""
    height, width = photographs.shape[1:]
    half = _ROWS // 2
    known = [*ledger.worst, *([ledger.surest_flip] if ledger.surest_flip else [])]
    worst = pictures_of(known, (height, width))[random.permutation(len(known))[:half]]
    shaken = worst + random.integers(-_SHAKE_LEVELS, _SHAKE_LEVELS, worst.shape, np.int16, endpoint=True)
    fresh = photographs[random.permutation(len(photographs))[: _ROWS - len(worst)]]
    return np.concatenate([np.clip(shaken, 0, 255).astype(np.uint8), fresh])
