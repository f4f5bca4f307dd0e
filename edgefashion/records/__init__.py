"""Every frozen value that passes between the stages, with its units in its names.

Records hold plain numbers and strings, so each has one strict JSON form. Documents are the records that
become files of their own; they carry a schema version and a seal (see `edgefashion.files`).
"""

from edgefashion.records.artifact import (
    Architecture,
    ArtifactInfo,
    DataIdentity,
    Expected,
    Golden,
    Manifest,
    Precision,
    Preprocessing,
    Quantization,
    Recipe,
    Reference,
    Setting,
    TensorSpec,
)
from edgefashion.records.base import SCHEMA, Document, Record, decode
from edgefashion.records.benchmark import (
    BenchReport,
    Cell,
    CellResult,
    Failure,
    Interval,
    Launch,
    Placement,
    Plan,
    SessionSpec,
)
from edgefashion.records.training import (
    ClassScore,
    Environment,
    EpochMetrics,
    Quality,
    ResumeState,
    TrainingReport,
)
from edgefashion.records.verification import Check, Flip, Parity, VerifyReport

__all__ = [
    "SCHEMA",
    "Architecture",
    "ArtifactInfo",
    "BenchReport",
    "Cell",
    "CellResult",
    "Check",
    "ClassScore",
    "DataIdentity",
    "Document",
    "Environment",
    "EpochMetrics",
    "Expected",
    "Failure",
    "Flip",
    "Golden",
    "Interval",
    "Launch",
    "Manifest",
    "Parity",
    "Placement",
    "Plan",
    "Precision",
    "Preprocessing",
    "Quality",
    "Quantization",
    "Recipe",
    "Record",
    "Reference",
    "ResumeState",
    "SessionSpec",
    "Setting",
    "TensorSpec",
    "TrainingReport",
    "VerifyReport",
    "decode",
]
