"""A program: what models answer, by edgefashion's own runtimes. It runs on this processor and on the emulated one.

python arm64_answers.py PICTURES.npy FOLDER MODEL...
"""

import platform
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import msgspec
import numpy as np

from edgefashion import environment
from edgefashion.artifact import open_artifact
from edgefashion.data import silent
from edgefashion.records.base import Record
from edgefashion.runtimes import default_spec, in_words, open_session, run_all

ABOUT = "about.json"


class About(Record, frozen=True):
    """Who answered; `runtimes` in the order of the models, with versions."""

    architecture: str
    python: str
    versions: dict[str, str]
    runtimes: list[str]


def answer(pictures: Path, folder: Path, *, models: Sequence[Path], note: Callable[[str], None] = silent) -> None:
    """Write each model's logits for uint8[N, H, W] as float32[N, classes] into FOLDER/<its place>.npy, then who did."""
    images = np.load(pictures)
    runtimes = []
    for place, path in enumerate(models):
        artifact = open_artifact(path)
        spec = default_spec(artifact)
        with open_session(artifact, spec) as session:
            np.save(folder / f"{place}.npy", run_all(session, images))
        runtimes.append(in_words(spec))
        note(f"{path.parent.name}/{path.name}: {len(images)} pictures")
    about = About(platform.machine(), platform.python_version(), environment.versions(), runtimes)
    (folder / ABOUT).write_bytes(msgspec.json.encode(about))


if __name__ == "__main__":
    asked, answered, *opened = map(Path, sys.argv[1:])
    answer(asked, answered, models=opened, note=partial(print, flush=True))
