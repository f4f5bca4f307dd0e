"""The inputs on which two models disagree most, and what becomes of them later."""

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import SCHEMA, Record
from edgefashion.records.judgement import Check


class FamilyWorst(Record, frozen=True):
    """What inputs of one kind brought to light."""

    name: str
    tried: int
    max_abs: float  # largest difference of a logit
    max_ulps: float  # in float32 epsilons at the largest reference logit of its input, or a typical one if larger
    flips: int
    surest_flip: float | None  # the reference's margin where it was surest and the candidate decided otherwise


class WorstInput(Record, frozen=True):
    """A picture, and how far two models are apart on it; logits that are not finite count as float32's largest."""

    family: str
    max_abs: float
    max_ulps: float
    reference_class: int
    candidate_class: int
    reference_margin: float  # top-1 minus top-2 logit
    candidate_margin: float
    pixels: bytes  # uint8, row by row

    @property
    def is_flip(self) -> bool:
        """Whether the two models decide differently."""
        return self.reference_class != self.candidate_class


class WorstCases(Record, frozen=True):
    """The largest disagreement that a search found: a lower bound on what can happen, never an upper one."""

    artifact: ArtifactInfo
    checkpoint_sha256: str | None
    runtime: str
    reference: str
    seed: int
    budget_s: float | None  # None: only steps were limited
    elapsed_s: float
    steps: int  # of the ascent, each of many pictures
    method: str
    interrupted: bool
    image_shape: list[int]  # height, width
    families: list[FamilyWorst]  # in the order tried
    worst: list[WorstInput]  # distinct pictures, largest difference first
    surest_flip: WorstInput | None
    largest_in_ulps: WorstInput
    checks: list[Check]

    @property
    def tried(self) -> int:
        """How many pictures both models answered."""
        return sum(family.tried for family in self.families)

    @property
    def flips(self) -> int:
        """On how many of them the decision differs."""
        return sum(family.flips for family in self.families)

    @property
    def max_abs(self) -> float:
        """Largest difference of a logit."""
        return self.worst[0].max_abs

    @property
    def passed(self) -> bool:
        """Whether every check holds; there is none for formats whose logits differ by design."""
        return all(check.passed for check in self.checks)


class RegressionCase(Record, frozen=True):
    """Where a kept picture comes from, and what it showed then."""

    family: str
    variant: str
    artifact_sha256: str
    checkpoint_sha256: str | None
    seed: int
    max_abs: float
    is_flip: bool
    max_ulps: float = 0.0
    reference_margin: float = 0.0


class Regressions(Record, frozen=True):
    """The record beside the pictures of regressions.safetensors, one case a picture."""

    cases: list[RegressionCase]
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)


class Rechecked(Record, frozen=True):
    """A kept picture, answered again."""

    case: RegressionCase
    max_abs: float
    is_flip: bool


class Recheck(Record, frozen=True):
    """Every kept picture of a variant, answered again."""

    artifact: ArtifactInfo
    reference: str
    cases: list[Rechecked]  # largest difference now first
    checks: list[Check]

    @property
    def max_abs_then(self) -> float:
        """Largest difference when the pictures were found."""
        return max(each.case.max_abs for each in self.cases)

    @property
    def max_abs(self) -> float:
        """Largest difference now."""
        return self.cases[0].max_abs

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)
