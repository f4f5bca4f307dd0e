"""Where things lie."""

import dataclasses
from pathlib import Path

from edgefashion.artifact import Artifact


def moved(artifact: Artifact, folder: Path) -> Artifact:
    """The same artifact as if it lay in `folder`: what is made of it is written there."""
    return dataclasses.replace(artifact, path=folder / artifact.path.name)
