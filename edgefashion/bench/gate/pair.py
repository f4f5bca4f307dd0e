"""What the gate compares."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefashion.stats import Floats, Mean, difference_of_means, mean_of

_MIN_FOR_SPREAD = 2


@dataclass(frozen=True)
class Answers:
    """The classes that both members of a pair give to the same pictures.

    Attributes:
        labels: The true classes, uint8[pictures].
        candidate: The candidate's top-1 classes, uint8[pictures].
        baseline: The baseline's top-1 classes, uint8[pictures].

    Raises:
        ValueError: The lengths differ or are below two.
    """

    labels: NDArray[np.uint8]
    candidate: NDArray[np.uint8]
    baseline: NDArray[np.uint8]

    def __post_init__(self) -> None:
        if not _MIN_FOR_SPREAD <= len(self.labels) == len(self.candidate) == len(self.baseline):
            raise ValueError("both members of a pair must answer the same pictures, at least two")

    @property
    def identical(self) -> bool:
        """Whether not one decision differs."""
        return np.array_equal(self.candidate, self.baseline)


@dataclass(frozen=True)
class Pair:
    """A cell of the candidate beside the cell of the baseline that it would replace.

    Attributes:
        cell: Label of the candidate's cell.
        baseline: Label of the baseline's cell.
        candidate_log_s: ln of each launch's median in seconds a picture, float64[launches].
        baseline_log_s: The same of the baseline; from the same generations in the same order if paired.
        answers: What both answer; None where that is not known.
    """

    cell: str
    baseline: str
    candidate_log_s: Floats
    baseline_log_s: Floats
    answers: Answers | None = None

    @property
    def generations(self) -> int:
        """Launches of the member that has fewer."""
        return min(len(self.candidate_log_s), len(self.baseline_log_s))

    @property
    def has_spread(self) -> bool:
        """Whether there are launches enough for an interval."""
        return self.generations >= _MIN_FOR_SPREAD

    def log_ratio(self, *, paired: bool) -> Mean:
        """Mean of ln(candidate / baseline): paired by generation, or of two independent samples.

        Raises:
            ValueError: Paired samples of different lengths, or fewer than two launches.
        """
        if paired:
            return mean_of(self.candidate_log_s - self.baseline_log_s)
        return difference_of_means(self.candidate_log_s, self.baseline_log_s)
