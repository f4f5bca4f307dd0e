"""Checkpoint → ncnn, through TorchScript and pnnx, with the normalization in the network.

ncnn computes in floats only. The network therefore begins behind the conversion of bytes to floats, which ncnn's users
do with `Mat::from_pixels`, and takes values from 0 to 255: float32[1, H, W] in, logits float32[classes] out.
"""

import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from edgefashion import environment
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput
from edgefashion.export.formats import Converted
from edgefashion.models import Classifier
from edgefashion.models.checkpoint import load_model
from edgefashion.records import Format, Precision

FORMAT: Format = "ncnn"
SUFFIX = ".param"
EXTRA = "ncnn-export"
PRECISIONS: tuple[Precision, ...] = ("float32", "float16")

_TIMEOUT_S = 300


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Convert a checkpoint to a .param and a .bin file; see `formats.Converter.convert`.

    The precision is that of the stored weights: whether ncnn also computes in float16 is up to the processor.

    Raises:
        BadInput: The source is no checkpoint, or pnnx cannot convert its network.
    """
    del data, note  # nothing to calibrate, and over in a second
    height, width = (int(size) for size in source.manifest.input.shape[1:])
    param, weights = _converted(load_model(source).eval(), (height, width), half=precision == "float16", path=path)
    files = {path.name: param, path.with_suffix(".bin").name: weights}
    return Converted(files, versions=environment.versions_of("pnnx"))


class _FromFloats(nn.Module):
    """A classifier behind the conversion of bytes to floats: float32[N, 1, H, W] from 0 to 255 → logits."""

    def __init__(self, classifier: Classifier) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, pixels: Tensor) -> Tensor:
        """Logits float32[N, classes]."""
        logits: Tensor = self.classifier.network(pixels * self.classifier.scale + self.classifier.offset)
        return logits


def _converted(classifier: Classifier, size: tuple[int, int], *, half: bool, path: Path) -> tuple[bytes, bytes]:
    """What pnnx makes of the classifier: the network's layers as text, and its weights."""
    import pnnx

    shape = (1, 1, *size)
    with tempfile.TemporaryDirectory(prefix="edgefashion-pnnx-") as folder:
        place = Path(folder)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=DeprecationWarning)  # TorchScript is what pnnx reads
            traced = torch.jit.trace(_FromFloats(classifier), torch.zeros(shape), check_trace=False)  # type: ignore[no-untyped-call]
        traced.save(str(place / "model.pt"))
        # Its Python function would also run the Python file that it writes, and does not tell of failure.
        command = [pnnx.EXEC_PATH, "model.pt", f"inputshape=[{','.join(map(str, shape))}]f32", f"fp16={int(half)}"]
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        param, weights = place / "model.ncnn.param", place / "model.ncnn.bin"
        if done.returncode or not param.is_file() or not weights.is_file():
            said = (done.stderr or done.stdout).strip().splitlines() or [f"exit code {done.returncode}"]
            raise BadInput(f"pnnx cannot convert the network of {path.stem}: {said[-1]}")
        return param.read_bytes(), weights.read_bytes()
