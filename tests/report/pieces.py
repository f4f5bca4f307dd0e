"""What synthetic reports are made of: artifacts, qualities, a machine, trainings and verifications."""

from math import sqrt

import msgspec
import numpy as np

from edgefashion.records import (
    Architecture,
    ArtifactInfo,
    Check,
    ClassScore,
    DataIdentity,
    Environment,
    EpochMetrics,
    Flip,
    Parity,
    Quality,
    Recipe,
    TrainingReport,
    VerifyReport,
)

LABELS = [
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
]
_RECALL = (0.836, 0.961, 0.736, 0.881, 0.835, 0.963, 0.601, 0.935, 0.962, 0.95)


def identity(*, is_sample: bool = False, labels: list[str] = LABELS) -> DataIdentity:
    return DataIdentity(
        name="fashion-mnist",
        sha256="d1" * 32,
        train_images=2000 if is_sample else 55000,
        validation_images=500 if is_sample else 5000,
        test_images=1000 if is_sample else 10000,
        is_sample=is_sample,
        labels=labels,
        image_shape=[28, 28],
    )


def quality(*, lost: int = 0, labels: list[str] = LABELS) -> Quality:
    """1,000 pictures of each class, `lost` of each class fewer right than at best; mistakes fall on neighbours."""
    right = np.array([round(1000 * recall) - lost for recall in _RECALL])
    wrong = 1000 - right
    confusion = np.diag(right) + _confused(wrong)
    precision, recall = right / confusion.sum(axis=0), right / 1000
    f1 = 2 * precision * recall / (precision + recall)
    return Quality(
        images=10000,
        accuracy=float(recall.mean()),
        macro_f1=float(f1.mean()),
        weighted_f1=float(f1.mean()),
        weighted_precision=float(precision.mean()),
        weighted_recall=float(recall.mean()),
        cross_entropy=0.4,
        per_class=[
            ClassScore(label=label, precision=float(p), recall=float(r), f1=float(f), images=1000)
            for label, p, r, f in zip(labels, precision, recall, f1, strict=True)
        ],
        confusion=confusion.tolist(),
    )


def _confused(wrong: np.ndarray) -> np.ndarray:
    tops, shoes, others = (0, 2, 3, 4, 6), (5, 7, 9), (1, 8)
    spread = np.zeros((10, 10), dtype=int)
    for group in (tops, shoes, others):
        for row in group:
            rest = [column for column in group if column != row]
            for position, column in enumerate(rest):
                spread[row, column] = wrong[row] // len(rest) + (position < wrong[row] % len(rest))
    return spread


def artifact(variant: str, size_bytes: int) -> ArtifactInfo:
    return ArtifactInfo(
        name="seed",
        variant=variant,
        file=f"{variant}.onnx",
        sha256=msgspec.json.encode(variant).hex()[:64],
        size_bytes=size_bytes,
        precision="int8" if variant.startswith("int8") else "float32",
        scheme=None,
    )


FP32 = artifact("fp32", 52162)
INT8 = artifact("int8-static", 27773)
DYNAMIC = artifact("int8-dynamic", 22781)
FP16 = artifact("fp16", 29486)
CHECKPOINT = artifact("checkpoint", 50952)


def environment() -> Environment:
    return Environment(
        cpu="Example CPU @ 2.50GHz",
        cores=4,
        usable_cores=2,
        memory_bytes=8_000_000_000,
        system="Linux 6.1",
        python="3.12.3",
        versions={"onnxruntime": "1.26.0", "numpy": "2.4.6"},
        container=None,
        hypervisor=True,
        governor=None,
        accelerators=[],
    )


def training(*, is_sample: bool = False, labels: list[str] = LABELS, epochs: int = 10) -> TrainingReport:
    return TrainingReport(
        recipe=Recipe(
            name="seed",
            summary="a small network",
            architecture=Architecture(name="seed", settings={"widths": [4, 8, 16]}),
            epochs=epochs,
            batch_size=1024,
            learning_rate=1e-3,
        ),
        seed=0,
        device="cpu",
        threads=2,
        data=identity(is_sample=is_sample, labels=labels),
        parameters=11562,
        history=[
            EpochMetrics(
                epoch=epoch,
                train_loss=0.3 + 1.33 / epoch,
                train_accuracy=0.9 - 0.35 / epoch,
                validation_loss=0.33 + 0.94 / sqrt(epoch) / epoch,
                validation_accuracy=0.89 - 0.2 / epoch,
                images_per_s=9000.0,
                wall_s=6.0,
            )
            for epoch in range(1, epochs + 1)
        ],
        best_epoch=epochs,
        test=quality(labels=labels),
        wall_s=70.0,
        cpu_s=120.0,
        environment=environment(),
        checkpoint_sha256="c5" * 32,
    )


def parity(info: ArtifactInfo, *, flips: int, lost: int = 0, golden: bool = False) -> Parity:
    agreement = 1 - flips / 10000
    return Parity(
        artifact=info,
        runtime="onnxruntime 1.26.0 · CPUExecutionProvider",
        reference="checkpoint of run seed",
        images=10 if golden else 10000,
        max_abs=2.9e-6 if flips == 0 else 1.41,
        mean_abs=3.1e-7 if flips == 0 else 0.16,
        max_rel=1e-6,
        mean_rel=1e-7,
        max_reference_logit=12.3,
        agreement=agreement,
        flips=[
            Flip(
                index=100 + number,
                label=6,
                reference_class=6,
                candidate_class=number % 5,
                reference_margin=0.01 * (number + 1),
                candidate_margin=0.02,
            )
            for number in range(flips)
        ],
        reference_quality=None if golden else quality(),
        quality=None if golden else quality(lost=lost),
        checks=[Check(name="top-1 agreement", value=agreement, limit=0.985, relation="≥")],
    )


def verification(*, is_sample: bool = False) -> VerifyReport:
    """fp32 passes, int8-static passes with flips, int8-dynamic fails, fp16 saw golden outputs only."""
    return VerifyReport(
        data=identity(is_sample=is_sample),
        results=[
            parity(FP32, flips=0),
            parity(INT8, flips=37, lost=1),
            parity(DYNAMIC, flips=212, lost=9),
            parity(FP16, flips=0, golden=True),
        ],
        environment=environment(),
    )
