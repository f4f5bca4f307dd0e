"""What `edgefashion verify --locate` does: find where each model departs, show it, and keep the evidence."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.data import Dataset
    from edgefashion.records.drift import Drift

_PICTURES = 256


def find_drift(artifact: "Artifact", split: "Dataset") -> "Drift":
    """Compare an exported model with its reference on the first test pictures.

    Raises:
        BadInput: The reference is missing, or of another checkpoint.
        UsageError: The model cannot be compared tensor by tensor.
        NotAvailable: onnx or torch is not installed.
    """
    from edgefashion.verify.locate import locate

    return locate(artifact, reference_of(artifact), split.test.pixels[:_PICTURES])


def reference_of(artifact: "Artifact") -> "Artifact":
    """PyTorch's checkpoint beside a float32 model, the float32 model beside any other.

    Raises:
        BadInput: There is none.
    """
    from edgefashion import runs
    from edgefashion.artifact import open_artifact

    folder = artifact.path.parent
    if artifact.manifest.precision == "float32":
        return open_artifact(folder / runs.CHECKPOINT)
    return runs.float_model(folder)


def show_drift(drift: "Drift") -> None:
    """Print the table: the first node that departs and those that add most error are named below it."""
    from edgefashion.cli import console
    from edgefashion.report.drift_grids import drift_grid
    from edgefashion.report.tables import table

    console.show(table(drift_grid(drift)))


def save_drift(drift: "Drift", artifact: "Artifact", split: "Dataset") -> list[Path]:
    """Write the drift beside the model, with a figure, and with the segment that departs first as a model of its own.

    Returns:
        What was written: drift/<file>/drift.json and drift.png, and <variant>-<layer>.onnx if a node departs. What an
        earlier search for a drift of the same file left there is removed.

    Raises:
        CannotWrite: The folder is full or forbidden.
    """
    from edgefashion import runs
    from edgefashion.files import locked
    from edgefashion.report import plots
    from edgefashion.report.drift_plot import drift_by_depth
    from edgefashion.verify.locate import save_segment

    # By the file's name and not by the variant, which is what the file says of itself.
    folder = artifact.path.parent / runs.DRIFT / artifact.path.stem
    with locked(artifact.path.parent):
        for old in folder.glob("*"):
            old.unlink()
        written = [
            drift.save(folder / "drift.json"),
            plots.save(drift_by_depth(drift), folder / "drift.png"),
        ]
        if drift.first is not None:
            images = split.test.pixels[:_PICTURES]
            written.append(save_segment(artifact, reference_of(artifact), images, drift.first, folder))
    return written
