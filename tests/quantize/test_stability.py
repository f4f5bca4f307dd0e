"""How far a quantized model hangs on its calibration pictures."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError

pytest.importorskip("torch")

from edgefashion.quantize import apply, stability
from edgefashion.quantize.stability import Repeated, compare, measure_stability


@pytest.fixture
def few(sample: Dataset) -> Dataset:
    """The sample with a hundred validation pictures."""
    return dataclasses.replace(sample, validation=sample.validation.take(np.arange(100)))


def test_each_variant_is_calibrated_with_each_seed(
    fp32: Artifact, few: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every calibration uses as many pictures as it should, each seed other ones; again, and it is the same."""
    used: list[tuple[int, str | None]] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        artifact, parity = apply(*args, **kwargs)
        made = artifact.manifest.quantization
        assert made is not None
        used.append((made.calibration_images, made.calibration_sha256))
        return artifact, parity

    monkeypatch.setattr(stability, "apply", noted)
    report = measure_stability(fp32, ["static"], few, seeds=2, sizes=[5, 50])
    assert [images for images, _ in used] == [5, 5, 50, 50]
    assert len({digest for _, digest in used}) == 4
    assert [(each.scheme, each.calibration_images) for each in report.spreads] == [("static", 5), ("static", 50)]
    assert "validation" in report.data.name
    assert report.spreads == measure_stability(fp32, ["static"], few, seeds=2, sizes=[5, 50]).spreads


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("dynamic", "needs no calibration pictures"),
        ("qat", "chooses its epoch"),
        ("static:calibration_images=7", "are varied here"),
        ("static:calibration_seed=1", "are varied here"),
    ],
)
def test_what_cannot_be_compared_is_refused_first(fp32: Artifact, few: Dataset, scheme: str, words: str) -> None:
    """Before the first calibration, even where another scheme comes before it."""
    notes: list[str] = []
    with pytest.raises(UsageError, match=words):
        measure_stability(fp32, ["static", scheme], few, note=notes.append)
    assert notes == []


def test_one_seed_is_refused(fp32: Artifact, few: Dataset) -> None:
    """One calibration has no spread."""
    with pytest.raises(UsageError, match="at least 2"):
        measure_stability(fp32, ["static"], few, seeds=1)


def variant(name: str, accuracy: float, *, rng: np.random.Generator, base: np.ndarray) -> Repeated:
    """Five calibrations that share most of their mistakes, and now and then make one of their own."""
    right = np.array([np.where(rng.random(len(base)) < 0.02, rng.random(len(base)) < accuracy, base) for _ in range(5)])
    return Repeated(name, 100, right, right)


def test_a_real_difference_is_found_and_named() -> None:
    """Five points between two variants on 5,000 pictures: the better one is named first, with the figure."""
    rng = np.random.default_rng(0)
    base = rng.random(5000) < 0.9
    worse = base & (rng.random(5000) > 0.05)
    (sentence,) = compare([variant("bad", 0.9, rng=rng, base=worse), variant("good", 0.9, rng=rng, base=base)])
    assert sentence.startswith("good with 100 pictures is right more often than bad")


def test_equal_variants_are_not_ranked() -> None:
    """A family of equal variants is told apart in at most about one of twenty cases; the sentence says so."""
    alarms = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        base = rng.random(2000) < 0.9
        said = compare([variant(name, 0.9, rng=rng, base=base) for name in "abc"])
        alarms += said != ["no two of the 3 variants can be told apart: their order means nothing"]
    assert alarms <= 18  # 99 % quantile of a binomial with p = .05
