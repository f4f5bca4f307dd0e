"""Edge inputs: all that was promised, of any size."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion.verify.search import alter
from edgefashion.verify.search.edge import edge_inputs


def families(height: int, width: int, *, count: int = 3, seed: int = 0) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    photographs = random.integers(0, 256, (count, height, width), np.uint8)
    return dict(edge_inputs(photographs, random))


def holds(pictures: np.ndarray, wanted: np.ndarray) -> bool:
    return bool((pictures == wanted).all(axis=(1, 2)).any())


@settings(max_examples=10)
@given(height=st.integers(4, 20), width=st.integers(4, 20))
def test_every_family_has_the_size_that_is_asked_for(height: int, width: int) -> None:
    """No size is built in: each family holds uint8 pictures of the photographs' height and width."""
    found = families(height, width)
    assert len(found) == 13
    for pictures in found.values():
        assert (pictures.dtype, pictures.shape[1:]) == (np.uint8, (height, width))
        assert len(pictures)


def test_the_plain_ones_are_there() -> None:
    """Black, white, mid grey, a pixel in each corner and in the middle, and both phases of checkerboards."""
    found = families(8, 8)
    for level in (0, 128, 255):
        assert holds(found["flat"], np.full((8, 8), level))
    for place in ((0, 0), (0, 7), (7, 0), (7, 7), (4, 4)):
        wanted = np.zeros((8, 8))
        wanted[place] = 255
        assert holds(found["one pixel"], wanted)
        assert holds(found["one pixel"], 255 - wanted)
    for side in (1, 2):
        board = np.indices((8, 8)).sum(axis=0) if side == 1 else np.indices((8, 8)).__floordiv__(2).sum(axis=0)
        assert holds(found["checkerboard"], board % 2 * 255)
        assert holds(found["checkerboard"], 255 - board % 2 * 255)
        assert holds(found["stripes"], np.indices((8, 8))[0] // side % 2 * 255)
    assert found["gradient"].min(axis=(1, 2)).max() == 0
    assert found["gradient"].max(axis=(1, 2)).min() == 255


def test_noise_has_many_densities_and_contrasts() -> None:
    """Binary noise is anything from almost black to almost white; uniform noise has low contrast too."""
    found = families(16, 16)
    assert set(np.unique(found["binary noise"])) == {0, 255}
    shares = found["binary noise"].mean(axis=(1, 2)) / 255
    assert shares.min() < 0.05
    assert shares.max() > 0.95
    spans = np.ptp(found["uniform noise"], axis=(1, 2))
    assert spans.min() <= 64
    assert spans.max() > 200


def test_same_generator_same_inputs() -> None:
    """Chance is the caller's: the same seed gives the same inputs, another one others."""
    one, same, other = (families(8, 8, seed=seed) for seed in (1, 1, 2))
    assert all((one[name] == same[name]).all() for name in one)
    assert (one["binary noise"] != other["binary noise"]).any()


def test_shifts_by_hand() -> None:
    """Moving by half moves each pixel by half, and what comes in is black."""
    picture = np.arange(1, 17, dtype=np.uint8).reshape(1, 4, 4)
    moved = alter.shifted(picture)
    down = np.zeros((4, 4), np.uint8)
    down[2:] = picture[0, :2]
    assert holds(moved, down)
    left = np.zeros((4, 4), np.uint8)
    left[:, :2] = picture[0, :, 2:]
    assert holds(moved, left)


def test_rotations_by_hand() -> None:
    """Quarter turns are exact, turning by nothing changes nothing, and small angles are near the picture."""
    picture = np.zeros((1, 9, 9), np.uint8)
    picture[0, 2:7, 3:6] = 200
    picture[0, 4, 6] = 90
    turned = alter.rotated(picture)
    for wanted in (np.rot90(picture[0]), np.rot90(picture[0], 3), picture[0, ::-1, ::-1]):
        assert holds(turned, wanted)
    assert (alter._rotate(picture, 0) == picture).all()
    assert (alter._rotate(picture, 180) == picture[:, ::-1, ::-1]).all()
    # Down is the second axis: turning by a quarter is numpy's quarter turn, the one way or the other.
    quarters = [(alter._rotate(picture, 90)[0] == np.rot90(picture[0], times)).all() for times in (1, 3)]
    assert quarters.count(True) == 1
    assert 0 < np.abs(alter._rotate(picture, 5).astype(int) - picture).mean() < 20


@pytest.mark.parametrize("family", ["shifted", "rotated", "inverted", "contrast", "occluded", "mixed"])
def test_alterations_change_pictures(family: str) -> None:
    """An altered family holds pictures that are not the ones it was made from, which stay as they were."""
    random = np.random.default_rng(0)
    photographs = random.integers(60, 200, (4, 8, 8), np.uint8)
    before = photographs.copy()
    found = dict(edge_inputs(photographs, random))[family]
    assert (photographs == before).all()
    assert not any(holds(before, picture) for picture in found)


def test_mixed_by_hand() -> None:
    """Two pictures mix to their mean, to the brighter of both, and half and half."""
    pictures = np.stack([np.full((4, 4), 100, np.uint8), np.full((4, 4), 201, np.uint8)])
    found = alter.mixed(pictures, np.random.default_rng(0))
    assert holds(found, np.full((4, 4), 150))
    assert holds(found, np.full((4, 4), 201))
    assert holds(found, np.repeat([[100], [201]], 2, axis=0).repeat(4, axis=1))
