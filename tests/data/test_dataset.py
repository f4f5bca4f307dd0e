"""The data set: its split, its identity, its sample."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion import data
from edgefashion.data import Dataset, Images
from edgefashion.data.dataset import (
    SAMPLE,
    SAMPLE_FOLDER,
    golden_images,
    load_sample,
    read_folder,
    stratified_split,
)
from edgefashion.data.idx import read_idx
from edgefashion.errors import BadInput
from edgefashion.files import sha256


@pytest.fixture(scope="module")
def full() -> Dataset:
    """All of Fashion-MNIST, where it is on this machine."""
    found = data.load_present()
    if found.identity.is_sample:
        pytest.skip("the full data set is not on this machine")
    return found


def rows(images: Images) -> set[bytes]:
    """Each picture with its label, to compare sets of pictures."""
    return {pixels.tobytes() + bytes((label,)) for pixels, label in zip(images.pixels, images.labels, strict=True)}


def counts(images: Images) -> list[int]:
    """Number of pictures of each class."""
    return np.bincount(images.labels, minlength=10).tolist()


def sample_labels() -> np.ndarray:
    """The labels of the sample's training file, before the split."""
    stem = "train-labels-idx1-ubyte"
    return read_idx(SAMPLE_FOLDER / f"{stem}.gz", shape=(2_000,), digest=SAMPLE.digests[stem])


def test_sample_is_stratified(sample: Dataset) -> None:
    """Every part of the sample has equally many pictures of each class."""
    assert counts(sample.train) == [160] * 10
    assert counts(sample.validation) == [40] * 10
    assert counts(sample.test) == [100] * 10


def test_sample_is_small_and_licensed() -> None:
    """The sample adds at most 1.5 MB to an installation, and carries the licence of the pictures."""
    assert sum(path.stat().st_size for path in SAMPLE_FOLDER.iterdir()) <= 1_500_000
    assert "Zalando" in (SAMPLE_FOLDER / "LICENSE").read_text()
    assert "MIT" in (SAMPLE_FOLDER / "LICENSE").read_text()


def test_parts_are_disjoint(sample: Dataset) -> None:
    """No picture of the sample is in two parts."""
    train, validation, test = rows(sample.train), rows(sample.validation), rows(sample.test)
    assert set() == train & validation
    assert set() == (train | validation) & test
    assert len(train) + len(validation) == 2_000


def test_identity_names_the_sample(sample: Dataset) -> None:
    """Whatever is made with the sample says so, and what is made with all pictures says nothing."""
    assert sample.identity.name == "fashion-mnist-sample"
    assert sample.identity.note == "bundled sample: 1,600 training and 1,000 test pictures only"
    assert msgspec.structs.replace(sample.identity, is_sample=False).note == ""


def test_split_never_changes() -> None:
    """The held-out pictures are these and no others: every published figure depends on them."""
    _, held_out = stratified_split(sample_labels(), 400)
    assert sha256(held_out.astype("<i8").tobytes()) == (
        "33f05d7669f3752bde1d4874cad4e413c1824c77d6199a10faebfda4d2c30c8b"
    )


def test_split_depends_on_its_seed() -> None:
    """Another seed holds out other pictures."""
    labels = sample_labels()
    assert stratified_split(labels, 400, seed=1)[1].tolist() != stratified_split(labels, 400, seed=2)[1].tolist()


@given(classes=st.integers(2, 10), each=st.integers(1, 5), seed=st.integers(0, 2**32), extra=st.integers(0, 20))
def test_split_is_a_stratified_partition(classes: int, each: int, seed: int, extra: int) -> None:
    """Every index is kept or held out, never both, in order, with equally many held out of each class."""
    labels = np.concatenate([np.arange(classes).repeat(each), np.arange(extra) % classes]).astype(np.uint8)
    np.random.default_rng(seed).shuffle(labels)
    kept, out = stratified_split(labels, classes * each, seed=seed)
    assert list(range(len(labels))) == sorted([*kept.tolist(), *out.tolist()])
    assert sorted(kept.tolist()) == kept.tolist()
    assert sorted(out.tolist()) == out.tolist()
    assert [each] * classes == np.bincount(labels[out], minlength=classes).tolist()


def test_take_keeps_pictures_with_labels(sample: Dataset) -> None:
    """Taking pictures takes their labels along, in the order asked for."""
    taken = sample.test.take(np.array([5, 2]))
    assert sample.test.labels[[5, 2]].tolist() == taken.labels.tolist()
    assert sample.test.pixels[[5, 2]].tolist() == taken.pixels.tolist()
    assert len(taken) == 2


def test_digest_of_images(sample: Dataset) -> None:
    """A digest tells pictures apart by pixels, by labels, and by order."""
    images = sample.test.take(np.arange(4))
    others = [
        images.take(np.array([1, 0, 2, 3])),
        Images(images.pixels, images.labels[::-1].copy()),
        Images(255 - images.pixels, images.labels),
    ]
    assert len({images.sha256, *(other.sha256 for other in others)}) == 4


def test_golden_images_cover_the_classes(sample: Dataset) -> None:
    """The golden pictures are one of each class, in order, and their indices point at them."""
    indices, images = golden_images()
    assert list(range(10)) == images.labels.tolist()
    assert sample.test.pixels[indices].tolist() == images.pixels.tolist()


def test_folder_needs_all_four_files(tmp_path: Path) -> None:
    """A folder with a file missing names that file."""
    folder = Path(shutil.copytree(SAMPLE_FOLDER, tmp_path / "folder"))
    (folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(BadInput, match=r"has no t10k-labels-idx1-ubyte\.gz"):
        read_folder(folder, SAMPLE, origin="here")


def test_torchvision_layout_and_plain_files(tmp_path: Path) -> None:
    """Files are found where torchvision puts them too, and need not be gzipped."""
    import gzip

    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for path in SAMPLE_FOLDER.glob("*.gz"):
        (raw / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
    assert load_sample().train.sha256 == read_folder(tmp_path, SAMPLE, origin="here").train.sha256


def test_preprocessing_fits_the_training_pictures(full: Dataset) -> None:
    """The normalization is by the mean and deviation of the 60,000 training pictures, to four digits."""
    pixels = np.concatenate([full.train.pixels, full.validation.pixels]) / full.preprocessing.divisor
    assert pytest.approx(full.preprocessing.mean, abs=5e-5) == pixels.mean()
    assert pytest.approx(full.preprocessing.std, abs=5e-5) == pixels.std()


def test_full_split(full: Dataset) -> None:
    """All of Fashion-MNIST splits into 55,000, 5,000 and 10,000 pictures, stratified."""
    assert counts(full.train) == [5_500] * 10
    assert counts(full.validation) == [500] * 10
    assert counts(full.test) == [1_000] * 10


def test_sample_comes_from_the_right_parts(full: Dataset, sample: Dataset) -> None:
    """The sample's training pictures were never held out for validation or testing, its test pictures were."""
    train = rows(sample.train) | rows(sample.validation)
    assert train <= rows(full.train)
    assert rows(sample.test) <= rows(full.test)
