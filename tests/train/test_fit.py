"""Training: the same in, the same out; the best epoch kept; the test pictures left alone."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefashion import runs, tensors, train  # noqa: E402 - after the skip
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset, Images  # noqa: E402
from edgefashion.errors import CannotWrite, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.files import locked  # noqa: E402
from edgefashion.models.checkpoint import load_model, weights_of  # noqa: E402
from edgefashion.records import EpochMetrics, Recipe, Reference, TrainingReport  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.train.device import find_device  # noqa: E402
from edgefashion.train.loop import deterministic, evaluate  # noqa: E402
from edgefashion.train.state import seed_epoch  # noqa: E402
from edgefashion.verify import measure_quality  # noqa: E402


def fit(recipe: Recipe, data: Dataset, out: Path, **settings: Any) -> Artifact:
    """Train on one thread of the CPU."""
    return train.fit(recipe, data, out=out, device="cpu", **({"threads": 1} | settings))


def same_weights(first: Artifact, second: Artifact) -> bool:
    """Whether two checkpoints hold the same values."""
    one, two = tensors.arrays(first.content, first.path), tensors.arrays(second.content, second.path)
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


class Recorder:
    """A progress that writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []
        self.losses: list[float] = []

    def start(self, recipe: Recipe, images: int, first_epoch: int) -> None:
        self.events.append(("start", recipe.name, images, first_epoch))

    def step(self, images_done: int, loss: float) -> None:
        self.events.append(("step", images_done))
        self.losses.append(loss)

    def epoch(self, metrics: EpochMetrics) -> None:
        self.events.append(("epoch", metrics.epoch))

    def note(self, text: str) -> None:
        self.events.append(("note", text))


