"""Two models side by side, each in its own runtime: what both answer to the same pictures."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from edgefashion import runs
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.environment import installed
from edgefashion.errors import BadInput, CheckFailed, NotAvailable
from edgefashion.records import SessionSpec
from edgefashion.records.worst_case import WorstInput
from edgefashion.runtimes import Logits, Pixels, default_spec, in_words, open_session, run_all
from edgefashion.verify.margins import margins

_BATCH = 64
_TYPICAL = 256  # pictures whose largest logits tell what is typical
_FLOAT32 = np.finfo(np.float32)

# A difference to what is not finite, as a number that can be compared and written down.
NOT_FINITE = float(_FLOAT32.max)


@dataclass(frozen=True)
class Answers:
    """What two models say of N pictures.

    Attributes:
        pixels: uint8[N, H, W].
        errors: float64[N], largest difference of a logit.
        ulps: float64[N], the same in float32 epsilons at the largest reference logit of that picture, or at a typical
            one where that is larger: a small sum of large terms is only as exact as its terms.
        decided: Candidate's class, intp[N].
        expected: Reference's class.
        margins: float64[N], the candidate's top-1 minus top-2 logit.
        reference_margins: The reference's.
        excesses: float64[N], how far the candidate puts the reference's class below its best other one.
    """

    pixels: Pixels
    errors: NDArray[np.float64]
    ulps: NDArray[np.float64]
    decided: NDArray[np.intp]
    expected: NDArray[np.intp]
    margins: NDArray[np.float64]
    reference_margins: NDArray[np.float64]
    excesses: NDArray[np.float64]

    @classmethod
    def of(cls, pixels: Pixels, candidate: Logits, reference: Logits, *, typical_logit: float) -> Self:
        """From logits float32[N, classes] of both; those of the reference are finite."""
        candidate = np.nan_to_num(candidate, nan=-NOT_FINITE, posinf=NOT_FINITE, neginf=-NOT_FINITE)
        errors = np.minimum(np.abs(candidate.astype(np.float64) - reference).max(axis=1), NOT_FINITE)
        units = float(_FLOAT32.eps) * np.maximum(np.abs(reference).max(axis=1), typical_logit)
        expected = reference.argmax(1)
        others = candidate.astype(np.float64)
        own = np.take_along_axis(others, expected[:, None], axis=1)[:, 0]
        np.put_along_axis(others, expected[:, None], -np.inf, axis=1)
        return cls(
            pixels=pixels,
            errors=errors,
            ulps=np.minimum(errors / units, NOT_FINITE),
            decided=candidate.argmax(1),
            expected=expected,
            margins=margins(candidate),
            reference_margins=margins(reference),
            excesses=others.max(axis=1) - own,
        )

    @property
    def flipped(self) -> NDArray[np.bool_]:
        """Where the two decide differently: bool[N]."""
        return np.asarray(self.decided != self.expected)

    def take(self, indices: Sequence[int]) -> Self:
        """The pictures at `indices`, in that order."""
        rows = np.asarray(indices, np.intp)
        return replace(self, **{each.name: getattr(self, each.name)[rows] for each in fields(self)})

    def at(self, index: int, family: str) -> WorstInput:
        """One picture as a record."""
        return WorstInput(
            family=family,
            max_abs=float(self.errors[index]),
            max_ulps=float(self.ulps[index]),
            reference_class=int(self.expected[index]),
            candidate_class=int(self.decided[index]),
            reference_margin=float(self.reference_margins[index]),
            candidate_margin=float(self.margins[index]),
            pixels=self.pixels[index].tobytes(),
        )


class Pair:
    """A candidate and its reference, open.

    Attributes:
        image_shape: Height and width of a picture, from the candidate's manifest.
        runtime: Where the candidate runs, in words.
        reference: What the reference is and where it runs, in words.
    """

    def __init__(
        self, candidate: Artifact, reference: Artifact, photographs: Pixels, spec: SessionSpec | None = None
    ) -> None:
        """Open both, and let the reference answer some `photographs` uint8[N, H, W] to learn what is typical.

        Raises:
            BadInput: They take pictures of other sizes, or a size that is not fixed.
            NotAvailable: A runtime is not here.
            CheckFailed: The reference's logits are not finite.
        """
        shapes = [artifact.manifest.input.shape[1:] for artifact in (candidate, reference)]
        if shapes[0] != shapes[1] or not all(isinstance(size, int) for size in shapes[0]):
            raise BadInput(f"{candidate.path} takes pictures of {shapes[0]} and {reference.path} of {shapes[1]}")
        height, width = (int(size) for size in shapes[0])
        self.image_shape = (height, width)
        spec, own_spec = spec or default_spec(candidate), default_spec(reference)
        self.runtime = f"{in_words(spec)} · {spec.provider}"
        self.reference = f"{reference.manifest.name}/{reference.manifest.variant} in {in_words(own_spec)}"
        # A float32 model answers each picture by itself, so batches only save time; a quantized one may not.
        self._batch = _BATCH if reference.manifest.precision == "float32" else 1
        self._candidate = open_session(candidate, spec)
        self._reference = open_session(reference, own_spec)
        largest = np.abs(self._truth(photographs[:_TYPICAL])).max(axis=1)
        self._typical_logit = max(float(np.median(largest)), float(_FLOAT32.tiny))

    def answers(self, pixels: Pixels) -> Answers:
        """What both say of `pixels` uint8[N, H, W]; the candidate sees one picture a call.

        Raises:
            CheckFailed: The reference's logits are not finite, so that nothing can be held against them.
        """
        reference = self._truth(pixels)
        return Answers.of(pixels, run_all(self._candidate, pixels), reference, typical_logit=self._typical_logit)

    def _truth(self, pixels: Pixels) -> Logits:
        logits = run_all(self._reference, pixels, batch=self._batch)
        if not np.isfinite(logits).all():
            raise CheckFailed(f"{self.reference} gives logits that are not finite")
        return logits

    def __enter__(self) -> Self:
        """The pair itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close both sessions."""
        self._reference.__exit__(kind, error, trace)
        self._candidate.__exit__(kind, error, trace)


def reference_for(candidate: Artifact) -> Artifact:
    """What `candidate` was made from and can still be run: its checkpoint where torch is here, else the float32 export.

    Raises:
        NotAvailable: Neither lies beside it.
    """
    folder = candidate.path.parent
    names = ([runs.CHECKPOINT] if installed("torch") else []) + [runs.FLOAT]
    for path in (folder / name for name in names):
        if not path.is_file() or path == candidate.path:
            continue
        found = open_artifact(path)
        if candidate.manifest.checkpoint_sha256 in {found.sha256, found.manifest.checkpoint_sha256}:
            return found
    raise NotAvailable(
        f"nothing to search against beside {candidate.path}: expected the {runs.CHECKPOINT} that it comes from, "
        f"and torch (pip install 'edgefashion[train]'), or another {runs.FLOAT}"
    )
