"""Pictures from files, as the data set would have them."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from edgefashion.data.picture import read_picture
from edgefashion.errors import BadInput

SHAPE = (28, 28)


@pytest.fixture
def garment(sample) -> NDArray[np.uint8]:
    """A picture of the sample with black around it."""
    return sample.test.pixels[0]


def saved(picture: Image.Image, path: Path, **options: object) -> Path:
    picture.save(path, **options)
    return path


def test_a_picture_of_the_data_set_stays_as_it_is(garment, tmp_path) -> None:
    """Grey, 28 by 28, black background: nothing is done to it."""
    assert np.array_equal(garment, read_picture(saved(Image.fromarray(garment), tmp_path / "a.png"), SHAPE))


def test_a_bright_background_is_inverted(garment, tmp_path) -> None:
    """A product shot on white becomes a garment on black."""
    path = saved(Image.fromarray(255 - garment), tmp_path / "a.png")
    assert np.array_equal(garment, read_picture(path, SHAPE))


@pytest.mark.parametrize("mode", ["RGB", "P", "RGBA", "LA", "CMYK"])
def test_any_colour_is_read(garment, tmp_path, mode) -> None:
    """Colour, palette, transparency and print colours come out as the same grey."""
    name = "a.jpg" if mode == "CMYK" else "a.png"
    large = Image.fromarray(garment).resize((112, 112), Image.Resampling.NEAREST).convert("RGB").convert(mode)
    read = read_picture(saved(large, tmp_path / name), SHAPE)
    assert np.abs(read.astype(int) - garment).mean() < 12


def test_sixteen_bits_keep_their_greys(garment, tmp_path) -> None:
    """Half of 65,535 is half of 255, not white."""
    deep = Image.fromarray(garment.astype(np.uint16) * 257)
    assert np.array_equal(garment, read_picture(saved(deep, tmp_path / "a.png"), SHAPE))


def test_what_is_transparent_is_background(tmp_path) -> None:
    """A bright square on nothing is a bright square on black."""
    layered = np.zeros((56, 56, 4), np.uint8)
    layered[..., :3] = 255
    layered[14:42, 14:42, 3] = 255
    read = read_picture(saved(Image.fromarray(layered), tmp_path / "a.png"), SHAPE)
    assert read[0, 0] == 0
    assert read[14, 14] == 255


def test_a_dark_garment_on_nothing_stays_visible(tmp_path) -> None:
    """A cut-out of a dark garment is read as one on white: bright on black."""
    layered = np.zeros((56, 56, 4), np.uint8)
    layered[..., :3] = 30
    layered[14:42, 14:42, 3] = 255
    read = read_picture(saved(Image.fromarray(layered), tmp_path / "a.png"), SHAPE)
    assert read[0, 0] == 0
    assert read[14, 14] == 225


def test_proportions_stay(tmp_path) -> None:
    """A wide picture is padded above and below, not stretched."""
    wide = np.full((50, 100), 100, np.uint8)
    read = read_picture(saved(Image.fromarray(wide), tmp_path / "a.png"), SHAPE)
    assert read[14, 14] == 100
    assert read[0].max() == 0
    assert read[-1].max() == 0


def test_the_camera_s_orientation_is_honoured(tmp_path) -> None:
    """EXIF says how the camera was held."""
    tall = np.zeros((40, 40), np.uint8)
    tall[:20] = 100
    turned = Image.fromarray(tall)
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    read = read_picture(saved(turned, tmp_path / "a.png", exif=exif), SHAPE)
    assert read[3, 14] < 20
    assert read[24, 14] > 80


@pytest.mark.parametrize("size", [(3000, 1), (1, 3000)])
def test_a_line_is_no_picture(tmp_path, size) -> None:
    """What would vanish when it is fitted is refused, not classified as black."""
    path = saved(Image.new("L", size, 200), tmp_path / "a.png")
    with pytest.raises(BadInput, match="too narrow"):
        read_picture(path, SHAPE)


def test_a_bomb_is_refused_before_it_is_inflated(tmp_path) -> None:
    """A hundred million pixels in a few kilobytes: the header is enough to say no."""
    path = saved(Image.new("1", (10_000, 10_000)), tmp_path / "a.png")
    assert path.stat().st_size < 50_000
    with pytest.raises(BadInput, match="10000 by 10000"):
        read_picture(path, SHAPE)


def test_other_formats_are_refused(garment, tmp_path) -> None:
    """A GIF is none of the two formats, whatever its name says."""
    path = tmp_path / "a.png"
    Image.fromarray(garment).save(path, format="GIF")
    with pytest.raises(BadInput, match="not a sound PNG or JPEG"):
        read_picture(path, SHAPE)
