"""How far a quantized model hangs on its calibration pictures."""

import dataclasses

import numpy as np
import pytest

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError

pytest.importorskip("torch")

from edgefashion.quantize.stability import Repeated, compare, measure_stability


@pytest.fixture
def few(sample: Dataset) -> Dataset:
    """The sample with a hundred validation pictures."""
    return dataclasses.replace(sample, validation=sample.validation.take(np.arange(100)))


def test_each_variant_is_calibrated_with_each_seed(fp32: Artifact, few: Dataset) -> None:
    """One spread a scheme and size; other pictures give other models, the same seed the same one."""
    report = measure_stability(fp32, ["static"], few, seeds=2, sizes=[5, 50])
    again = measure_stability(fp32, ["static"], few, seeds=2, sizes=[5, 50])
    assert [(each.scheme, each.calibration_images) for each in report.spreads] == [("static", 5), ("static", 50)]
    assert all(len(each.accuracies) == len(each.agreements) == 2 for each in report.spreads)
    assert report.spreads == again.spreads
    assert "validation" in report.data.name


def test_a_scheme_without_calibration_is_refused(fp32: Artifact, few: Dataset) -> None:
    """Dynamic quantization looks at no pictures."""
    with pytest.raises(UsageError, match="needs no calibration pictures"):
        measure_stability(fp32, ["dynamic"], few)


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
