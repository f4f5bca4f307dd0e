"""Golden pictures: they travel in the artifact, and out of it as plain files."""

import base64
import csv
import dataclasses
import zlib
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst
from numpy.typing import NDArray

from edgefashion import verify
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset, golden_images
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Golden
from edgefashion.records.pictures import MAX_PIXELS, pack_pictures, unpack_pictures
from edgefashion.verify import find_reference, reference
from edgefashion.verify.contract import golden_file, read_outputs

HERE = Path("model.onnx")
small_pictures = npst.arrays(np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=9))


def golden_with(**changes: object) -> Golden:
    """One golden picture of two by two, changed."""
    pixels = np.array([[[1, 2], [3, 250]]], np.uint8)
    sound = Golden.of([0], np.zeros((1, 10), np.float32), pixels=pixels, labels=np.zeros(1, np.uint8))
    return msgspec.structs.replace(sound, **changes)


class TestText:
    @given(small_pictures)
    def test_pictures_come_back(self, pixels: NDArray[np.uint8]) -> None:
        """Pictures of any shape are read as they were written, and JSON need not escape one character of them."""
        text = pack_pictures(pixels)
        np.testing.assert_array_equal(unpack_pictures(text, pixels.shape), pixels)
        assert len(text) + 2 == len(msgspec.json.encode(text))

    def test_ten_pictures_are_small(self) -> None:
        """The golden pictures take less than two thirds of their 7,840 pixels, and less than plain zlib in base 64."""
        pixels = golden_images()[1].pixels
        assert len(pack_pictures(pixels)) < 5_000 < len(base64.b64encode(zlib.compress(pixels.tobytes(), 9)))

    @given(st.text(max_size=40) | st.binary(max_size=40).map(lambda raw: base64.b85encode(zlib.compress(raw)).decode()))
    def test_garbage_is_refused(self, text: str) -> None:
        """What is no text of four pixels is refused with the artifact's name, whatever it is."""
        golden = golden_with(pixels=text)
        try:
            assert golden.pictures(HERE).shape == (1, 2, 2)
        except BadInput as error:
            assert str(error).startswith("model.onnx carries golden pictures that cannot be read")  # noqa: PT017 - either outcome is right

    @given(st.lists(st.integers(-(2**70), 2**70), max_size=5).map(tuple))
    def test_shapes_are_bounded(self, shape: tuple[int, ...]) -> None:
        """No shape but the right one is believed, and none allocates anything."""
        if shape != (1, 2, 2):
            with pytest.raises(BadInput, match="cannot be read"):
                golden_with(shape=shape).pictures(HERE)

    @pytest.mark.parametrize(
        ("size", "shape"),
        [(5, (1, 2, 2)), (3, (1, 2, 2)), (20_000_000, (1, 28, 28)), (MAX_PIXELS + 1, (1, 1, MAX_PIXELS + 1))],
        ids=["one more", "one less", "bomb", "large"],
    )
    def test_other_sizes_are_refused(self, size: int, shape: tuple[int, ...]) -> None:
        """More or fewer pixels than announced are refused; a bomb is not inflated."""
        text = base64.b85encode(zlib.compress(bytes(size), 9)).decode()
        with pytest.raises(BadInput, match=r"they are not the|are too many|at most"):
            golden_with(pixels=text, shape=shape).pictures(HERE)


