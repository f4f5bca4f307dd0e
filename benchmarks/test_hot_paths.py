"""What edgefashion itself costs: start-up, reading, comparing, augmentation. Run by `nox -s bench`."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgefashion import data
from edgefashion.artifact import open_artifact
from edgefashion.stats import paired_ratio
from edgefashion.verify.parity import differences

RUN = Path(__file__).parent.parent / "exported" / "seed-reference"


def test_help_starts_quickly(benchmark) -> None:
    """`--help` costs an interpreter and typer."""
    command = [sys.executable, "-m", "edgefashion", "--help"]
    benchmark.pedantic(lambda: subprocess.run(command, check=True, capture_output=True), rounds=10)


def test_open_artifact(benchmark) -> None:
    """Reading an artifact is reading, hashing and a scan of its outermost fields."""
    benchmark(open_artifact, RUN / "fp32.onnx")


def test_load_sample(benchmark) -> None:
    """The sample is inflated and hashed each time it is asked for."""
    benchmark(data.load_sample)


def test_compare_ten_thousand_decisions(benchmark) -> None:
    """Parity figures for a whole test set."""
    random = np.random.default_rng(0)
    reference = random.normal(size=(10_000, 10)).astype(np.float32)
    candidate = reference + random.normal(scale=1e-3, size=reference.shape).astype(np.float32)
    benchmark(differences, candidate, reference, np.zeros(10_000, np.uint8))


def test_paired_ratio(benchmark) -> None:
    """The interval that is drawn after each generation."""
    random = np.random.default_rng(0)
    benchmark(paired_ratio, random.lognormal(size=10), random.lognormal(size=10))


@pytest.mark.parametrize("name", ["flip", "shift"])
def test_augment_a_batch(benchmark, name: str) -> None:
    """Whole batches are augmented at hundreds of thousands of pictures a second."""
    torch = pytest.importorskip("torch")
    from edgefashion.train.augment import AUGMENTATIONS

    torch.set_num_threads(len(os.sched_getaffinity(0)))
    images = torch.randint(0, 256, (1024, 28, 28), dtype=torch.uint8)
    benchmark(AUGMENTATIONS[name], images)
