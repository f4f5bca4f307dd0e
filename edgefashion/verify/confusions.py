"""What models take one class for, and which of its pictures all of them miss.

A picture that every model takes for the same other class, surely, may carry a wrong label. Sure is what confident
learning calls so (Northcutt, Jiang & Chuang 2021, "Confident learning: estimating uncertainty in dataset labels"): a
probability of at least the model's mean probability for that class over the pictures that carry its label. Unlike a
fixed threshold it means the same for models trained with soft labels, which are never sure of anything. Here all models
must agree as well. Such pictures are counted and shown; their labels stay as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, prod

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, CheckFailed, UsageError
from edgefashion.records import ArtifactInfo, Environment, Quality
from edgefashion.records.confusions import ConfusionsReport, MissedPicture, ModelConfusions
from edgefashion.registry import unknown
from edgefashion.stats import Floats, wilson
from edgefashion.verify.confidence import probabilities
from edgefashion.verify.parity import MOST_PICTURES
from edgefashion.verify.quality import measure_quality
from edgefashion.verify.reference import from_artifact


@dataclass(frozen=True)
class Answers:
    """What one model says of every test picture.

    Attributes:
        model: Its name, unique among those it is compared with.
        artifact: How results name it.
        checkpoint_sha256: Digest of the checkpoint that it comes from.
        logits: float32[N, classes], finite.
    """

    model: str
    artifact: ArtifactInfo
    checkpoint_sha256: str
    logits: NDArray[np.float32]


def ask(artifact: Artifact, data: Dataset, *, model: str) -> Answers:
    """Run `artifact` in its own runtime on the test pictures; `model` is the name that results give it.

    Raises:
        BadInput: It knows other classes than the data.
        CheckFailed: Its logits are not finite.
        NotAvailable: Its runtime is not here.
    """
    if tuple(artifact.manifest.labels) != data.labels:
        raise BadInput(f"{artifact.path} knows other classes than {data.identity.name}")
    logits = from_artifact(artifact, data).logits
    if not np.isfinite(logits).all():
        raise CheckFailed(f"{artifact.path} gives logits that are not finite")
    return Answers(model, artifact.info, artifact.manifest.checkpoint_sha256 or artifact.sha256, logits)


def measure_confusions(
    answers: Sequence[Answers], data: Dataset, label: str, *, environment: Environment
) -> ConfusionsReport:
    """The confusions of the class `label` in the answers of one or more models to the test pictures of `data`.

    Raises:
        UsageError: There is no such class, or no test picture of it.
    """
    if label not in data.labels:
        raise UsageError(unknown("class", label, data.labels))
    index = data.labels.index(label)
    pictures = np.flatnonzero(data.test.labels == index)
    if not len(pictures):
        raise UsageError(f"no test picture of {data.identity.name} is a {label}")
    is_missed = np.stack([each.logits[pictures].argmax(axis=1) != index for each in answers])
    checkpoints = list(dict.fromkeys(each.checkpoint_sha256 for each in answers))
    return ConfusionsReport(
        data=data.identity,
        label=label,
        images=len(pictures),
        models=[_of_model(each, data, index) for each in answers],
        checkpoints=len(checkpoints),
        missed_if_independent=_missed_if_independent(is_missed, [each.checkpoint_sha256 for each in answers])
        if len(checkpoints) > 1
        else None,
        missed=_missed_by_all(answers, data, pictures[is_missed.all(axis=0)]),
        environment=environment,
    )


def _of_model(answers: Answers, data: Dataset, index: int) -> ModelConfusions:
    quality = measure_quality(answers.logits, data.test.labels, data.labels)
    row = quality.confusion[index]
    return ModelConfusions(
        model=answers.model,
        artifact=answers.artifact,
        score=quality.per_class[index],
        recall=wilson(row[index], sum(row)),
        answers=row,
        claimed=_column(quality, index),
    )


def _column(quality: Quality, index: int) -> list[int]:
    return [row[index] for row in quality.confusion]


def _missed_if_independent(is_missed: NDArray[np.bool_], checkpoints: Sequence[str]) -> float:
    """Pictures that all models (bool[models, N]) would miss if only those of one checkpoint erred together."""
    origin = np.array(checkpoints)
    shares = [float(is_missed[origin == each].all(axis=0).mean()) for each in dict.fromkeys(checkpoints)]
    return prod(shares, start=float(is_missed.shape[1]))


def _missed_by_all(answers: Sequence[Answers], data: Dataset, indices: NDArray[np.intp]) -> list[MissedPicture]:
    """The pictures at `indices` with every model's answer, the surest first; the first of them with their pixels."""
    chances = [probabilities(each.logits) for each in answers]
    usual = [_usual_confidences(each, data) for each in chances]
    found = [_missed(index, [each[index] for each in chances], usual) for index in indices.tolist()]
    found.sort(key=lambda picture: picture.mean_confidence, reverse=True)
    return [
        msgspec.structs.replace(picture, pixels=data.test.pixels[picture.index].tobytes())
        if place < MOST_PICTURES
        else picture
        for place, picture in enumerate(found)
    ]


def _missed(index: int, chances: Sequence[Floats], usual: Sequence[Floats]) -> MissedPicture:
    """One picture, with the probabilities (float64[classes]) that each model gives for it and usually gives."""
    classes = [int(each.argmax()) for each in chances]
    is_sure = all(each.max() >= known[each.argmax()] for each, known in zip(chances, usual, strict=True))
    return MissedPicture(
        index=index,
        answers=classes,
        confidences=[float(each.max()) for each in chances],
        in_doubt=is_sure and len(set(classes)) == 1,
    )


def _usual_confidences(chances: Floats, data: Dataset) -> Floats:
    """By class the mean probability of it over the pictures that carry its label; infinite where none does."""
    labels = data.test.labels
    own = chances[np.arange(len(labels)), labels]
    return np.array(
        [own[labels == index].mean() if (labels == index).any() else inf for index in range(len(data.labels))]
    )
