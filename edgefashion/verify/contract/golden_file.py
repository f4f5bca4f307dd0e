"""Golden pictures and the expected logits as a plain file: for a device that has no edgefashion."""

import io
from pathlib import Path

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.errors import UsageError
from edgefashion.files import atomic_write
from edgefashion.verify.reference import ReferenceLogits, golden_reference


def golden_file(artifact: Artifact, path: Path) -> Path:
    """Write the golden pictures of `artifact`, its logits for them and their labels to `path`; returns `path`.

    NPZ: `pixels` uint8[N, H, W], `logits` float32[N, classes], `labels` uint8[N].
    CSV: a header, then one row a picture: label, pixels row by row, logits.

    Raises:
        UsageError: The name of the file ends in neither .npz nor .csv.
        NotAvailable: The artifact carries no golden outputs.
        CannotWrite: The place is full or forbidden.
    """
    suffix = path.suffix.lower()
    if suffix not in {".npz", ".csv"}:
        raise UsageError(f"{path} is neither .npz nor .csv: golden pictures are written as one of these")
    golden = golden_reference(artifact)
    return atomic_write(path, _npz(golden) if suffix == ".npz" else _csv(golden))


def _npz(golden: ReferenceLogits) -> bytes:
    content = io.BytesIO()
    np.savez_compressed(content, pixels=golden.pixels, labels=golden.labels, logits=golden.logits)
    return content.getvalue()


def _csv(golden: ReferenceLogits) -> str:
    flat = golden.pixels.reshape(len(golden.pixels), -1)
    header = [
        "label",
        *(f"pixel_{i}" for i in range(flat.shape[1])),
        *(f"logit_{i}" for i in range(golden.logits.shape[1])),
    ]
    rows = zip(golden.labels.tolist(), flat.tolist(), golden.logits, strict=True)
    # str of a float32 is the shortest text that reads back as the same float32.
    lines = [[str(label), *map(str, pixels), *map(str, logits)] for label, pixels, logits in rows]
    return "".join(",".join(line) + "\n" for line in [header, *lines])
