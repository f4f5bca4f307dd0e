"""What becomes of decisions when a model takes another's place: who is right, in which class, how sure, and why not."""

from edgefashion.records.base import Record
from edgefashion.records.judgement import Interval


class ClassDrop(Record, frozen=True):
    """F1 of one class before and after."""

    label: str
    images: int
    reference_f1: float
    f1: float
    drop: Interval
    p_drop: float  # one-sided, for "the true F1 drops"; adjusted for the number of classes
    lower_bound: float  # the true drops of all classes are above theirs in 95 % of samples


class Coverage(Record, frozen=True):
    """What an application gets that trusts only decisions of some confidence, and keeps its threshold."""

    max_risk: float  # most errors among the decisions that are trusted
    threshold: float | None  # least confidence for which the reference keeps to that; None if there is none
    reference_coverage: float  # share of the pictures at or above the threshold
    reference_risk: float  # share of errors among them; 0 where there are none
    coverage: float  # at the same threshold
    risk: float


class Confidence(Record, frozen=True):
    """How far the probabilities of both models can be believed."""

    reference_brier: float  # sum over the classes, mean over the pictures: 0 to 2
    brier: float
    brier_rise: Interval
    ece_bins: int  # of equal width
    reference_ece: float  # expected calibration error, 0 to 1
    ece: float
    coverages: list[Coverage]


class Decisions(Record, frozen=True):
    """Top-1 decisions of two models on the same labelled pictures."""

    reference_accuracy: Interval
    accuracy: Interval
    lost: int  # pictures that only the reference gets right
    gained: int  # pictures that only the candidate gets right
    mcnemar_p: float  # exact, two-sided
    accuracy_drop: Interval
    classes: list[ClassDrop]
    confidence: Confidence

    @property
    def most_damaged(self) -> ClassDrop:
        """The class whose drop is surest: the one with the highest lower bound."""
        return max(self.classes, key=lambda each: each.lower_bound)


class Certificate(Record, frozen=True):
    """Which decisions cannot flip, because the two highest logits are further apart than errors reach."""

    epsilon: float  # largest absolute difference of a logit that was measured
    certified: Interval  # share of the pictures whose reference margin exceeds twice epsilon
    certified_flips: int  # of those: anything but 0 is an error of this program
    margin_share: float  # of the pictures that exceed twice the tolerance
    tolerance: float  # largest error that leaves this share of the decisions alone
