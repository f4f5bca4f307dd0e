"""What models take a class for: counted as by hand, in both directions, and over all models at once."""

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion.artifact import open_artifact
from edgefashion.data import Dataset, Images
from edgefashion.errors import BadInput, CheckFailed, UsageError
from edgefashion.records import ArtifactInfo, Environment
from edgefashion.records.confusions import ConfusionsReport
from edgefashion.stats import wilson
from edgefashion.verify.confusions import Answers, ask, measure_confusions

MACHINE = Environment("a cpu", 2, 2, 2**34, "Linux", "3.11", {}, None, False, None, [])
COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"
SHIRT, PULLOVER, COAT = 6, 2, 4


def data_of(sample: Dataset, labels: list[int]) -> Dataset:
    """Data with these test pictures; each is filled with its own number."""
    pixels = np.stack([np.full((28, 28), number % 256, dtype=np.uint8) for number in range(len(labels))])
    return dataclasses.replace(sample, test=Images(pixels, np.array(labels, dtype=np.uint8)))


def saying(name: str, answers: list[int], *, sure: list[float] | float = 0.9, checkpoint: str = "") -> Answers:
    """A model that gives each picture's answer that probability and shares out the rest."""
    chances = np.empty((len(answers), 10))
    for row, answer, chance in zip(chances, answers, np.broadcast_to(sure, len(answers)), strict=True):
        row[:] = (1 - chance) / 9
        row[answer] = chance
    info = ArtifactInfo(name, name, f"{name}.onnx", name, 1, "float32", None)
    return Answers(name, info, checkpoint or name, np.log(chances).astype(np.float32))


def shirts(data: Dataset, *answers: Answers) -> ConfusionsReport:
    return measure_confusions(answers, data, "Shirt", environment=MACHINE)


classes = st.lists(st.tuples(*[st.integers(0, 9)] * 4), min_size=1, max_size=40).filter(
    lambda rows: any(row[0] == SHIRT for row in rows)
)


@settings(max_examples=12)  # scikit-learn takes its time
@given(classes)
def test_counts_are_those_made_by_hand(sample: Dataset, rows: list[tuple[int, int, int, int]]) -> None:
    """Each direction of each model's confusions, recall with its interval, and what all three miss."""
    labels, *said = (list(column) for column in zip(*rows, strict=True))
    found = shirts(data_of(sample, labels), *(saying(f"m{number}", each) for number, each in enumerate(said)))
    own = [index for index, label in enumerate(labels) if label == SHIRT]
    for model, answers in zip(found.models, said, strict=True):
        assert [sum(answers[index] == other for index in own) for other in range(10)] == model.answers
        claimed = [label for label, answer in zip(labels, answers, strict=True) if answer == SHIRT]
        assert [claimed.count(other) for other in range(10)] == model.claimed
        assert wilson(sum(answers[index] == SHIRT for index in own), len(own)) == model.recall
    missed = {index for index in own if all(answers[index] != SHIRT for answers in said)}
    assert missed == {picture.index for picture in found.missed}
    assert all(picture.answers == [answers[picture.index] for answers in said] for picture in found.missed)
    shares = [sum(answers[index] != SHIRT for index in own) / len(own) for answers in said]
    assert pytest.approx(len(own) * np.prod(shares)) == found.missed_if_independent
    assert (len(own), SHIRT) == (found.images, found.class_index)


def test_models_of_one_checkpoint_count_as_one(sample: Dataset) -> None:
    """They err together by construction: chance is reckoned between checkpoints, and there is none with only one."""
    data = data_of(sample, [SHIRT] * 4)
    fp32 = saying("fp32", [SHIRT, SHIRT, COAT, COAT], checkpoint="a")
    int8 = saying("int8", [SHIRT, COAT, COAT, COAT], checkpoint="a")
    other = saying("other", [COAT, SHIRT, COAT, SHIRT], checkpoint="b")
    together = shirts(data, fp32, int8, other)
    # Both models of `a` miss 2 of 4, `other` misses 2 of 4.
    assert (together.checkpoints, together.missed_if_independent) == (2, 1.0)
    alone = shirts(data, fp32, int8)
    assert (alone.checkpoints, alone.missed_if_independent) == (1, None)


def in_doubt(sample: Dataset, *models: tuple[int, float, float]) -> bool:
    """Whether a Shirt is in doubt to models of (answer, its confidence, usual confidence in that class)."""
    labels = [SHIRT, PULLOVER, COAT]
    answers = [
        saying(f"m{number}", [answer, PULLOVER, COAT], sure=[confidence, usual, usual])
        for number, (answer, confidence, usual) in enumerate(models)
    ]
    (picture,) = shirts(data_of(sample, labels), *answers).missed
    return picture.in_doubt


