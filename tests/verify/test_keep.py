"""Prove first, then keep."""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from edgefashion.artifact import Artifact, open_artifact  # noqa: E402 - after the skips
from edgefashion.data import Dataset, golden_images  # noqa: E402
from edgefashion.errors import CannotWrite, CheckFailed  # noqa: E402
from edgefashion.files import UNSEALED  # noqa: E402
from edgefashion.records import Manifest  # noqa: E402
from edgefashion.runtimes import default_spec, open_session  # noqa: E402
from edgefashion.verify import Limits, compare, find_reference  # noqa: E402
from edgefashion.verify.keep import keep_if_proven  # noqa: E402


@pytest.fixture
def model(fp32: Artifact) -> Any:
    """The tiny run's export as an onnx.ModelProto."""
    return onnx.load_model_from_string(fp32.content)


@pytest.fixture
def draft(fp32: Artifact) -> Manifest:
    """Its manifest before anything was measured."""
    return msgspec.structs.replace(fp32.manifest, expected=None, golden=None, variant="draft", seal=UNSEALED)


def test_proven_model_is_kept(
    model: Any, draft: Manifest, checkpoint: Artifact, sample: Dataset, tmp_path: Path
) -> None:
    """A model that passes is written with the accuracy and the golden outputs that were measured on it."""
    path = tmp_path / "new" / "draft.onnx"
    kept, parity = keep_if_proven(model, draft, path, sample, reference=checkpoint)
    assert kept == open_artifact(path)
    assert kept.info == parity.artifact
    assert parity.passed
    assert parity.quality is not None
    assert kept.manifest.expected is not None
    assert (parity.quality.accuracy, 1_000) == (kept.manifest.expected.accuracy, kept.manifest.expected.images)
    indices, golden = golden_images()
    assert kept.manifest.golden is not None
    assert indices == kept.manifest.golden.indices
    with open_session(kept, default_spec(kept)) as session:
        answers = session.run(golden.pixels)
    # float32 survives its shortest decimal form exactly.
    np.testing.assert_array_equal(np.array(kept.manifest.golden.logits, np.float32), answers)


def test_a_model_without_pictures_proves_itself_too(
    model: Any, draft: Manifest, checkpoint: Artifact, sample: Dataset, tmp_path: Path
) -> None:
    """Without its golden pictures a file is 4 kB smaller, and still answers for them: the sample has them."""
    kept, bare = (
        keep_if_proven(model, draft, tmp_path / f"{each}.onnx", sample, reference=checkpoint, pictures=each)[0]
        for each in (True, False)
    )
    inside, outside = kept.manifest.golden, bare.manifest.golden
    assert inside is not None
    assert outside is not None
    assert (inside.has_pictures, outside.has_pictures) == (True, False)
    assert 4_000 < len(kept.content) - len(bare.content) < 5_000
    assert inside.logits == outside.logits
    golden = find_reference(bare, sample, "golden")
    np.testing.assert_array_equal(golden.pixels, find_reference(kept, sample, "golden").pixels)
    assert compare(bare, golden, sample).passed


@pytest.mark.parametrize("existing", [True, False])
def test_unproven_model_is_not_kept(
    existing: bool,
    model: Any,
    draft: Manifest,
    checkpoint: Artifact,
    sample: Dataset,
    tmp_path: Path,
) -> None:
    """A model that fails is not written: the message says what failed, against what; an older file stays."""
    path = tmp_path / "draft.onnx"
    if existing:
        path.write_bytes(b"older")
    with pytest.raises(
        CheckFailed,
        match=r"draft\.onnx was not kept: flipped decisions is 0 and must be ≤ -1 against tiny/pytorch .*1,000 pict",
    ):
        keep_if_proven(model, draft, path, sample, reference=checkpoint, limits=Limits(max_flips=-1))
    assert ([b"older"] if existing else []) == [found.read_bytes() for found in tmp_path.iterdir()]


def test_golden_reference_measures_no_accuracy(
    model: Any, draft: Manifest, fp32: Artifact, sample: Dataset, tmp_path: Path
) -> None:
    """Kept for ten golden pictures alone, a model claims no accuracy."""
    golden = find_reference(fp32, sample, "golden")
    kept, parity = keep_if_proven(model, draft, tmp_path / "draft.onnx", sample, reference=golden)
    assert kept.manifest.expected is None
    assert kept.manifest.golden is not None
    assert parity.images == 10


def test_place_that_cannot_be_written(
    model: Any, draft: Manifest, checkpoint: Artifact, sample: Dataset, tmp_path: Path
) -> None:
    """A proven model that cannot be written is an error, not a success."""
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match="cannot write"):
        keep_if_proven(model, draft, tmp_path / "file" / "draft.onnx", sample, reference=checkpoint)
