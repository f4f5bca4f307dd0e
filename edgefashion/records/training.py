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
    """The machine and the versions a result was made with; None where the system does not tell."""

    cpu: str
    cores: int
    usable_cores: int
    memory_bytes: int
    system: str  # with the kernel's release
    python: str
    versions: dict[str, str]
    container: str | None
    hypervisor: bool
    governor: str | None
    accelerators: list[str]
    hypervisor_name: str | None = None
    board: str | None = None  # the machine's own name
    cpu_flags: list[str] = msgspec.field(default_factory=list)  # those that decide kernels, sorted
    microcode: str | None = None
    usable_cpus: list[int] = msgspec.field(default_factory=list)  # affinity of the process
    boost: bool | None = None
    smt: bool | None = None
    cgroup: Literal["v1", "v2"] | None = None  # interface of the processor controller
    cpu_quota: float | None = None  # processors' worth of time; None also where there is no limit
    huge_pages: str | None = None  # transparent ones: always, madvise or never
    clock_source: str | None = None
    nvidia_driver: str | None = None
    git_commit: str | None = None  # of the working folder
    git_dirty: bool | None = None  # tracked files differ from that commit


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
    precision: Literal["float32", "bfloat16"] = "float32"
    teacher_sha256: str | None = None  # of the checkpoint whose answers were taught
    processes: int = 1  # that shared every batch, each on as many threads
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
    best_epoch: int  # its weights are the checkpoint: the lowest validation loss, or the last, as the recipe says
    test: Quality
    wall_s: float
    cpu_s: float
    environment: Environment
    checkpoint_sha256: str
    precision: Literal["float32", "bfloat16"] = "float32"  # of products in training
    teacher: str | None = None  # run whose answers were taught, and its checkpoint
    teacher_sha256: str | None = None
    processes: int = 1  # that shared every batch, each on as many threads; cpu_s is that of all
