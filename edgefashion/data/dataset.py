"""The data set as a frozen value: pictures, labels, a fixed split, and an identity."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.data.idx import read_idx
from edgefashion.errors import BadInput
from edgefashion.files import sha256
from edgefashion.records import DataIdentity, Preprocessing
from edgefashion.records.artifact import JUDGED_BY_VALIDATION

LABELS = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

# Mean and standard deviation of the 60,000 training pictures' pixels over 255.
PREPROCESSING = Preprocessing(divisor=255.0, mean=0.2860, std=0.3530)

# One split for every run, so that models are compared on the same validation pictures whatever their seed.
_SPLIT_SEED = 20170825


@dataclass(frozen=True)
class Images:
    """Pictures with their labels.

    Attributes:
        pixels: uint8[N, H, W], 0 is background.
        labels: uint8[N], indices into the data set's label names.
    """

    pixels: NDArray[np.uint8]
    labels: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.labels)

    def take(self, indices: NDArray[np.intp]) -> "Images":
        """The pictures at `indices` (intp[M]), in that order."""
        return Images(self.pixels[indices], self.labels[indices])

    @property
    def sha256(self) -> str:
        """Hex digest of the pixels, then the labels."""
        return sha256(self.pixels.tobytes() + self.labels.tobytes())


@dataclass(frozen=True)
class Dataset:
    """Training, validation and test pictures; the test part is for reporting, never for choosing."""

    identity: DataIdentity
    preprocessing: Preprocessing
    origin: str
    train: Images
    validation: Images
    test: Images

    @property
    def labels(self) -> tuple[str, ...]:
        """Class names; a label is an index into them."""
        return tuple(self.identity.labels)

    def for_choosing(self) -> "Dataset":
        """The same with the validation pictures in the test pictures' place: to try what is to be chosen."""
        identity = msgspec.structs.replace(
            self.identity, name=f"{self.identity.name}{JUDGED_BY_VALIDATION}", test_images=len(self.validation)
        )
        return replace(self, identity=identity, test=self.validation)


@dataclass(frozen=True)
class Files:
    """Four IDX files whose sizes and contents are known.

    Attributes:
        name: What results call the data set.
        train: Number of training pictures in the files, validation included.
        validation: How many of them the split sets aside.
        test: Number of test pictures.
        digests: File stem to hex SHA-256 of the decompressed file.
        is_sample: Whether this is the bundled sample.
    """

    name: str
    train: int
    validation: int
    test: int
    digests: dict[str, str]
    is_sample: bool = False
    image_shape: tuple[int, int] = (28, 28)

    def shape(self, stem: str) -> tuple[int, ...]:
        """Expected dimensions of one file."""
        count = self.train if stem.startswith("train") else self.test
        return (count, *self.image_shape) if "images" in stem else (count,)


FASHION_MNIST = Files(
    name="fashion-mnist",
    train=60_000,
    validation=5_000,
    test=10_000,
    digests={
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    },
)

SAMPLE = Files(
    name="fashion-mnist-sample",
    train=2_000,
    validation=400,
    test=1_000,
    is_sample=True,
    digests={
        "train-images-idx3-ubyte": "e164659ecaed57a65f32095e4d820d9b021d707debf94a1797fe066f89e5d348",
        "train-labels-idx1-ubyte": "4cf3f5907121f14cde325d65c6db6a54123552573d6c7cf40abc4de2cfd649be",
        "t10k-images-idx3-ubyte": "7d8b91a556ac3ea2d57738b6166dd9562d92ec920073b856941496682fbb733f",
        "t10k-labels-idx1-ubyte": "bbafc088200024dd05c67bb13c6ee72fb24137fca2673d86bbb8070d6dc890c4",
    },
)

SAMPLE_FOLDER = Path(__file__).parent / "sample"


def find_file(folder: Path, stem: str) -> Path | None:
    """The file of that stem in `folder` or where torchvision puts it, gzipped or not."""
    for place in (folder, folder / "FashionMNIST" / "raw"):
        for name in (stem, f"{stem}.gz"):
            if (place / name).is_file():
                return place / name
    return None


def read_folder(folder: Path, files: Files, *, origin: str) -> Dataset:
    """Read, check and split the four files in `folder`.

    Raises:
        BadInput: A file is missing or is not, byte for byte, the published one.
    """
    arrays = {}
    for stem, digest in files.digests.items():
        path = find_file(folder, stem)
        if path is None:
            raise BadInput(f"{folder} has no {stem}.gz: expected the four IDX files of {files.name}")
        arrays[stem] = read_idx(path, shape=files.shape(stem), digest=digest)
    train_images, train_labels, test_images, test_labels = (arrays[stem] for stem in files.digests)
    everything = Images(train_images, train_labels)
    kept, held_out = stratified_split(train_labels, files.validation)
    return Dataset(
        identity=DataIdentity(
            name=files.name,
            sha256=sha256("".join(files.digests.values()).encode()),
            train_images=len(kept),
            validation_images=len(held_out),
            test_images=files.test,
            is_sample=files.is_sample,
            labels=list(LABELS),
            image_shape=list(files.image_shape),
        ),
        preprocessing=PREPROCESSING,
        origin=origin,
        train=everything.take(kept),
        validation=everything.take(held_out),
        test=Images(test_images, test_labels),
    )


def load_sample() -> Dataset:
    """The stratified sample that ships with edgefashion: for tests and first steps, never for a claim."""
    return read_folder(SAMPLE_FOLDER, SAMPLE, origin="bundled sample")


def golden_images() -> tuple[list[int], Images]:
    """One test picture of each class out of the bundled sample, with their indices there.

    Every installation has these pictures, so an artifact can carry what it once answered to them.
    """
    test = load_sample().test
    indices = np.unique(test.labels, return_index=True)[1]
    return indices.tolist(), test.take(indices)


def stratified_split(
    labels: NDArray[np.uint8], held_out: int, *, seed: int = _SPLIT_SEED
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices that are kept and indices that are held out, with equally many held out of each class.

    Args:
        labels: uint8[N].
        held_out: How many to hold out; a multiple of the number of classes.
        seed: Decides which.

    Returns:
        Two sorted intp arrays that partition range(N).
    """
    random = np.random.default_rng(seed)
    classes = np.unique(labels)
    chosen = [random.permutation(np.flatnonzero(labels == label))[: held_out // len(classes)] for label in classes]
    out = np.sort(np.concatenate(chosen))
    return np.setdiff1d(np.arange(len(labels)), out), out
