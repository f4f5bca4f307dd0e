"""What a search has seen: figures by family, and the worst distinct inputs."""

import numpy as np
from numpy.typing import NDArray

from edgefashion.records.worst_case import FamilyWorst, WorstInput
from edgefashion.runtimes import Pixels
from edgefashion.verify.search.answers import Answers

# Pictures nearer than this, in mean grey levels, are the same find: an ascent ends in many of them.
_DISTINCT_LEVELS = 8.0
_MOST_KEPT = 32


class Ledger:
    """Figures of every input that both models answered.

    Attributes:
        families: In the order tried.
        worst: Distinct inputs, largest difference first.
        surest_flip: The flip of which the reference was surest.
        largest_in_ulps: The input with the largest difference beside its own largest logit.
    """

    def __init__(self) -> None:
        self.families: dict[str, FamilyWorst] = {}
        self.worst: list[WorstInput] = []
        self.surest_flip: WorstInput | None = None
        self.largest_in_ulps: WorstInput | None = None

    def add(self, family: str, answers: Answers) -> None:
        """Count the pictures of one family, and keep the worst of them."""
        flips = np.flatnonzero(answers.flipped)
        surest = flips[answers.reference_margins[flips].argmax()] if len(flips) else None
        roughest = int(answers.ulps.argmax())
        found = FamilyWorst(
            name=family,
            tried=len(answers.pixels),
            max_abs=float(answers.errors.max()),
            max_ulps=float(answers.ulps[roughest]),
            flips=len(flips),
            surest_flip=None if surest is None else float(answers.reference_margins[surest]),
        )
        before = self.families.get(family)
        self.families[family] = _together(before, found) if before else found
        if surest is not None and (
            self.surest_flip is None or answers.reference_margins[surest] > self.surest_flip.reference_margin
        ):
            self.surest_flip = answers.at(int(surest), family)
        if self.largest_in_ulps is None or answers.ulps[roughest] > self.largest_in_ulps.max_ulps:
            self.largest_in_ulps = answers.at(roughest, family)
        self._keep(family, answers)

    def _keep(self, family: str, answers: Answers) -> None:
        for index in np.argsort(-answers.errors, kind="stable")[:_MOST_KEPT]:
            if len(self.worst) == _MOST_KEPT and answers.errors[index] <= self.worst[-1].max_abs:
                return
            self.worst = insert_distinct(self.worst, answers.at(int(index), family))[:_MOST_KEPT]


def insert_distinct(worst: list[WorstInput], new: WorstInput) -> list[WorstInput]:
    """`worst` with `new` in its place by difference; of pictures that are nearly the same only the worst stays."""
    alike = [each for each in worst if _distance(each, new) < _DISTINCT_LEVELS]
    if any(each.max_abs >= new.max_abs for each in alike):
        return worst
    kept = [each for each in worst if each not in alike]
    return sorted([*kept, new], key=lambda each: -each.max_abs)


def pictures_of(inputs: list[WorstInput], image_shape: tuple[int, int]) -> Pixels:
    """The pictures uint8[N, H, W] of `inputs`."""
    return np.array([_flat(each) for each in inputs], np.uint8).reshape(len(inputs), *image_shape)


def _distance(one: WorstInput, other: WorstInput) -> float:
    return float(np.abs(_flat(one).astype(np.int16) - _flat(other)).mean())


def _flat(each: WorstInput) -> NDArray[np.uint8]:
    return np.frombuffer(each.pixels, np.uint8)


def _together(before: FamilyWorst, more: FamilyWorst) -> FamilyWorst:
    margins = [each.surest_flip for each in (before, more) if each.surest_flip is not None]
    return FamilyWorst(
        name=before.name,
        tried=before.tried + more.tried,
        max_abs=max(before.max_abs, more.max_abs),
        max_ulps=max(before.max_ulps, more.max_ulps),
        flips=before.flips + more.flips,
        surest_flip=max(margins, default=None),
    )