class TestInTheArtifact:
    def test_an_artifact_proves_itself(self, fp32: Artifact, sample: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
        """Neither the bundled sample nor anything beside the file is needed to verify it."""
        monkeypatch.setattr(reference, "load_sample", lambda: pytest.fail("the sample was read"))
        golden = find_reference(fp32, sample, "golden")
        np.testing.assert_array_equal(golden.pixels, golden_images()[1].pixels)
        assert list(range(10)) == golden.labels.tolist()
        assert verify.compare(fp32, golden, sample).passed

    def test_a_checkpoint_carries_them_too(self, checkpoint: Artifact) -> None:
        """What PyTorch answered travels with its pictures as well."""
        assert checkpoint.manifest.golden is not None
        np.testing.assert_array_equal(checkpoint.manifest.golden.pictures(HERE), golden_images()[1].pixels)

    def test_older_artifacts_still_verify(self, fp32: Artifact, sample: Dataset) -> None:
        """An artifact that carries only indices is verified on the sample's pictures."""
        older = changed(fp32, pixels="", shape=(), labels=())
        golden = find_reference(older, sample, "golden")
        np.testing.assert_array_equal(golden.pixels, golden_images()[1].pixels)
        assert verify.compare(older, golden, sample).passed

    @pytest.mark.parametrize(
        "change",
        [
            {"pixels": "!"},
            {"shape": (10, 14, 56)},
            {"labels": tuple(range(9))},
            {"labels": (300,) * 10},
            {"labels": (10,) * 10},
            {"logits": [[0.0]]},
            {"pixels": "", "indices": [99_999] * 10},
            {"pixels": "", "indices": [], "logits": []},
        ],
    )
    def test_damage_is_told(self, change: dict[str, object], fp32: Artifact, sample: Dataset) -> None:
        """Pictures, labels or logits that do not belong together are bad input, not a traceback."""
        with pytest.raises(BadInput, match=r"fp32\.onnx carries golden"):
            find_reference(changed(fp32, **change), sample, "golden")


class TestAsFile:
    def test_npz(self, fp32: Artifact, tmp_path: Path) -> None:
        """NPZ holds pictures, logits and labels, is the same bytes each time, and is itself a file of right outputs."""
        path = golden_file(fp32, tmp_path / "golden.npz")
        with np.load(path, allow_pickle=False) as arrays:
            assert {"pixels": np.uint8, "logits": np.float32, "labels": np.uint8} == {
                name: arrays[name].dtype for name in arrays
            }
            np.testing.assert_array_equal(arrays["pixels"], golden_images()[1].pixels)
            logits = arrays["logits"]
        np.testing.assert_array_equal(logits, golden_logits(fp32))
        assert path.read_bytes() == golden_file(fp32, tmp_path / "again.npz").read_bytes()
        np.testing.assert_array_equal(read_outputs(path, images=10, classes=10), logits)

    def test_csv(self, fp32: Artifact, tmp_path: Path) -> None:
        """CSV holds a row a picture: label, pixels row by row, and logits in the digits that give the same float32."""
        with golden_file(fp32, tmp_path / "golden.CSV").open(newline="") as file:
            header, *rows = csv.reader(file)
        assert [header[i] for i in (0, 1, 784, 785, 794)] == ["label", "pixel_0", "pixel_783", "logit_0", "logit_9"]
        numbers = np.array(rows, dtype=np.float64)
        assert list(range(10)) == numbers[:, 0].tolist()
        np.testing.assert_array_equal(numbers[:, 1:785].reshape(10, 28, 28), golden_images()[1].pixels)
        np.testing.assert_array_equal(numbers[:, 785:].astype(np.float32), golden_logits(fp32))

    def test_other_suffix(self, fp32: Artifact, tmp_path: Path) -> None:
        """Another suffix is refused before anything is written."""
        with pytest.raises(UsageError, match=r"golden\.png is neither \.npz nor \.csv"):
            golden_file(fp32, tmp_path / "golden.png")
        assert list(tmp_path.iterdir()) == []

    def test_artifact_without_golden_outputs(self, fp32: Artifact, tmp_path: Path) -> None:
        """An artifact that carries none has nothing to write."""
        bare = dataclasses.replace(fp32, manifest=msgspec.structs.replace(fp32.manifest, golden=None))
        with pytest.raises(NotAvailable, match="carries no golden outputs"):
            golden_file(bare, tmp_path / "golden.npz")


def changed(artifact: Artifact, **changes: object) -> Artifact:
    """The artifact with other golden outputs."""
    assert artifact.manifest.golden is not None
    golden = msgspec.structs.replace(artifact.manifest.golden, **changes)
    return dataclasses.replace(artifact, manifest=msgspec.structs.replace(artifact.manifest, golden=golden))


def golden_logits(artifact: Artifact) -> NDArray[np.float32]:
    """The logits that the artifact carries."""
    assert artifact.manifest.golden is not None
    return np.array(artifact.manifest.golden.logits, np.float32)
