"""Training: the same in, the same out; the best epoch kept; the test pictures left alone."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion import environment, runs, tensors, train  # noqa: E402
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset, Images  # noqa: E402
from edgefashion.errors import BadInput, CannotWrite, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.files import locked  # noqa: E402
from edgefashion.models.checkpoint import load_model, weights_of  # noqa: E402
from edgefashion.records import Architecture, EpochMetrics, Recipe, Reference, TrainingReport  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.train.device import find_device, find_precision  # noqa: E402
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


@pytest.mark.parametrize("average", [0.0, 0.9], ids=["weights", "average"])
def test_last_epoch_is_kept(average: float, small: Dataset, tmp_path: Path) -> None:
    """Where the recipe says so the checkpoint is the end of the schedule, also when an epoch before it was better."""
    wrong = Images(small.validation.pixels, (small.validation.labels + 1) % 10)
    data = dataclasses.replace(small, validation=wrong)
    recipe = small_nets.changed(epochs=3, batch_size=16, schedule="constant", average=average, keep="last")
    checkpoint = fit(recipe, data, tmp_path / "run")
    report = TrainingReport.load(tmp_path / "run" / runs.TRAINING)
    losses = [metrics.validation_loss for metrics in report.history]
    assert losses.index(min(losses)) + 1 < report.best_epoch == 3
    # What was evaluated is what was kept: the average where weights are averaged.
    pixels, labels = torch.tensor(wrong.pixels), torch.tensor(wrong.labels, dtype=torch.int64)
    assert pytest.approx(losses[2], rel=1e-5) == evaluate(load_model(checkpoint), pixels, labels)[0]


def test_average_is_what_a_training_is_for(small: Dataset, tmp_path: Path) -> None:
    """Averaging weights leaves the training losses as they are and changes the checkpoint."""
    plain, averaged = (
        fit(small_nets.changed(average=decay, keep="last"), small, tmp_path / name / "run")
        for name, decay in (("plain", 0.0), ("averaged", 0.9))
    )
    seen = [TrainingReport.load(checkpoint.path.parent / runs.TRAINING).history for checkpoint in (plain, averaged)]
    assert [epoch.train_loss for epoch in seen[0]] == [epoch.train_loss for epoch in seen[1]]
    assert not same_weights(plain, averaged)


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


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_everything_random_is_repeatable(precision: str, small: Dataset, tmp_path: Path) -> None:
    """Augmented, mixed, with dropout, in either precision: the same seed gives the same bytes, another seed others."""
    network = Architecture("compact", small_nets.NETWORK.settings | {"dropout": 0.2})
    recipe = small_nets.changed(
        architecture=network, epochs=1, augment=("flip", "shift-1", "cutout", "erasing"), mixup=0.4, average=0.5
    )
    first, again, other = (
        fit(recipe, small, tmp_path / place / "run", seed=seed, precision=precision)
        for place, seed in (("a", 0), ("b", 0), ("c", 1))
    )
    assert first.content == again.content
    assert not same_weights(first, other)
    assert precision == TrainingReport.load(first.path.parent / runs.TRAINING).precision


def test_precision_decides_the_weights(small: Dataset, tmp_path: Path) -> None:
    """The precision that is asked for is used, and the checkpoint is float32 either way."""
    full, half = (
        fit(small_nets.changed(epochs=1), small, tmp_path / name / "run", precision=name)
        for name in ("float32", "bfloat16")
    )
    assert not same_weights(full, half)
    kept = tensors.arrays(half.content, half.path)
    floats = {name: array.dtype for name, array in kept.items() if not name.endswith("num_batches_tracked")}
    assert {np.dtype("float32")} == set(floats.values())
    assert half.manifest.precision == "float32"


@pytest.mark.parametrize(
    ("flags", "computed"),
    [
        (["avx2", "avx512_vnni", "avx512f"], False),
        (["avx2", "avx512_bf16"], True),
        (["amx_bf16", "amx_tile"], True),
        (["asimd", "bf16", "i8mm"], True),
        ([], False),
    ],
    ids=["x86", "AVX-512", "AMX", "Arm", "unknown"],
)
def test_auto_precision(flags: list[str], computed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Auto is the recipe's bfloat16 where the processor computes it; where it does not, float32, and a note says so."""
    here = msgspec.structs.replace(environment.describe(), cpu_flags=flags)
    monkeypatch.setattr(environment, "describe", lambda: here)
    cpu, notes = torch.device("cpu"), list[str]()
    for recipe in (small_nets.RECIPE, train.RECIPES["seed"]):
        assert find_precision("auto", recipe, cpu, note=notes.append) == "float32"
    assert notes == []
    half = small_nets.changed(name="half", precision="bfloat16")
    assert ("bfloat16" if computed else "float32") == find_precision("auto", half, cpu, note=notes.append)
    expected = [] if computed else ["this cpu has no bfloat16 arithmetic: half trains in float32, which takes longer"]
    assert expected == notes
    # Who asks for one by name gets it, in silence.
    for name in ("float32", "bfloat16"):
        for recipe in (half, small_nets.RECIPE):
            assert name == find_precision(name, recipe, cpu, note=notes.append)
    assert expected == notes


def test_unknown_precision(small: Dataset, tmp_path: Path) -> None:
    """A precision that does not exist is refused by name."""
    with pytest.raises(UsageError, match="unknown precision 'float16': known are auto, float32, bfloat16"):
        fit(small_nets.RECIPE, small, tmp_path / "run", precision="float16")


@pytest.mark.parametrize(
    "mistake",
    [{"precision": "float16"}, {"recipe": small_nets.changed(augment=("flop",))}],
    ids=["precision", "augmentation"],
)
def test_nothing_is_lost_to_a_mistake(mistake: dict[str, Any], own_run: Path, small: Dataset) -> None:
    """What is refused overwrites nothing, also with leave to overwrite."""
    before = {path.name: path.read_bytes() for path in own_run.glob("*.*n*")}
    settings = {"recipe": small_nets.RECIPE, "data": small, "out": own_run, "overwrite": True} | mistake
    with pytest.raises(UsageError):
        fit(**settings)
    assert before == {path.name: path.read_bytes() for path in own_run.glob("*.*n*")}


@pytest.mark.parametrize(
    "wrong",
    [{"widths": [4]}, {"widths": 4, "depths": [1]}, {"widths": [0], "depths": [1]}],
    ids=["missing", "mistyped", "out of range"],
)
def test_settings_that_build_no_network(wrong: dict[str, Any], small: Dataset, tmp_path: Path) -> None:
    """A recipe whose network cannot be built is bad input, as any other value that cannot be trained with."""
    with pytest.raises(BadInput, match="compact"):
        fit(small_nets.changed(architecture=Architecture("compact", wrong)), small, tmp_path / "run")


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
