"""A network small enough to learn within a test, what it learns from, and checkpoints that never learned at all."""

from pathlib import Path
from typing import Any

import msgspec
import torch

from edgefashion.artifact import Artifact, from_content, stamp_checkpoint
from edgefashion.data import Dataset
from edgefashion.files import atomic_write
from edgefashion.models import Classifier, build
from edgefashion.models.checkpoint import weights_of
from edgefashion.records import Architecture, Manifest, Recipe
from edgefashion.train.learner import Learner
from edgefashion.train.losses import Lessons

# Three convolutions: one of a single channel, one that widens, one that keeps its width.
NETWORK = Architecture(name="compact", settings={"widths": [4, 8], "depths": [1, 2]})

RECIPE = Recipe(
    name="small",
    summary="for tests",
    architecture=NETWORK,
    epochs=2,
    batch_size=64,
    learning_rate=0.05,
    optimizer="muon",
    momentum=0.6,
    schedule="one-cycle",
    warm_up=0.25,
)


def changed(recipe: Recipe = RECIPE, **changes: Any) -> Recipe:
    """A recipe with some of its values replaced."""
    return msgspec.structs.replace(recipe, **changes)


def fresh(data: Dataset, *, seed: int = 0, architecture: Architecture = NETWORK) -> Classifier:
    """A network that has learned nothing, ready to learn."""
    torch.manual_seed(seed)
    return build(architecture, image_shape=(28, 28), classes=10, preprocessing=data.preprocessing).train()


def lessons(data: Dataset, count: int = 32, *, start: int = 0, answers: torch.Tensor | None = None) -> Lessons:
    """Training pictures with their labels."""
    chosen = slice(start, start + count)
    labels = torch.tensor(data.train.labels[chosen], dtype=torch.int64)
    return Lessons(torch.tensor(data.train.pixels[chosen]), labels, answers)


def learner(recipe: Recipe, data: Dataset, *, steps: int = 10, seed: int = 0, precision: str = "float32") -> Learner:
    """A learner with a fresh network."""
    model = fresh(data, seed=seed, architecture=recipe.architecture)
    return Learner(recipe, model, steps=steps, precision=precision)


def checkpoint(model: Classifier, manifest: Manifest, path: Path, **changes: Any) -> Artifact:
    """A checkpoint of a network as it is, described by `manifest` with some of its values replaced."""
    described = msgspec.structs.replace(manifest, **({"architecture": NETWORK, "name": path.parent.name} | changes))
    content = stamp_checkpoint(weights_of(model), described)
    return from_content(content, atomic_write(path, content))
