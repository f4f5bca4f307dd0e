"""Interrupted trainings go on as if nothing had happened."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest

pytest.importorskip("torch")

import small_nets

from edgefashion import runs, train
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Architecture, EpochMetrics, Recipe, TrainingReport
from edgefashion.train.progress import Silent


class StopAfter(Silent):
    """Interrupts like Ctrl-C when an epoch is done, and keeps notes."""

    def __init__(self, last_epoch: int | None = None) -> None:
        self.last_epoch, self.notes = last_epoch, list[str]()
        self.first_epoch = 0

    def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:  # noqa: ARG002 - a protocol's signature
        self.first_epoch = first_epoch

    def epoch(self, metrics: EpochMetrics) -> None:
        if metrics.epoch == self.last_epoch:
            raise KeyboardInterrupt

    def note(self, text: str) -> None:
        self.notes.append(text)


def fit(recipe: Recipe, data: Dataset, out: Path, **settings: Any) -> Artifact:
    """Train on one thread of the CPU."""
    return train.fit(recipe, data, out=out, device="cpu", **({"threads": 1} | settings))


@pytest.fixture
def recipe(tiny_recipe: Recipe) -> Recipe:
    """Three epochs, augmented, so that every kind of randomness is in play."""
    return msgspec.structs.replace(tiny_recipe, epochs=3, augment=("flip", "shift"))


@pytest.fixture
def interrupted(recipe: Recipe, small: Dataset, tmp_path: Path) -> Path:
    """A run that was interrupted after its first epoch."""
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, small, tmp_path / "interrupted" / "run", progress=StopAfter(1))
    return tmp_path / "interrupted" / "run"


@pytest.mark.parametrize("last_epoch", [1, 2, 3])
def test_interruption_changes_nothing(last_epoch: int, recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """Interrupted after any epoch and resumed, a training ends in the same bytes as one that was left alone."""
    whole = fit(recipe, small, tmp_path / "whole" / "run")
    out = tmp_path / "broken" / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, small, out, progress=StopAfter(last_epoch))
    assert not runs.is_finished(out)
    watcher = StopAfter()
    resumed = fit(recipe, small, out, resume=True, progress=watcher)
    assert whole.content == resumed.content
    assert last_epoch + 1 == watcher.first_epoch
    assert watcher.notes == []
    history = TrainingReport.load(out / runs.TRAINING).history
    assert [metrics.epoch for metrics in history] == [1, 2, 3]
    assert not (out / runs.RESUME).exists()


def test_killed_training_resumes(tiny_recipe: Recipe, sample: Dataset, tmp_path: Path) -> None:
    """A training that is killed in the middle of its second epoch resumes to the same bytes, its lock being free."""
    code = """
import sys, time
import msgspec
from edgefashion import data, train
from edgefashion.train.progress import Silent

class Stall(Silent):
    epochs_done = 0
    def epoch(self, metrics):
        self.epochs_done += 1
    def step(self, images_done, loss):
        if self.epochs_done == 1 and images_done > 500:
            print("in the second epoch", flush=True)
            time.sleep(60)

recipe = msgspec.structs.replace(train.find_recipe("seed"), epochs=2, batch_size=64)
train.fit(recipe, data.load_sample(), out=sys.argv[1], device="cpu", threads=1, progress=Stall())
"""
    out = tmp_path / "killed" / "run"
    command = [sys.executable, "-c", code, str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "in the second epoch\n"
        process.kill()
    whole = fit(tiny_recipe, sample, tmp_path / "whole" / "run")
    assert whole.content == fit(tiny_recipe, sample, out, resume=True).content


def test_nothing_to_resume(recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """Resuming where no training was interrupted is refused, and no folder appears."""
    with pytest.raises(UsageError, match="no interrupted training"):
        fit(recipe, small, tmp_path / "run", resume=True)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 1}, "seed"),
        ({"epochs": 4}, "recipe"),
        ({"architecture": train.RECIPES["seed-wide"].architecture}, "recipe"),
    ],
    ids=["seed", "epochs", "widths"],
)
def test_other_run_is_not_resumed(
    change: dict[str, Any], named: str, recipe: Recipe, small: Dataset, interrupted: Path
) -> None:
    """Another seed or recipe than the interrupted run's is refused by name, and the run can still be resumed."""
    if "seed" in change:
        settings, wanted = change, recipe
    else:
        settings, wanted = {}, msgspec.structs.replace(recipe, **change)
    before = (interrupted / runs.RESUME).read_bytes()
    with pytest.raises(UsageError, match=f"the interrupted run has another {named}"):
        fit(wanted, small, interrupted, resume=True, **settings)
    assert before == (interrupted / runs.RESUME).read_bytes()


def test_other_thread_count_is_noted(recipe: Recipe, small: Dataset, interrupted: Path) -> None:
    """Another number of threads resumes with a warning, because the last bits may differ."""
    watcher = StopAfter()
    fit(recipe, small, interrupted, resume=True, threads=2, progress=watcher)
    assert watcher.notes == ["threads was 1 and is 2: the result may differ in its last bits"]


def test_other_precision_is_noted(small: Dataset, tmp_path: Path) -> None:
    """Another precision resumes with a warning; the report says what the training ended in."""
    with pytest.raises(KeyboardInterrupt):
        fit(small_nets.RECIPE, small, tmp_path / "run", precision="float32", progress=StopAfter(1))
    watcher = StopAfter()
    fit(small_nets.RECIPE, small, tmp_path / "run", precision="bfloat16", resume=True, progress=watcher)
    assert watcher.notes == ["precision was float32 and is bfloat16: the result may differ in its last bits"]
    assert TrainingReport.load(tmp_path / "run" / runs.TRAINING).precision == "bfloat16"


def test_interruption_of_a_compact_network(small: Dataset, tmp_path: Path) -> None:
    """Muon and AdamW, schedule, average, dropout, mixtures: interrupted in the middle, all go on to the same bytes."""
    network = Architecture("compact", small_nets.NETWORK.settings | {"dropout": 0.1})
    recipe = small_nets.changed(
        architecture=network, augment=("flip", "cutout"), mixup=0.2, average=0.8, schedule="cosine", keep="last"
    )
    settings = {"precision": "bfloat16", "seed": 3}
    whole = fit(recipe, small, tmp_path / "whole" / "run", **settings)
    out = tmp_path / "broken" / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(recipe, small, out, progress=StopAfter(1), **settings)
    assert whole.content == fit(recipe, small, out, resume=True, **settings).content


def test_damaged_state(recipe: Recipe, small: Dataset, interrupted: Path) -> None:
    """A damaged state is refused, never trained on, and so is a checkpoint in its place."""
    path = interrupted / runs.RESUME
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="SHA-256"):
        fit(recipe, small, interrupted, resume=True)
    checkpoint = fit(recipe, small, interrupted.parent / "whole")
    path.write_bytes(checkpoint.content)
    with pytest.raises(BadInput, match="holds no edgefashion"):
        fit(recipe, small, interrupted, resume=True)


def test_finished_run_needs_no_resuming(recipe: Recipe, small: Dataset, interrupted: Path) -> None:
    """A run that was resumed to its end is finished: it is neither resumed nor trained again."""
    checkpoint = fit(recipe, small, interrupted, resume=True)
    with pytest.raises(UsageError, match="finished run"):
        fit(recipe, small, interrupted, resume=True)
    assert checkpoint.content == open_artifact(interrupted / runs.CHECKPOINT).content
