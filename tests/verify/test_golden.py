"""Golden pictures: they travel in the artifact, and out of it as plain files."""

import base64
import csv
import dataclasses
import lzma
import sys
import zlib
from collections.abc import Callable
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
from edgefashion.data import Dataset, Images, golden_images
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Golden
from edgefashion.records.pictures import MAX_PIXELS, pack_pictures, unpack_pictures
from edgefashion.verify import find_reference, reference
from edgefashion.verify.contract import diagnose, golden_file, read_outputs

HERE = Path("model.onnx")
small_pictures = npst.arrays(np.uint8, npst.array_shapes(min_dims=3, max_dims=3, max_side=9))


def golden_with(**changes: object) -> Golden:
    """One golden picture of two by two, changed."""
    pixels = np.array([[[1, 2], [3, 250]]], np.uint8)
    sound = Golden.of([0], np.zeros((1, 10), np.float32), pixels=pixels, labels=np.zeros(1, np.uint8))
    return msgspec.structs.replace(sound, **changes)


def older_text(content: bytes) -> str:
    """Text of the first kind: rows' differences, deflated."""
    return base64.b85encode(zlib.compress(content, 9)).decode()


def newer_text(content: bytes) -> str:
    """Text of the kind that is written now, whatever its content."""
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**13, "lc": 4, "lp": 0, "pb": 0}]
    return "." + base64.b85encode(lzma.compress(content, lzma.FORMAT_RAW, filters=filters)).decode()


class TestText:
    @given(small_pictures)
    def test_pictures_come_back(self, pixels: NDArray[np.uint8]) -> None:
        """Pictures of any shape are read as they were written, and JSON need not escape one character of them."""
        text = pack_pictures(pixels)
        np.testing.assert_array_equal(unpack_pictures(text, pixels.shape), pixels)
        assert len(text) + 2 == len(msgspec.json.encode(text))

    @given(small_pictures)
    def test_older_text_is_read(self, pixels: NDArray[np.uint8]) -> None:
        """Artifacts made before LZMA carry deflated differences of rows."""
        text = older_text(np.diff(pixels, axis=1, prepend=np.uint8(0)).tobytes())
        np.testing.assert_array_equal(unpack_pictures(text, pixels.shape), pixels)

    def test_ten_pictures_are_small(self) -> None:
        """The golden pictures take a tenth less than their rows' differences deflated, and a fifth less than zlib."""
        pixels = golden_images()[1].pixels
        packed = len(pack_pictures(pixels))
        assert packed < 0.91 * len(older_text(np.diff(pixels, axis=1, prepend=np.uint8(0)).tobytes()))
        assert packed < 0.8 * len(base64.b64encode(zlib.compress(pixels.tobytes(), 9)))

    def test_python_without_lzma(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """A Python that was built without LZMA says so, and still reads older pictures."""
        pixels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
        text, older = pack_pictures(pixels), older_text(np.diff(pixels, axis=1, prepend=np.uint8(0)).tobytes())
        monkeypatch.setitem(sys.modules, "lzma", None)
        for call in (lambda: pack_pictures(pixels), lambda: unpack_pictures(text, (2, 2, 2))):
            with pytest.raises(NotAvailable, match="without which this Python was built"):
                call()
        np.testing.assert_array_equal(unpack_pictures(older, (2, 2, 2)), pixels)

    @given(st.text(max_size=40) | st.binary(max_size=40).map(older_text) | st.binary(max_size=40).map(newer_text))
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
    @pytest.mark.parametrize("write", [older_text, newer_text])
    def test_other_sizes_are_refused(self, write: Callable[[bytes], str], size: int, shape: tuple[int, ...]) -> None:
        """More or fewer pixels than announced are refused; a bomb is not inflated."""
        with pytest.raises(BadInput, match=r"they are not the|are too many|at most"):
            golden_with(pixels=write(bytes(size)), shape=shape).pictures(HERE)

    @pytest.mark.parametrize("write", [older_text, newer_text])
    def test_what_follows_the_pictures_is_refused(self, write: Callable[[bytes], str]) -> None:
        """Text that goes on behind the pictures, or ends before they do, is damaged."""
        whole = write(bytes(4))
        for text in (whole[:-5], whole + "00000"):
            with pytest.raises(BadInput, match="cannot be read"):
                golden_with(pixels=text).pictures(HERE)


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

    def test_pictures_may_stay_in_the_sample(self, fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
        """An artifact with a digest in the pictures' place is verified on the sample's, and they leave it as a file."""
        bare = without_pictures(fp32, golden_images()[1].sha256)
        golden = find_reference(bare, sample, "golden")
        assert golden.source == "golden outputs in the artifact (10 pictures of the bundled sample)"
        assert verify.compare(bare, golden, sample).passed
        files = [golden_file(each, tmp_path / "golden.npz").read_bytes() for each in (fp32, bare)]
        assert files[0] == files[1]

    def test_another_sample_is_told(self, fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
        """An artifact whose pictures are not those of the sample at hand can prove nothing, and says why."""
        foreign = without_pictures(fp32, Images(golden_images()[1].pixels[::-1], golden_images()[1].labels).sha256)
        for ask in (
            lambda: find_reference(foreign, sample, "golden"),
            lambda: golden_file(foreign, tmp_path / "golden.npz"),
            lambda: diagnose(foreign, golden_logits(foreign)),
        ):
            with pytest.raises(
                BadInput, match=r"fp32\.onnx carries no golden pictures, and those of the bundled sample"
            ):
                ask()

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


def without_pictures(artifact: Artifact, digest: str) -> Artifact:
    """The artifact with a digest instead of its golden pictures."""
    return changed(artifact, pixels="", shape=(), labels=(), pictures_sha256=digest)


def golden_logits(artifact: Artifact) -> NDArray[np.float32]:
    """The logits that the artifact carries."""
    assert artifact.manifest.golden is not None
    return np.array(artifact.manifest.golden.logits, np.float32)
