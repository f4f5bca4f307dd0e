"""Worst inputs are kept, and answered again."""

from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")

from search_cases import (
    few_altered_pictures,  # noqa: F401 - a fixture for every test here
    wrong_when_bright,
)

from edgefashion import tensors
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput
from edgefashion.records.worst_case import Regressions, WorstCases
from edgefashion.runs import REGRESSIONS as FILE
from edgefashion.verify.search import KeptCases, find_worst, keep_regressions, load_regressions, recheck

KEY = "edgefashion.regressions"


@pytest.fixture(scope="module")
def truth(tiny_run: Path) -> Artifact:
    """The tiny run's checkpoint."""
    return open_artifact(tiny_run / "checkpoint.safetensors")


@pytest.fixture(scope="module")
def trap(tiny_run: Path) -> Artifact:
    """A float32 export that is wrong on white pictures."""
    return wrong_when_bright(open_artifact(tiny_run / "fp32.onnx"), above=250)


@pytest.fixture(scope="module")
def found(trap: Artifact, truth: Artifact, small: Dataset) -> WorstCases:
    """What a search finds for the trap."""
    return find_worst(trap, truth, small, budget_s=0)


def test_kept_inputs_come_back(found: WorstCases, tmp_path: Path) -> None:
    """What is kept is read back picture by picture, with where it comes from and what it showed."""
    assert tmp_path / FILE == keep_regressions(tmp_path, found)
    kept = load_regressions(tmp_path)
    assert [each.pixels for each in found.worst] == [picture.tobytes() for picture in kept.pixels[:8]]
    assert kept.pixels.shape[1:] == (28, 28)
    first = kept.cases[0]
    assert (first.family, first.max_abs) == (found.worst[0].family, found.max_abs)
    assert (first.variant, first.artifact_sha256, first.seed) == ("fp32", found.artifact.sha256, 0)
    assert first.checkpoint_sha256 == found.checkpoint_sha256


def test_run_without_a_search_keeps_nothing(tmp_path: Path) -> None:
    """No file is no error: nothing was kept."""
    assert len(load_regressions(tmp_path)) == 0


def test_mended_fault_is_seen(
    found: WorstCases, trap: Artifact, fp32: Artifact, truth: Artifact, small: Dataset, tmp_path: Path
) -> None:
    """The kept inputs show the fault again where it is, fire the float32 check, and show that it is mended."""
    keep_regressions(tmp_path, found)
    kept = load_regressions(tmp_path).of("fp32")
    broken, mended = (recheck(artifact, truth, kept, small) for artifact in (trap, fp32))
    assert not broken.passed
    assert broken.max_abs == pytest.approx(found.max_abs, abs=1e-5)
    assert mended.passed
    assert mended.max_abs < 1e-4 < mended.max_abs_then == found.max_abs
    now = [each.max_abs for each in broken.cases]
    assert now == sorted(now, reverse=True)


def test_mended_cases_stay(found: WorstCases, fp32: Artifact, truth: Artifact, small: Dataset, tmp_path: Path) -> None:
    """A later search adds to what was kept, twice nothing, and leaves what other variants have."""
    other = msgspec.structs.replace(found, artifact=msgspec.structs.replace(found.artifact, variant="other"))
    keep_regressions(tmp_path, found)
    once = load_regressions(tmp_path)
    keep_regressions(tmp_path, found)
    assert once.cases == load_regressions(tmp_path).cases
    keep_regressions(tmp_path, other)
    keep_regressions(tmp_path, find_worst(fp32, truth, small, budget_s=0))
    kept = load_regressions(tmp_path)
    assert once.cases == kept.of("fp32").cases[: len(once)]
    assert len(kept.of("fp32")) > len(once)
    assert len(once) == len(kept.of("other"))
    assert (kept.of("other").pixels == once.pixels).all()


def test_file_does_not_grow_for_ever(found: WorstCases, tmp_path: Path) -> None:
    """Of one variant 32 cases are kept at most: the largest differences, the most ulps, and the surest flip."""
    for number in range(6):
        levels = [
            msgspec.structs.replace(
                each, max_abs=float(10 * number + place), pixels=bytes([10 * number + place]) * len(each.pixels)
            )
            for place, each in enumerate(found.worst)
        ]
        more = msgspec.structs.replace(found, worst=levels, surest_flip=None, largest_in_ulps=levels[0])
        keep_regressions(tmp_path, more)
    cases = load_regressions(tmp_path).cases
    assert len(cases) == 32
    # One small difference stays for another reason: nothing was further off in units in the last place, or surer.
    assert sum(case.max_abs < 20 for case in cases) <= 2
    most = msgspec.structs.replace(
        found.worst[0], max_abs=0.5, max_ulps=1e9, pixels=bytes([200]) * len(found.worst[0].pixels)
    )
    keep_regressions(tmp_path, msgspec.structs.replace(found, worst=[], surest_flip=None, largest_in_ulps=most))
    cases = load_regressions(tmp_path).cases
    assert len(cases) == 32
    assert max(case.max_ulps for case in cases) == 1e9


def test_damaged_file_is_refused(found: WorstCases, tmp_path: Path) -> None:
    """A flipped bit anywhere is found, and what is there is not overwritten."""
    path = keep_regressions(tmp_path, found)
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        load_regressions(tmp_path)
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        keep_regressions(tmp_path, found)
    assert bytes(content) == path.read_bytes()


@pytest.mark.parametrize(
    "pixels", [np.zeros((2, 4, 4), np.uint8), np.zeros((1, 4), np.uint8), np.zeros((1, 4, 4), np.float32)]
)
def test_pictures_that_do_not_fit_are_refused(pixels: np.ndarray, found: WorstCases, tmp_path: Path) -> None:
    """A soundly sealed file must still hold one uint8 picture a case."""
    keep_regressions(tmp_path, found)
    case = load_regressions(tmp_path).cases[0]
    (tmp_path / FILE).write_bytes(tensors.pack({"pixels": pixels}, KEY, Regressions(cases=[case])))
    with pytest.raises(BadInput, match="one uint8 picture for each of its 1 cases"):
        load_regressions(tmp_path)


def test_other_sizes_are_refused(
    found: WorstCases, fp32: Artifact, truth: Artifact, small: Dataset, tmp_path: Path
) -> None:
    """Pictures of another size are neither answered nor mixed with these."""
    keep_regressions(tmp_path, found)
    case = load_regressions(tmp_path).cases[0]
    small_pictures = np.zeros((1, 4, 4), np.uint8)
    with pytest.raises(BadInput, match=r"\[4, 4\].*\[28, 28\]"):
        recheck(fp32, truth, KeptCases(small_pictures, [case]), small)
    (tmp_path / FILE).write_bytes(tensors.pack({"pixels": small_pictures}, KEY, Regressions(cases=[case])))
    with pytest.raises(BadInput, match=r"\[4, 4\], not of \[28, 28\]"):
        keep_regressions(tmp_path, found)