def test_a_label_is_in_doubt_where_all_are_as_sure_as_usual(sample: Dataset) -> None:
    """Models trained with soft labels are never sure of anything: what counts is how sure they usually are."""
    assert in_doubt(sample, (COAT, 0.95, 0.9), (COAT, 0.95, 0.9))
    assert in_doubt(sample, (COAT, 0.95, 0.9), (COAT, 0.5, 0.4))


def test_one_model_that_hesitates_or_disagrees_takes_the_doubt_away(sample: Dataset) -> None:
    """Every model must agree, and every model must be sure."""
    assert not in_doubt(sample, (COAT, 0.95, 0.9), (COAT, 0.85, 0.9))
    assert not in_doubt(sample, (COAT, 0.95, 0.9), (PULLOVER, 0.95, 0.9))


def test_no_one_is_sure_of_a_class_without_pictures(sample: Dataset) -> None:
    """How sure a model usually is of it is not known."""
    data = data_of(sample, [SHIRT, PULLOVER])
    (picture,) = shirts(data, saying("m", [COAT, PULLOVER], sure=0.99)).missed
    assert (picture.is_unanimous, picture.in_doubt) == (True, False)


def test_surest_mistakes_come_first_and_bring_their_pictures(sample: Dataset) -> None:
    """By mean confidence over the models; as many as fit one figure carry their pixels."""
    count = 60
    sure = np.linspace(0.3, 0.9, count).tolist()
    data = data_of(sample, [SHIRT] * count)
    first, second = saying("a", [COAT] * count, sure=sure), saying("b", [PULLOVER] * count, sure=sure[::-1])
    found = shirts(data, saying("a", [COAT] * count, sure=sure)).missed
    assert list(range(count))[::-1] == [picture.index for picture in found]
    assert [bool(picture.pixels) for picture in found] == [True] * 48 + [False] * 12
    assert bytes([59]) * 784 == found[0].pixels
    assert all(pytest.approx(0.6) == picture.mean_confidence for picture in shirts(data, first, second).missed)


@pytest.mark.parametrize(
    ("label", "words"), [("shirt", "did you mean 'Shirt'"), ("Coat", "no test picture of fashion-mnist-sample")]
)
def test_a_class_must_exist_and_have_pictures(sample: Dataset, label: str, words: str) -> None:
    """Otherwise there is nothing to say, and the message says why."""
    data = data_of(sample, [SHIRT])
    with pytest.raises(UsageError, match=words):
        measure_confusions([saying("m", [COAT])], data, label, environment=MACHINE)


def test_a_report_is_read_as_it_was_written(sample: Dataset, tmp_path: Path) -> None:
    """Pictures included."""
    found = shirts(data_of(sample, [SHIRT, COAT]), saying("m", [COAT, SHIRT]))
    read = ConfusionsReport.load(found.save(tmp_path / "confusions.json"))
    assert found == msgspec.structs.replace(read, seal=found.seal)


# Asking a model


def test_a_model_is_asked_about_every_test_picture(small: Dataset) -> None:
    """The committed models answer for real; both come from one checkpoint."""
    fp32, int8 = (ask(open_artifact(COMMITTED / f"{name}.onnx"), small, model=name) for name in ("fp32", "int8-static"))
    assert (fp32.logits.shape, fp32.model) == ((100, 10), "fp32")
    assert fp32.checkpoint_sha256 == int8.checkpoint_sha256 != fp32.artifact.sha256
    found = measure_confusions([fp32, int8], small, "Shirt", environment=MACHINE)
    assert sum(small.test.labels == SHIRT) == found.images == sum(found.models[0].answers)


def test_a_model_of_other_classes_is_refused(small: Dataset) -> None:
    """Its answers could not be told from mistakes."""
    renamed = dataclasses.replace(small, identity=msgspec.structs.replace(small.identity, labels=list("abcdefghij")))
    with pytest.raises(BadInput, match="other classes"):
        ask(open_artifact(COMMITTED / "fp32.onnx"), renamed, model="fp32")


def test_logits_that_are_not_finite_are_refused(small: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """The class of a NaN is whatever argmax makes of it."""
    broken = np.full((len(small.test), 10), np.nan, dtype=np.float32)
    monkeypatch.setattr("edgefashion.verify.reference.run_all", lambda *_, **__: broken)
    with pytest.raises(CheckFailed, match="not finite"):
        ask(open_artifact(COMMITTED / "fp32.onnx"), small, model="fp32")
