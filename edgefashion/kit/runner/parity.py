"""Whether the model answers here as it did when it was packed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.errors import BadInput, CheckFailed
from edgefashion.files import read_bounded, sha256
from edgefashion.kit.runner.runtimes import Model

PICTURES, LOGITS = "golden-pictures.npy", "golden-logits.npy"


@dataclass(frozen=True)
class Golden:
    """Pictures uint8[N, H, W], the logits float32[N, classes] that they had, and how far others may be from those."""

    pictures: NDArray[np.uint8]
    logits: NDArray[np.float32]
    max_logit_error: float
    max_flips: int


@dataclass(frozen=True)
class Answers:
    """A self-test's figures."""

    images: int
    equal_decisions: int
    max_abs: float
    max_logit_error: float
    max_flips: int

    @property
    def passed(self) -> bool:
        """Whether decisions and logits are within the limits; what is no number is not."""
        return self.images - self.equal_decisions <= self.max_flips and self.max_abs <= self.max_logit_error

    def require(self) -> None:
        """Go on only if they passed.

        Raises:
            CheckFailed: They did not; the message has the figures.
        """
        if not self.passed:
            raise CheckFailed(
                f"the model answers wrongly here: {self.equal_decisions} of {self.images} decisions are equal, the "
                f"largest logit difference is {self.max_abs:.3g} and may be {self.max_logit_error:.3g}"
            )


def read_golden(folder: Path, kit: dict[str, Any]) -> Golden:
    """The golden pictures and logits of a kit whose files were checked."""
    pictures, logits = (np.load(folder / name, allow_pickle=False) for name in (PICTURES, LOGITS))
    return Golden(pictures, logits, kit["max_logit_error"], kit["max_flips"])


def read_model(folder: Path, kit: dict[str, Any]) -> bytes:
    """The model's bytes.

    Raises:
        BadInput: They are no longer those that were packed.
    """
    path = folder / kit["artifact"]["file"]
    content = read_bounded(path)
    if sha256(content) != kit["files"][path.name]:
        raise BadInput(f"{path} changed since it was checked")
    return content


def answer(model: Model, golden: Golden) -> Answers:
    """Run every golden picture alone, as a device does, and compare; a difference from NaN is NaN, within no limit."""
    logits = np.concatenate([model.run(picture[None]) for picture in golden.pictures])
    equal, largest = 0, float("inf")
    if logits.shape == golden.logits.shape:
        equal = int((logits.argmax(1) == golden.logits.argmax(1)).sum())
        largest = float(np.abs(logits.astype(np.float64) - golden.logits).max())
    return Answers(len(golden.pictures), equal, largest, golden.max_logit_error, golden.max_flips)
