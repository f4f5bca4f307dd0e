"""What models take one class for, and which of its pictures none of them gets right."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Interval
from edgefashion.records.training import ClassScore, Environment


class ModelConfusions(Record, frozen=True):
    """One model's answers about one class, in both directions."""

    model: str  # unique in its report
    artifact: ArtifactInfo
    score: ClassScore
    recall: Interval
    answers: list[int]  # pictures of the class, by the class that the model answers
    claimed: list[int]  # pictures that the model takes for the class, by their true class


class MissedPicture(Record, frozen=True):
    """A test picture of the class that every model takes for something else."""

    index: int
    answers: list[int]  # class that each model answers, in the report's order of models
    confidences: list[float]  # probability that each model gives its answer
    in_doubt: bool  # all answer alike, each at least as surely as it usually knows that class: maybe a wrong label
    pixels: bytes = b""  # uint8, row by row; only of those that the models were surest of

    @property
    def mean_confidence(self) -> float:
        """Mean over the models of the probability that each gives its own answer."""
        return sum(self.confidences) / len(self.confidences)

    @property
    def is_unanimous(self) -> bool:
        """Whether all models give the same answer."""
        return len(set(self.answers)) == 1


class ConfusionsReport(Document, frozen=True, kw_only=True):
    """The confusions of one class, models side by side, and the pictures that all of them miss."""

    kind: Literal["confusions"] = "confusions"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    data: DataIdentity
    label: str
    images: int  # of the class
    models: list[ModelConfusions]
    checkpoints: int  # that the models come from: those of one checkpoint err alike by construction
    # Pictures that all would miss if checkpoints erred independently; None where there is only one.
    missed_if_independent: float | None
    missed: list[MissedPicture]  # by all models; the surest first
    environment: Environment

    @property
    def class_index(self) -> int:
        """The class, as labels number it."""
        return self.data.labels.index(self.label)
