"""What faults are injected into: a run's models, PyTorch's answers, and a folder for what is made on the way."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from edgefashion import runs
from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx
from edgefashion.data import Dataset
from edgefashion.environment import require
from edgefashion.quantize import apply, static
from edgefashion.records import Parity
from edgefashion.verify import Limits, ReferenceLogits, compare, default_limits, from_artifact

# What is damaged on purpose, or only made to be damaged, is not proven before it is kept.
ANY = Limits(min_agreement=0.0)


@dataclass(frozen=True)
class Subject:
    """A sound run.

    Attributes:
        checkpoint: As trained.
        fp32: Exported from it.
        data: Test pictures judge, training pictures calibrate.
        folder: For files that faults need; removed afterwards.
    """

    checkpoint: Artifact
    fp32: Artifact
    data: Dataset
    folder: Path

    @classmethod
    def of(cls, run: Path, data: Dataset, folder: Path) -> "Subject":
        """A run's checkpoint and float32 export.

        Raises:
            BadInput: One of them is missing or damaged.
            NotAvailable: What exports and quantizes is not installed.
        """
        require("train", purpose="injecting faults")
        return cls(open_artifact(run / runs.CHECKPOINT), runs.float_model(run), data, folder)

    @cached_property
    def reference(self) -> ReferenceLogits:
        """PyTorch's logits for every test picture."""
        return from_artifact(self.checkpoint, self.data)

    def part(self, seed: int) -> ReferenceLogits:
        """The reference on half of the test pictures, drawn at random: another sample each time."""
        every = self.reference
        half = np.random.default_rng(seed).permutation(len(every.labels))[: len(every.labels) // 2]
        return dataclasses.replace(
            every, pixels=every.pixels[half], labels=every.labels[half], logits=every.logits[half]
        )

    def damaged(self, change: Callable[[object], None]) -> Artifact:
        """The float32 model after `change` was made to a copy of its onnx.ModelProto; it is no file."""
        import onnx

        model = onnx.load_model_from_string(self.fp32.content)
        change(model)
        return from_content(stamp_onnx(model, self.fp32.manifest), self.folder / "damaged.onnx")

    def quantized(self, data: Dataset, *, seed: int = 0) -> Artifact:
        """Static int8, calibrated on the training pictures of `data`; unproven."""
        count = min(static.Config.calibration_images, len(data.train))
        config = static.Config(calibration_images=count, calibration_seed=seed)
        out = self.folder / f"int8-{seed}.onnx"
        return apply(self.fp32, "static", data, config=config, out=out, reference=self.reference, limits=ANY)[0]

    def judge(self, candidate: Artifact, *, reference: ReferenceLogits | None = None, as_int8: bool = False) -> Parity:
        """What `edgefashion verify` says of a candidate; `as_int8` with the limits of a quantized model."""
        truth = reference or self.reference
        limits = default_limits("int8", len(truth.labels)) if as_int8 else None
        return compare(candidate, truth, self.data, limits=limits)