def test_same_seed_same_bytes(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """Recipe, data, seed and threads decide every byte of checkpoint and reference; another seed gives others."""
    first, again = (fit(tiny_recipe, small, tmp_path / str(place) / "run") for place in range(2))
    other = fit(tiny_recipe, small, tmp_path / "other" / "run", seed=1)
    assert first.content == again.content
    references = [(path.path.parent / runs.REFERENCE).read_bytes() for path in (first, again)]
    assert references[0] == references[1]
    assert not same_weights(first, other)


def test_every_epoch_has_its_own_randomness() -> None:
    """Epochs and seeds draw from streams of their own, and the same epoch of the same seed from the same."""
    drawn = []
    for seed, epoch in ((0, 1), (0, 2), (1, 1), (2, 0), (0, 1)):
        seed_epoch(seed, epoch)
        drawn.append(torch.randperm(50).tolist())
    assert drawn[0] == drawn[4]
    assert len({tuple(order) for order in drawn}) == 4


def test_threads_of_the_process_are_left_alone() -> None:
    """Determinism is switched on for the training only, whatever becomes of it."""
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    inside: list[tuple[int, bool]] = []

    def fail() -> None:
        with deterministic(before[0] + 1):
            inside.append((torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert [(before[0] + 1, True)] == inside
    assert before == (torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())


def test_run_folder_holds_the_run(tiny_run: Path, sample: Dataset, tiny_recipe: Recipe) -> None:
    """A finished run has checkpoint, reference and report, which name one another, and nothing unfinished."""
    checkpoint = open_artifact(tiny_run / runs.CHECKPOINT)
    report = TrainingReport.load(tiny_run / runs.TRAINING)
    stored, reference = tensors.read(tiny_run / runs.REFERENCE, tensors.REFERENCE_KEY, Reference)
    assert checkpoint.sha256 == report.checkpoint_sha256 == reference.checkpoint_sha256
    assert sample.identity == report.data == reference.data == checkpoint.manifest.training_data
    assert tiny_recipe == report.recipe == checkpoint.manifest.recipe
    assert [metrics.epoch for metrics in report.history] == [1, 2]
    assert report.parameters == 11_562
    assert stored["logits"].shape == (1_000, 10)
    assert not (tiny_run / runs.RESUME).exists()
    assert not (tiny_run / ".lock.holder").exists()
    assert list(tiny_run.glob(".*.tmp")) == []


def test_report_is_about_the_checkpoint(tiny_run: Path, sample: Dataset) -> None:
    """Stored logits, reported quality and golden outputs are what the checkpoint really answers."""
    checkpoint = open_artifact(tiny_run / runs.CHECKPOINT)
    report = TrainingReport.load(tiny_run / runs.TRAINING)
    stored, _ = tensors.read(tiny_run / runs.REFERENCE, tensors.REFERENCE_KEY, Reference)
    with open_session(checkpoint, default_spec(checkpoint)) as session:
        logits = run_all(session, sample.test.pixels)
    np.testing.assert_allclose(logits, stored["logits"], atol=1e-5)
    assert measure_quality(stored["logits"].astype(np.float32), sample.test.labels, sample.labels) == report.test
    assert checkpoint.manifest.expected is not None
    assert report.test.accuracy == checkpoint.manifest.expected.accuracy
    golden = checkpoint.manifest.golden
    assert golden is not None
    np.testing.assert_allclose(golden.logits, stored["logits"][golden.indices], atol=1e-5)


def test_it_learns(tiny_run: Path) -> None:
    """Two epochs on the sample beat guessing by far."""
    report = TrainingReport.load(tiny_run / runs.TRAINING)
    assert report.test.accuracy > 0.4
    assert report.history[1].validation_loss < report.history[0].validation_loss < np.log(10)


def test_progress_hears_everything(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """Whoever watches is told the start, each batch and each epoch; the reported loss is the mean over pictures."""
    recorder = Recorder()
    recipe = msgspec.structs.replace(tiny_recipe, batch_size=100)
    fit(recipe, small, tmp_path / "run", progress=recorder)
    steps = [("step", 100), ("step", 200), ("step", 256)]
    assert [("start", "seed", 256, 1), *steps, ("epoch", 1), *steps, ("epoch", 2)] == recorder.events
    report = TrainingReport.load(tmp_path / "run" / runs.TRAINING)
    expected = np.average(recorder.losses[:3], weights=[100, 100, 56])
    assert pytest.approx(expected) == report.history[0].train_loss


def test_best_epoch_is_kept(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """The checkpoint is the epoch with the lowest validation loss, also when training went on to a worse one."""
    wrong = Images(small.validation.pixels, (small.validation.labels + 1) % 10)
    data = dataclasses.replace(small, validation=wrong)  # training on the truth makes this one worse and worse
    recipe = msgspec.structs.replace(tiny_recipe, epochs=4, learning_rate=0.01)
    checkpoint = fit(recipe, data, tmp_path / "run")
    report = TrainingReport.load(tmp_path / "run" / runs.TRAINING)
    losses = [metrics.validation_loss for metrics in report.history]
    assert losses.index(min(losses)) + 1 == report.best_epoch
    assert report.best_epoch < 4
    pixels, labels = torch.tensor(wrong.pixels), torch.tensor(wrong.labels, dtype=torch.int64)
    loss, _ = evaluate(load_model(checkpoint), pixels, labels)
    assert pytest.approx(min(losses), rel=1e-5) == loss


def test_test_pictures_have_no_influence(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """With other test pictures and labels the weights are the same, and only the report differs."""
    other_test = Images(255 - small.test.pixels[::-1], small.test.labels.copy())
    first = fit(tiny_recipe, small, tmp_path / "a")
    second = fit(tiny_recipe, dataclasses.replace(small, test=other_test), tmp_path / "b")
    assert same_weights(first, second)
    reports = [TrainingReport.load(tmp_path / name / runs.TRAINING) for name in "ab"]
    assert reports[0].test != reports[1].test


def test_finished_run_is_not_overwritten(own_run: Path, tiny_recipe: Recipe, small: Dataset) -> None:
    """A finished run is refused and stays as it was; with `overwrite` it is replaced."""
    before = {path.name: path.read_bytes() for path in own_run.iterdir()}
    with pytest.raises(UsageError, match="holds a finished run"):
        fit(tiny_recipe, small, own_run)
    assert before == {path.name: path.read_bytes() for path in own_run.iterdir()}
    replaced = fit(tiny_recipe, small, own_run, overwrite=True)
    assert before[runs.CHECKPOINT] != replaced.content
    assert runs.is_finished(own_run)


def test_overwriting_withdraws_the_old_report_first(own_run: Path, tiny_recipe: Recipe, small: Dataset) -> None:
    """While a run is being replaced it does not pass for finished."""

    class Interrupt(Recorder):
        def step(self, images_done: int, loss: float) -> None:
            super().step(images_done, loss)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(tiny_recipe, small, own_run, overwrite=True, progress=Interrupt())
    assert not runs.is_finished(own_run)


@pytest.mark.parametrize(
    "settings",
    [{"epochs": 2, "batch_size": 64}, {"epochs": 1, "batch_size": 256}],
    ids=["in an epoch", "by the only step"],
)
def test_divergence_is_reported(settings: dict[str, int], tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """A loss that is no longer finite ends the training with a remedy, and leaves no checkpoint."""
    recipe = msgspec.structs.replace(tiny_recipe, learning_rate=1e30, **settings)
    with pytest.raises(CheckFailed, match="lower the learning rate"):
        fit(recipe, small, tmp_path / "run")
    assert not (tmp_path / "run" / runs.CHECKPOINT).exists()
    assert not (tmp_path / "run" / runs.TRAINING).exists()


def test_last_batch_of_one(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """A batch size that leaves a single picture over trains like any other."""
    fit(msgspec.structs.replace(tiny_recipe, batch_size=255), small, tmp_path / "run")


def test_locked_folder(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """Two trainings never share a folder."""
    with locked(tmp_path / "run"), pytest.raises(CannotWrite, match="is in use by"):
        fit(tiny_recipe, small, tmp_path / "run")


def test_unknown_names(small: Dataset, tmp_path: Path, tiny_recipe: Recipe) -> None:
    """Recipes, augmentations and devices that do not exist are refused before anything is made a checkpoint."""
    with pytest.raises(UsageError, match="unknown recipe 'sead': did you mean 'seed'"):
        train.fit("sead", small, out=tmp_path / "run")
    with pytest.raises(UsageError, match="unknown device 'cudaa'"):
        train.fit(tiny_recipe, small, out=tmp_path / "run", device="cudaa")
    with pytest.raises(UsageError, match="unknown augmentation 'flop'"):
        fit(msgspec.structs.replace(tiny_recipe, augment=("flop",)), small, tmp_path / "run")
    assert not (tmp_path / "run" / runs.CHECKPOINT).exists()


def test_absent_device() -> None:
    """A device that is not on this machine is refused, never replaced; auto takes one that is."""
    present = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    for name, here in present.items():
        if not here:
            with pytest.raises(NotAvailable, match=f"finds no {name} device here"):
                find_device(name)
    assert find_device("auto").type in {"cpu", *(name for name, here in present.items() if here)}


def test_augmentation_changes_training_only(tiny_recipe: Recipe, small: Dataset, tmp_path: Path) -> None:
    """An augmented training ends elsewhere, and is as reproducible as one without."""
    recipe = msgspec.structs.replace(tiny_recipe, augment=("flip", "shift"))
    plain, first, again = (
        fit(chosen, small, tmp_path / name / "run")
        for chosen, name in ((tiny_recipe, "plain"), (recipe, "a"), (recipe, "b"))
    )
    assert first.content == again.content
    assert not same_weights(plain, first)


def test_checkpoint_has_every_weight(checkpoint: Artifact) -> None:
    """A checkpoint holds exactly what the network needs."""
    assert set(weights_of(load_model(checkpoint))) == set(tensors.arrays(checkpoint.content, checkpoint.path))
