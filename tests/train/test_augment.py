"""Augmentation of whole batches."""

import pytest

torch = pytest.importorskip("torch")

from edgefashion.data import Dataset  # noqa: E402 - after the skip
from edgefashion.errors import UsageError  # noqa: E402
from edgefashion.train.augment import AUGMENTATIONS, compose, cutout, erasing, flip, shifted  # noqa: E402


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


@pytest.mark.parametrize(("name", "reach"), [("shift", 2), ("shift-1", 1)])
def test_shift_moves_whole_pictures(name: str, reach: int, images: "torch.Tensor") -> None:
    """Each picture is moved as a whole by a pixel or two both ways, background coming in; every such way occurs."""
    moved = AUGMENTATIONS[name](images)
    found = torch.zeros(len(images), dtype=torch.int64)
    ways = set()
    for rows in range(-reach, reach + 1):
        for columns in range(-reach, reach + 1):
            same = (moved == _moved(images, rows, columns)).all((1, 2))
            found += same
            if bool(same.any()):
                ways.add((rows, columns))
    assert bool((found == 1).all())
    assert len(ways) == (2 * reach + 1) ** 2


@pytest.mark.parametrize(("height", "width"), [(28, 28), (12, 20)])
def test_cutout_blanks_one_square(height: int, width: int) -> None:
    """Each picture loses one square of 8×8 pixels, or the part of it that lies inside, and keeps every other pixel."""
    pictures = torch.full((400, height, width), 200, dtype=torch.uint8)
    blanked = cutout(pictures)
    assert {0, 200} == set(blanked.unique().tolist())
    sizes = {_box(changed) for changed in blanked != pictures}
    assert {rows for rows, _ in sizes} == {columns for _, columns in sizes} == set(range(4, 9))
    # What is changed fills its box: a square, and nothing beside it.
    for changed in blanked != pictures:
        rows, columns = _box(changed)
        assert rows * columns == int(changed.sum())


@pytest.mark.parametrize(("height", "width"), [(28, 28), (12, 30), (30, 12)])
def test_cutout_reaches_every_pixel(height: int, width: int) -> None:
    """No place is spared, and a pixel as far from the border as a square is large is blanked by 64 places of all."""
    blanked = (cutout(torch.full((3_000, height, width), 9, dtype=torch.uint8)) == 0).double().mean(0)
    assert float(blanked.min()) > 0
    inner = blanked[4:-4, 4:-4]
    assert pytest.approx(64 / (height * width), rel=0.1) == float(inner.mean())


def test_erasing_spoils_half_of_the_pictures() -> None:
    """About half of the pictures stay as they are; the others get one rectangle of noise."""
    pictures = torch.zeros(600, 28, 28, dtype=torch.uint8)
    spoiled = erasing(pictures)
    changed = [each for each in spoiled != pictures if bool(each.any())]
    assert 240 <= len(changed) <= 360
    values = spoiled[spoiled > 0].double()
    assert (int(values.min()), int(values.max())) == (1, 255)
    assert pytest.approx(128, abs=2) == float(values.mean())
    # Noise is background by chance in one of 256 pixels: the box is otherwise full.
    filled = [int(each.sum()) / (_box(each)[0] * _box(each)[1]) for each in changed]
    assert min(filled) > 0.8
    assert pytest.approx(255 / 256, abs=0.004) == sum(filled) / len(filled)


def test_erased_areas_are_as_published() -> None:
    """Rectangles cover 2 to 33 % of a large picture and are 0.3 to 3.3 times as high as wide, where none is cut off."""
    pictures = torch.zeros(300, 100, 100, dtype=torch.uint8)
    whole = []
    for changed in erasing(pictures) != 0:
        rows, columns = changed.any(1), changed.any(0)
        if bool(changed.any()) and not bool(rows[0] | rows[-1] | columns[0] | columns[-1]):
            whole.append(_box(changed))
    assert len(whole) > 30
    # Sides are whole and even numbers of pixels: up to one more or less than drawn.
    assert all(
        (rows + 1) * (columns + 1) > 0.02 * 10_000 and (rows - 1) * (columns - 1) < 0.33 * 10_000
        for rows, columns in whole
    )
    assert all((rows + 1) / (columns - 1) > 0.3 and (rows - 1) / (columns + 1) < 1 / 0.3 for rows, columns in whole)
    areas = [rows * columns / 10_000 for rows, columns in whole]
    assert min(areas) < 0.06
    assert max(areas) > 0.26
    assert min(rows / columns for rows, columns in whole) < 0.6
    assert max(rows / columns for rows, columns in whole) > 1.6


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


def _box(changed: "torch.Tensor") -> tuple[int, int]:
    """Height and width of the smallest box around what is changed, bool[H, W]."""
    rows, columns = (changed.any(axis).nonzero() for axis in (1, 0))
    return int(rows.max() - rows.min() + 1), int(columns.max() - columns.min() + 1)


def _moved(images: "torch.Tensor", rows: int, columns: int) -> "torch.Tensor":
    """Every picture moved up by `rows` and left by `columns`, zeros coming in: written the slow, plain way."""
    result = torch.zeros_like(images)
    height, width = images.shape[1:]
    for row in range(max(0, -rows), min(height, height - rows)):
        for column in range(max(0, -columns), min(width, width - columns)):
            result[:, row, column] = images[:, row + rows, column + columns]
    return result
