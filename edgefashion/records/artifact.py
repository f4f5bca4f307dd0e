"""What an artifact says about itself."""

from pathlib import Path
from typing import Literal, Self

import msgspec
import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput
from edgefashion.files import SEAL_KEY, UNSEALED, sha256
from edgefashion.records.base import SCHEMA, Record
from edgefashion.records.pictures import pack_pictures, unpack_pictures

Setting = bool | int | float | str | list[int]
# How the identity of data ends whose validation pictures stand in the place of its test pictures.
JUDGED_BY_VALIDATION = ", validation pictures"
Precision = Literal["float32", "float16", "int8"]
Format = Literal["onnx", "safetensors", "tflite", "executorch", "ncnn", "aotinductor", "c", "web"]


class TensorSpec(Record, frozen=True):
    """A model's input or output."""

    name: str
    dtype: str
    shape: list[int | str]  # a string names a dynamic dimension


class Preprocessing(Record, frozen=True):
    """What the model itself does to a picture: (pixel / divisor - mean) / std."""

    divisor: float
    mean: float
    std: float


class DataIdentity(Record, frozen=True):
    """Which pictures a result was made with."""

    name: str
    sha256: str  # over the hex SHA-256 of the four decompressed files, one after the other
    train_images: int
    validation_images: int
    test_images: int
    is_sample: bool
    labels: list[str]
    image_shape: list[int]  # height, width

    @property
    def note(self) -> str:
        """A warning that belongs beside every figure made with the bundled sample; empty otherwise."""
        if not self.is_sample:
            return ""
        part = "validation" if self.name.endswith(JUDGED_BY_VALIDATION) else "test"
        return f"bundled sample: {self.train_images:,} training and {self.test_images:,} {part} pictures only"


class Architecture(Record, frozen=True):
    """A network's name in the registry and the settings it is built with."""

    name: str
    settings: dict[str, Setting]


class Recipe(Record, frozen=True, omit_defaults=True):
    """Everything that decides how a network is trained, save the seed, the teacher and the machine."""

    name: str
    summary: str
    architecture: Architecture
    epochs: int
    batch_size: int
    learning_rate: float  # the highest of the schedule; Muon's where that is the optimizer
    optimizer: Literal["adam", "adamw", "sgd", "muon"] = "adam"
    augment: tuple[str, ...] = ()
    schedule: Literal["constant", "one-cycle", "cosine"] = "constant"
    warm_up: float = 0.0  # share of all steps over which the learning rate rises to its highest
    momentum: float = 0.9  # Nesterov's, for sgd and muon
    weight_decay: float = 0.0
    side_learning_rate: float = 0.01  # muon only: AdamW's, for all but convolutions of ten inputs or more
    label_smoothing: float = 0.0  # share of each label that is spread over all classes
    mixup: float = 0.0  # both parameters of the Beta distribution that pictures are mixed by; 0 mixes none
    average: float = 0.0  # decay of the moving average of weights, a step; 0 keeps the last weights themselves
    precision: Literal["float32", "bfloat16"] = "float32"  # of products where the processor has it, not of weights
    keep: Literal["best", "last"] = "best"  # epoch of the lowest validation loss, or the end of the schedule
    # Only where there is a teacher: share of the loss that its answers have, and how soft they are made.
    teacher_weight: float = 0.8
    temperature: float = 2.0

    def __post_init__(self) -> None:
        """Take defaults for what equals them: msgspec leaves out those alone, and equal recipes are equal bytes."""
        for field in msgspec.structs.fields(self):
            if getattr(self, field.name) == field.default:
                msgspec.structs.force_setattr(self, field.name, field.default)


class Quantization(Record, frozen=True):
    """How a quantized artifact was made."""

    scheme: str
    settings: dict[str, Setting]
    calibration_images: int = 0
    calibration_sha256: str | None = None


