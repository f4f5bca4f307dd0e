"""What a teacher answers, which teachers are refused, and where it is written down who taught."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion import runs, tensors, train  # noqa: E402
from edgefashion.artifact import Artifact  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, UsageError  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.records import EpochMetrics, Manifest, ResumeState, TensorSpec, TrainingReport  # noqa: E402
from edgefashion.train.progress import Silent  # noqa: E402
from edgefashion.train.teacher import check_teacher, teacher_answers  # noqa: E402


class StopAfterOne(Silent):
    """Interrupts like Ctrl-C after the first epoch."""

    def epoch(self, metrics: EpochMetrics) -> None:  # noqa: ARG002 - a protocol's signature
        raise KeyboardInterrupt


def fit(data: Dataset, out: Path, *, teacher: Artifact | None, **settings: Any) -> Artifact:
    """Train the small recipe on one thread of the CPU."""
    recipe = settings.pop("recipe", small_nets.RECIPE)
    return train.fit(recipe, data, out=out, teacher=teacher, device="cpu", threads=1, **settings)


def settled(data: Dataset, *, seed: int) -> Any:
    """A network that has seen pictures, so that batch-norm's running means are no longer those of the beginning."""
    model = small_nets.fresh(data, seed=seed)
    with torch.no_grad():
        for start in range(0, 128, 32):
            model(small_nets.lessons(data, start=start).images)
    return model


@pytest.fixture
def teacher(small: Dataset, manifest: Manifest, tmp_path: Path) -> Artifact:
    """A checkpoint that may teach the sample."""
    return small_nets.checkpoint(settled(small, seed=7), manifest, tmp_path / "master" / runs.CHECKPOINT)


@pytest.fixture
def another(small: Dataset, manifest: Manifest, tmp_path: Path) -> Artifact:
    """A checkpoint of other weights."""
    return small_nets.checkpoint(settled(small, seed=8), manifest, tmp_path / "another" / runs.CHECKPOINT)


# What it answers


def test_answers_are_the_mean_over_the_mirror(teacher: Artifact, small: Dataset) -> None:
    """Each picture is answered by the mean of its own and its mirror image's logits, as the finished network gives."""
    images = torch.tensor(small.train.pixels)
    model = load_model(teacher).eval()
    with torch.no_grad():
        own, mirrored = model(images), model(images.flip(2))
    answers = teacher_answers(teacher, images, precision="float32")
    torch.testing.assert_close((own + mirrored) / 2, answers)
    assert float((own - mirrored).abs().max()) > 0.01


def test_answers_can_be_learned_from(teacher: Artifact, small: Dataset) -> None:
    """Answers are plain float32 values, whatever the precision they were computed in: autograd takes them."""
    images = torch.tensor(small.train.pixels[:64])
    full, half = (teacher_answers(teacher, images, precision=name) for name in ("float32", "bfloat16"))
    for answers in (full, half):
        assert torch.float32 == answers.dtype
        assert not answers.requires_grad
        assert not answers.is_inference()
    assert not torch.equal(full, half)
    torch.testing.assert_close(full, half, rtol=0.1, atol=0.1)


def test_a_picture_and_its_mirror_are_answered_alike(teacher: Artifact, small: Dataset) -> None:
    """The mirror image of a picture gets the picture's own answer."""
    images = torch.tensor(small.train.pixels[:64])
    answers = [teacher_answers(teacher, view, precision="float32") for view in (images, images.flip(-1))]
    torch.testing.assert_close(*answers)


# Who may teach


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "onnx"}, "is no checkpoint: expected the checkpoint.safetensors"),
        ({"labels": [f"class {number}" for number in range(10)]}, "was trained for other classes or pictures"),
        ({"input": TensorSpec("images", "uint8", ["batch", 32, 32])}, "was trained for other classes or pictures"),
    ],
    ids=["format", "classes", "size"],
)
def test_unfit_teachers_are_refused(changes: dict[str, Any], message: str, small: Dataset, teacher: Artifact) -> None:
    """A teacher of another kind, of other classes or of other sizes is refused with its file's name."""
    unfit = _described(teacher, **changes)
    with pytest.raises(BadInput, match=f"{teacher.path} {message}"):
        check_teacher(unfit, small)


