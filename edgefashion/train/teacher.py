"""What a teacher answers: the same for every epoch of the training, so it is asked once."""

import torch
from torch import Tensor

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput
from edgefashion.models.checkpoint import load_model
from edgefashion.train.loop import predict


def check_teacher(teacher: Artifact, data: Dataset) -> None:
    """Refuse a teacher that cannot teach these pictures.

    Raises:
        BadInput: It is no checkpoint, or knows other classes or sizes; or it has learned from what is held out here.
    """
    manifest, identity = teacher.manifest, data.identity
    if manifest.format != "safetensors":
        raise BadInput(f"{teacher.path} is no checkpoint: expected the checkpoint.safetensors of a run as the teacher")
    if list(manifest.labels) != list(data.labels) or list(manifest.input.shape[1:]) != list(identity.image_shape):
        raise BadInput(f"{teacher.path} was trained for other classes or pictures than {identity.name}")
    if manifest.training_data != identity:
        # Its training pictures may be this run's validation pictures.
        raise BadInput(
            f"{teacher.path} was trained on {manifest.training_data.name}, which is split in another way than "
            f"{identity.name}: expected a teacher that was trained on the same pictures"
        )


def teacher_answers(teacher: Artifact, images: Tensor, *, precision: str) -> Tensor:
    """Logits float32[N, classes] of `images` uint8[N, H, W], each the mean over the picture and its mirror image.

    The mean is the better classifier of the two, and asks the student to answer a picture like its mirror image.
    """
    model = load_model(teacher).to(images.device)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch omits this form
    answers = [predict(model, view, precision=precision) for view in (images, images.flip(-1))]
    return torch.stack(answers).mean(0).to(images.device)
