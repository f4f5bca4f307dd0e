"""tune.json: a study of recipes, its trials, and the one that was picked."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import DataIdentity, Recipe
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Interval, NoiseLevel
from edgefashion.records.training import Environment

TrialState = Literal["complete", "pruned", "running", "waiting", "failed"]


class TuningPlan(Record, frozen=True):
    """What all trials of a study have in common, so that their figures can be compared; the study keeps it."""

    recipe: Recipe  # whatever is not searched for is taken from it, the number of epochs too
    seed: int  # of every training, and of what is drawn
    data: DataIdentity
    machine: Environment | None  # that latency is measured on; None where it is no objective
    pictures: bool = True  # whether golden pictures travel inside the int8 files, and count among their bytes


class CostLimits(Record, frozen=True):
    """What a model may cost; None limits nothing."""

    size_bytes: float | None = None
    latency_s: float | None = None  # of one call: its median


class Costs(Record, frozen=True):
    """What a network costs in int8, whatever its weights."""

    size_bytes: int
    latency: Interval | None = None  # seconds of one call of one picture, in ONNX Runtime; None where not measured
    noise: NoiseLevel | None = None  # of the machine while that was measured

    @property
    def latency_s(self) -> float:
        """Median seconds of one call; 0 where it was not measured, which makes all networks equal in it."""
        return self.latency.value if self.latency else 0.0


class Worth(Record, frozen=True):
    """What training gave: how the int8 model does on the validation pictures, and how large its file is."""

    right: int  # pictures that it classifies as they are labelled
    images: int
    size_bytes: int


class TunedTrial(Record, frozen=True):
    """One recipe that was tried; what is not known is None."""

    number: int
    state: TrialState
    recipe: Recipe | None
    why: str  # why it was pruned; empty otherwise
    costs: Costs | None
    validation_accuracies: list[float]  # of the float32 model, after each epoch
    worth: Worth | None  # None unless it is complete
    accuracy: Interval | None  # of the int8 model, on the validation pictures
    on_front: bool = False
    repeats: list[int] = msgspec.field(default_factory=list)  # trials with this recipe that were cut short before
    wall_s: float | None = None

    def keeps(self, limits: CostLimits) -> bool:
        """Whether its file is small enough, and the whole interval of its latency short enough."""
        if self.worth is None or (limits.size_bytes is not None and self.worth.size_bytes > limits.size_bytes):
            return False
        latency = self.costs.latency if self.costs else None
        return limits.latency_s is None or (latency is not None and latency.high <= limits.latency_s)


class TuneReport(Document, frozen=True, kw_only=True):
    """tune.json: every trial of a study so far."""

    kind: Literal["tuning"] = "tuning"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    study: str
    storage: str  # without a password
    plan: TuningPlan
    limits: CostLimits
    trials: list[TunedTrial]
    picked: int | None  # number of a trial; None where none is complete and certainly within the limits
    interrupted: bool

    def trial(self, number: int) -> TunedTrial:
        """The trial of that number."""
        return self.trials[number]