@pytest.mark.parametrize("change", [{"sha256": "f" * 64}, {"validation_images": 401}, {"name": "other"}], ids=str)
def test_a_teacher_of_another_split_is_refused(change: dict[str, Any], small: Dataset, teacher: Artifact) -> None:
    """A teacher may not have learned from pictures that are held out here: other data, or another split of it."""
    elsewhere = msgspec.structs.replace(small.identity, **change)
    with pytest.raises(BadInput, match=f"{teacher.path} was trained on {elsewhere.name}, which is split in another"):
        check_teacher(_described(teacher, training_data=elsewhere), small)


def test_a_fitting_teacher_is_taken(teacher: Artifact, small: Dataset) -> None:
    """Same classes, same sizes, same pictures: nothing to refuse."""
    check_teacher(teacher, small)


def test_refused_before_anything_is_written(teacher: Artifact, small: Dataset, tmp_path: Path) -> None:
    """A training with an unfit teacher does not begin."""
    with pytest.raises(BadInput, match="is no checkpoint"):
        fit(small, tmp_path / "run", teacher=_described(teacher, format="onnx"))
    assert not (tmp_path / "run").exists()


# Who taught


def test_training_with_a_teacher(teacher: Artifact, another: Artifact, small: Dataset, tmp_path: Path) -> None:
    """The teacher decides the weights and is written down; interrupted, only the same teacher can go on, to the bit."""
    recipe = small_nets.changed(average=0.5, mixup=0.4, augment=("flip", "shift-1", "erasing"))
    whole = fit(small, tmp_path / "a" / "run", teacher=teacher, recipe=recipe)
    report = TrainingReport.load(tmp_path / "a" / "run" / runs.TRAINING)
    assert (teacher.manifest.name, teacher.sha256) == (report.teacher, report.teacher_sha256)

    out = tmp_path / "b" / "run"
    with pytest.raises(KeyboardInterrupt):
        fit(small, out, teacher=teacher, recipe=recipe, progress=StopAfterOne())
    _, state = tensors.read(out / runs.RESUME, "edgefashion.resume", ResumeState)
    assert teacher.sha256 == state.teacher_sha256
    for other in (another, None):
        with pytest.raises(UsageError, match="the interrupted run has another teacher: resume it with the same"):
            fit(small, out, teacher=other, recipe=recipe, resume=True)
    assert whole.content == fit(small, out, teacher=teacher, recipe=recipe, resume=True).content

    alone = fit(small, tmp_path / "c" / "run", teacher=None, recipe=recipe)
    report = TrainingReport.load(tmp_path / "c" / "run" / runs.TRAINING)
    assert (report.teacher, report.teacher_sha256) == (None, None)
    assert not _same_weights(whole, alone)


def test_a_teacher_without_weight_changes_nothing(teacher: Artifact, small: Dataset, tmp_path: Path) -> None:
    """Asking a teacher who has no weight leaves every bit of the weights as it would have been."""
    recipe = small_nets.changed(teacher_weight=0.0, augment=("flip",), epochs=1)
    alone, accompanied = (
        fit(small, tmp_path / name / "run", teacher=master, recipe=recipe)
        for name, master in (("alone", None), ("accompanied", teacher))
    )
    assert _same_weights(alone, accompanied)


def _described(artifact: Artifact, **changes: Any) -> Artifact:
    """The same file under another description."""
    return dataclasses.replace(artifact, manifest=msgspec.structs.replace(artifact.manifest, **changes))


def _same_weights(first: Artifact, second: Artifact) -> bool:
    one, two = (tensors.arrays(each.content, each.path) for each in (first, second))
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)