class Golden(Record, frozen=True, omit_defaults=True):
    """Pictures, and the logits this artifact gave for them when it was made: it proves itself wherever it is copied.

    An artifact may leave the pictures out. Then `indices` says where the bundled sample has them.
    """

    indices: list[int]  # in the test part of the bundled sample
    logits: list[list[float]]
    pixels: str = ""  # see `records.pictures`
    shape: tuple[int, ...] = ()  # N, H, W
    labels: tuple[int, ...] = ()
    pictures_sha256: str = ""  # where there are no pixels: of the pixels, then the labels; none in the first artifacts

    @classmethod
    def of(
        cls,
        indices: list[int],
        logits: NDArray[np.float32],
        *,
        pixels: NDArray[np.uint8],
        labels: NDArray[np.uint8],
        pictures: bool = True,
    ) -> Self:
        """Golden outputs from `logits` float32[N, classes], in the fewest digits that give the same float32.

        Args:
            indices: Where the sample's test part has the pictures.
            logits: What the artifact answers.
            pixels: uint8[N, H, W].
            labels: uint8[N].
            pictures: Whether pixels and labels are put in, or their digest alone.
        """
        numbers = [[float(str(value)) for value in row] for row in logits]
        if not pictures:
            return cls(indices, numbers, pictures_sha256=sha256(pixels.tobytes() + labels.tobytes()))
        return cls(
            indices=indices,
            logits=numbers,
            pixels=pack_pictures(pixels),
            shape=pixels.shape,
            labels=tuple(labels.tolist()),
        )

    @property
    def has_pictures(self) -> bool:
        """Whether the pictures are in it, and not in the bundled sample alone."""
        return bool(self.pixels)

    def pictures(self, path: Path) -> NDArray[np.uint8]:
        """The pictures uint8[N, H, W]; `path` names the artifact that carries them.

        Raises:
            BadInput: They are damaged, or not as many as their shape says.
        """
        try:
            return unpack_pictures(self.pixels, self.shape)
        except ValueError as error:
            raise BadInput(f"{path} carries golden pictures that cannot be read: {error}; export it again") from None

    def check_sample(self, digest: str, path: Path) -> None:
        """Return silently if the bundled sample has the pictures that the artifact at `path` answered to.

        Args:
            digest: SHA-256 of the sample's pixels, then labels, at `indices`.
            path: Names the artifact.

        Raises:
            BadInput: It has others.
        """
        if self.pictures_sha256 not in {"", digest}:
            raise BadInput(
                f"{path} carries no golden pictures, and those of the bundled sample here are not the ones it answered "
                "to: use the edgefashion it was made with, give --reference, or export it again with its pictures"
            )


class Expected(Record, frozen=True):
    """Top-1 accuracy that was measured when the artifact was made, and on what."""

    data: str
    images: int
    accuracy: float


class Manifest(Record, frozen=True):
    """What an artifact says about itself; it travels inside the file."""

    name: str
    variant: str
    format: Format
    precision: Precision
    input: TensorSpec
    output: TensorSpec
    labels: list[str]
    preprocessing: Preprocessing
    architecture: Architecture
    recipe: Recipe
    training_seed: int
    training_data: DataIdentity
    parameters: int
    versions: dict[str, str]
    opset: int | None = None
    quantization: Quantization | None = None
    checkpoint_sha256: str | None = None  # of the checkpoint this was exported from; None in the checkpoint
    expected: Expected | None = None
    golden: Golden | None = None
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)


class Sidecar(Manifest, frozen=True, kw_only=True):
    """The manifest of a model whose format has no room for one: a file of its own beside the model."""

    files: dict[str, str]  # name → SHA-256 of each file of the model, the main one first; all lie in one folder


class ArtifactInfo(Record, frozen=True):
    """An artifact as results name it: enough to find it again and to refuse another."""

    name: str
    variant: str
    file: str
    sha256: str
    size_bytes: int
    precision: Precision | Literal["unknown"]
    scheme: str | None


class Reference(Record, frozen=True):
    """Whose logits a stored reference holds: PyTorch's, for every test picture."""

    checkpoint_sha256: str
    data: DataIdentity
    torch: str
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
