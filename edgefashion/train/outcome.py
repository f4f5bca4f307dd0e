"""What a training leaves: the checkpoint, PyTorch's answers to every test picture, and the report."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from edgefashion import environment, runs, tensors
from edgefashion.artifact import Artifact, stamp_checkpoint
from edgefashion.data import Dataset, golden_images
from edgefashion.files import atomic_write, sha256
from edgefashion.models import count_parameters
from edgefashion.models.checkpoint import weights_of
from edgefashion.records import Expected, Golden, Manifest, Reference, ResumeState, TensorSpec, TrainingReport
from edgefashion.train.loop import predict
from edgefashion.verify.quality import measure_quality


def write_outcome(
    state: ResumeState,
    data: Dataset,
    model: nn.Module,
    logits: NDArray[np.float32],
    *,
    teacher: Artifact | None,
    out: Path,
) -> bytes:
    """Write checkpoint, reference and report, in this order: the report makes the run count.

    Args:
        state: As the last epoch left it.
        data: Its test pictures are those that `logits` answer.
        model: With the weights that are kept.
        logits: float32[test pictures, classes].
        teacher: Whose answers were taught, if anyone's.
        out: The run's folder.

    Returns:
        The checkpoint's content.

    Raises:
        CannotWrite: The folder is not writable or the disk is full.
    """
    quality = measure_quality(logits, data.test.labels, data.labels)
    manifest = _manifest(state, data, model, out.name, quality.accuracy)
    content = stamp_checkpoint(weights_of(model), manifest)
    digest = sha256(content)
    atomic_write(out / runs.CHECKPOINT, content)
    reference = Reference(checkpoint_sha256=digest, data=data.identity, torch=str(torch.__version__))
    atomic_write(out / runs.REFERENCE, tensors.pack({"logits": logits}, tensors.REFERENCE_KEY, reference))
    TrainingReport(
        recipe=state.recipe,
        seed=state.seed,
        device=state.device,
        precision=state.precision,
        threads=state.threads,
        processes=state.processes,
        teacher=None if teacher is None else teacher.manifest.name,
        teacher_sha256=state.teacher_sha256,
        data=data.identity,
        parameters=manifest.parameters,
        history=state.history,
        best_epoch=state.best_epoch,
        test=quality,
        wall_s=state.wall_s,
        cpu_s=state.cpu_s,
        environment=environment.describe(),
        checkpoint_sha256=digest,
    ).save(out / runs.TRAINING)
    (out / runs.RESUME).unlink(missing_ok=True)
    return content


def _manifest(state: ResumeState, data: Dataset, model: nn.Module, name: str, accuracy: float) -> Manifest:
    indices, golden = golden_images()
    logits = predict(model, torch.tensor(golden.pixels, device=next(model.parameters()).device)).numpy()
    return Manifest(
        name=name,
        variant="pytorch",
        format="safetensors",
        precision="float32",
        input=TensorSpec(name="images", dtype="uint8", shape=["batch", *data.identity.image_shape]),
        output=TensorSpec(name="logits", dtype="float32", shape=["batch", len(data.labels)]),
        labels=list(data.labels),
        preprocessing=data.preprocessing,
        architecture=state.recipe.architecture,
        recipe=state.recipe,
        training_seed=state.seed,
        training_data=data.identity,
        parameters=count_parameters(model),
        versions=environment.versions(),
        expected=Expected(data=data.identity.name, images=len(data.test), accuracy=accuracy),
        golden=Golden.of(indices, logits, pixels=golden.pixels, labels=golden.labels),
    )
