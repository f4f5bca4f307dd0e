"""How well a model classifies, on which machine, and how it was trained."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import DataIdentity, Recipe
from edgefashion.records.base import SCHEMA, Document, Record


class ClassScore(Record, frozen=True):
    """Quality on one class."""

    label: str
    precision: float
    recall: float
    f1: float
    images: int


class Quality(Record, frozen=True):
    """Classification quality on one set of pictures."""

    images: int
    accuracy: float
    macro_f1: float
    weighted_f1: float
    weighted_precision: float
    weighted_recall: float
    cross_entropy: float  # mean, in nats
    per_class: list[ClassScore]
    confusion: list[list[int]]  # rows: true class, columns: predicted class

    @property
    def worst(self) -> ClassScore:
        """The class with the lowest F1."""
        return min(self.per_class, key=lambda score: score.f1)


class Environment(Record, frozen=True):
    """The machine and the versions a result was made with."""

    cpu: str
    cores: int
    usable_cores: int
    memory_bytes: int
    system: str
    python: str
    versions: dict[str, str]
    container: str | None
    hypervisor: bool
    governor: str | None
    accelerators: list[str]


class EpochMetrics(Record, frozen=True):
    """One pass over the training pictures."""

    epoch: int  # counted from 1
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    images_per_s: float
    wall_s: float


class ResumeState(Record, frozen=True):
    """What an interrupted training needs beside its arrays to go on as if nothing had happened."""

    recipe: Recipe
    seed: int
    threads: int
    device: str
    data: DataIdentity
    history: list[EpochMetrics]
    best_epoch: int
    wall_s: float
    cpu_s: float
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)


class TrainingReport(Document, frozen=True, kw_only=True):
    """train.json: how a checkpoint came to be."""

    kind: Literal["training"] = "training"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    recipe: Recipe
    seed: int
    device: str
    threads: int
    data: DataIdentity
    parameters: int
    history: list[EpochMetrics]
    best_epoch: int  # lowest validation loss; its weights are the checkpoint
    test: Quality
    wall_s: float
    cpu_s: float
    environment: Environment
    checkpoint_sha256: str
