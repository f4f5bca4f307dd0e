"""Augmentation of whole batches."""

import pytest

torch = pytest.importorskip("torch")

from edgefashion.data import Dataset  # noqa: E402 - after the skip
from edgefashion.errors import UsageError  # noqa: E402
from edgefashion.train.augment import AUGMENTATIONS, compose, flip, shifted  # noqa: E402


@pytest.fixture
def images(sample: Dataset) -> "torch.Tensor":
    """Two hundred pictures with something in every corner."""
    pictures = torch.tensor(sample.train.pixels[:200])
    pictures[:, 0, 0], pictures[:, -1, -1], pictures[:, 0, -1] = 11, 22, 33
    return pictures


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_shape_type_and_source_stay(name: str, images: "torch.Tensor") -> None:
    """An augmentation gives uint8 of the same shape, changes something, and leaves the pictures given alone."""
    before = images.clone()
    changed = AUGMENTATIONS[name](images)
    assert (before.shape, torch.uint8) == (changed.shape, changed.dtype)
    assert not torch.equal(before, changed)
    assert torch.equal(before, images)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_generator_decides(name: str, images: "torch.Tensor") -> None:
    """The same state of torch's generator gives the same pictures, the next state others."""
    torch.manual_seed(7)
    first, second = AUGMENTATIONS[name](images), AUGMENTATIONS[name](images)
    torch.manual_seed(7)
    assert torch.equal(first, AUGMENTATIONS[name](images))
    assert not torch.equal(first, second)


def test_flip_mirrors_half(images: "torch.Tensor") -> None:
    """Each picture is itself or its mirror image, and about half of them are mirrored."""
    flipped = flip(images)
    same = (flipped == images).all((1, 2))
    mirrored = (flipped == images.flip(-1)).all((1, 2))
    assert bool((same ^ mirrored).all())
    assert 70 <= int(mirrored.sum()) <= 130


def test_shift_moves_whole_pictures(images: "torch.Tensor") -> None:
    """Each picture is moved as a whole by at most two pixels both ways, background coming in; all 25 ways occur."""
    moved = shifted(images, 2)
    found = torch.zeros(len(images), dtype=torch.int64)
    ways = set()
    for rows in range(-2, 3):
        for columns in range(-2, 3):
            same = (moved == _moved(images, rows, columns)).all((1, 2))
            found += same
            if bool(same.any()):
                ways.add((rows, columns))
    assert bool((found == 1).all())
    assert len(ways) == 25


def test_names_apply_in_order(images: "torch.Tensor") -> None:
    """Named augmentations apply one after the other; none leaves the pictures as they are."""
    torch.manual_seed(3)
    expected = shifted(flip(images), 2)
    torch.manual_seed(3)
    assert torch.equal(expected, compose(["flip", "shift"])(images))
    assert torch.equal(images, compose([])(images))


def test_unknown_augmentation() -> None:
    """A misspelt augmentation is refused before training starts."""
    with pytest.raises(UsageError, match="unknown augmentation 'shft': did you mean 'shift'"):
        compose(["flip", "shft"])


def _moved(images: "torch.Tensor", rows: int, columns: int) -> "torch.Tensor":
    """Every picture moved up by `rows` and left by `columns`, zeros coming in: written the slow, plain way."""
    result = torch.zeros_like(images)
    height, width = images.shape[1:]
    for row in range(max(0, -rows), min(height, height - rows)):
        for column in range(max(0, -columns), min(width, width - columns)):
            result[:, row, column] = images[:, row + rows, column + columns]
    return result
