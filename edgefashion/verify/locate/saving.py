"""A segment that departs, saved as a model of its own with one input and the output that was expected."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefashion import tensors
from edgefashion.artifact import Artifact
from edgefashion.environment import require
from edgefashion.errors import BadInput, UsageError
from edgefashion.files import atomic_write, read_bounded, sha256
from edgefashion.records.drift import CutPoint, Deviation, SegmentCase
from edgefashion.verify.locate.matching import match
from edgefashion.verify.locate.measuring import deviation
from edgefashion.verify.locate.running import run

CASE_KEY = "edgefashion.segment"
_EXPECTED, _INPUT = "expected", "input."


def save_segment(
    candidate: Artifact, reference: Artifact, images: NDArray[np.uint8], point: CutPoint, folder: Path
) -> Path:
    """Write the part of `candidate` that ends in `point` as <variant>-<layer>.onnx into `folder`; returns its path.

    Beside it lies a .safetensors file: reference values of what the segment takes for one picture, the one of `images`
    with the largest error, as arrays "input.<tensor>", and of what it should give as "expected".

    Raises:
        UsageError: `point` is no cut point of these two.
        CannotWrite: The folder is full or forbidden.
    """
    found = match(candidate, reference, images)
    cut = next((cut for cut in found.cuts if cut.tensor == point.tensor), None)
    if cut is None:
        raise UsageError(
            f"{point.tensor} is no cut point of {candidate.path}: take one from the drift of the same files"
        )
    segment = found.segment(cut)
    feeds = found.feeds(segment)
    given = run(segment, feeds, batch=found.batch)[cut.tensor]
    picture = _worst(given, cut.values)
    one = slice(picture, picture + 1)
    content = segment.SerializeToString(deterministic=True)
    case = SegmentCase(
        model_sha256=sha256(content),
        candidate=candidate.info,
        reference=f"{reference.manifest.name}/{reference.manifest.variant}",
        picture=picture,
        inputs=list(feeds),
        point=point,
        error=deviation(
            run(segment, {name: values[one] for name, values in feeds.items()})[cut.tensor], cut.values[one]
        ),
    )
    arrays = {f"{_INPUT}{name}": values[one] for name, values in feeds.items()}
    stem = re.sub(r"[^\w.-]+", "_", f"{candidate.manifest.variant}-{point.layer}")
    path = atomic_write(folder / f"{stem}.onnx", content)
    atomic_write(path.with_suffix(".safetensors"), tensors.pack({**arrays, _EXPECTED: cut.values[one]}, CASE_KEY, case))
    return path


def replay(path: Path) -> tuple[SegmentCase, Deviation]:
    """Run a saved segment on its input: what was recorded, and the error that it makes here and now.

    Raises:
        BadInput: A file is missing or damaged, or the two do not belong together.
        NotAvailable: onnx is not installed.
    """
    require("train", purpose="replaying a segment")
    import onnx

    content = read_bounded(path)
    arrays, case = tensors.read(path.with_suffix(".safetensors"), CASE_KEY, SegmentCase)
    if case.model_sha256 != sha256(content):
        raise BadInput(f"{path} is not the segment that {path.stem}.safetensors was saved with")
    try:
        feeds = {name: arrays[f"{_INPUT}{name}"] for name in case.inputs}
        expected = arrays[_EXPECTED]
    except KeyError as error:
        raise BadInput(f"{path.stem}.safetensors lacks {error}") from None
    given = run(onnx.load_model_from_string(content), feeds)[case.point.tensor]
    return case, deviation(given, expected)


def _worst(given: NDArray[np.float32], expected: NDArray[np.float32]) -> int:
    """The picture with the largest error; one whose answer is no number is worse than any."""
    error = np.abs(given.astype(np.float64) - expected).reshape(len(given), -1).max(axis=1)
    return int(np.nan_to_num(error, nan=np.inf).argmax())
