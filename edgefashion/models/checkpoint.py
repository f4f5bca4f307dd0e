"""Weights between a model and a checkpoint: arrays in a safetensors file, nothing that can execute."""

import torch
from torch import nn

from edgefashion import tensors
from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput
from edgefashion.models import Classifier, build


def weights_of(model: nn.Module) -> tensors.Arrays:
    """Every parameter and buffer that a checkpoint keeps, by name, as contiguous arrays on the CPU."""
    return {name: tensor.detach().cpu().numpy().copy(order="C") for name, tensor in model.state_dict().items()}


def load_weights(model: nn.Module, weights: tensors.Arrays) -> None:
    """Copy `weights` into `model`.

    Raises:
        RuntimeError: Names or shapes differ.
    """
    # A copy, because arrays read from a file are read-only.
    model.load_state_dict({name: torch.from_numpy(array.copy()) for name, array in weights.items()})


def load_model(checkpoint: Artifact) -> Classifier:
    """The trained classifier in a checkpoint.

    Raises:
        BadInput: The artifact is no checkpoint, or its weights do not fit its architecture.
    """
    manifest = checkpoint.manifest
    if manifest.format != "safetensors":
        raise BadInput(f"{checkpoint.path} is an ONNX model: expected a checkpoint.safetensors")
    weights = tensors.arrays(checkpoint.content, checkpoint.path)
    try:
        height, width = (int(size) for size in manifest.input.shape[1:])
        model = build(
            manifest.architecture,
            image_shape=(height, width),
            classes=len(manifest.labels),
            preprocessing=manifest.preprocessing,
        )
        load_weights(model, weights)
    except (RuntimeError, KeyError, TypeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise BadInput(f"{checkpoint.path}: its weights do not fit {manifest.architecture.name}: {reason}") from error
    return model
