"""The worst inputs of past searches: kept beside the models of a run, and answered again whenever it is verified."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edgefashion import runs, tensors
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import BadInput
from edgefashion.files import atomic_write
from edgefashion.records import SessionSpec
from edgefashion.records.worst_case import Recheck, Rechecked, RegressionCase, Regressions, WorstCases, WorstInput
from edgefashion.runtimes import Pixels
from edgefashion.verify.search.answers import Pair
from edgefashion.verify.search.ledger import pictures_of
from edgefashion.verify.search.search import checks_on

_KEY = "edgefashion.regressions"
_PIXELS = "pixels"
_DIMENSIONS = 3
# Of one variant; more would slow every verification down. The smallest differences make room.
_MOST_OF_A_VARIANT = 32


@dataclass(frozen=True)
class KeptCases:
    """Pictures that once were the worst.

    Attributes:
        pixels: uint8[K, H, W].
        cases: Where each comes from and what it showed.
    """

    pixels: Pixels
    cases: list[RegressionCase]

    def __len__(self) -> int:
        return len(self.cases)

    def of(self, variant: str) -> "KeptCases":
        """Those that were found for one variant."""
        return self.take([index for index, case in enumerate(self.cases) if case.variant == variant])

    def take(self, indices: list[int]) -> "KeptCases":
        """Those at `indices`, in that order."""
        return KeptCases(self.pixels[np.array(indices, np.intp)], [self.cases[index] for index in indices])


def load_regressions(run: Path) -> KeptCases:
    """What was kept in the folder `run`; nothing where nothing was.

    Raises:
        BadInput: The file is damaged, or holds something else.
    """
    path = run / runs.REGRESSIONS
    if not path.exists():
        return KeptCases(np.empty((0, 0, 0), np.uint8), [])
    try:
        arrays, record = tensors.read(path, _KEY, Regressions)
    except BadInput as error:
        raise BadInput(f"{error}; without it, `edgefashion verify --search` starts anew") from None
    pixels = arrays.get(_PIXELS)
    if pixels is None or pixels.dtype != np.uint8 or pixels.ndim != _DIMENSIONS or len(pixels) != len(record.cases):
        raise BadInput(f"{path} does not hold one uint8 picture for each of its {len(record.cases)} cases")
    return KeptCases(pixels.astype(np.uint8), record.cases)


def keep_regressions(run: Path, found: WorstCases) -> Path:
    """Add the worst inputs of a search to what `run` keeps: its largest differences, surest flip, and most ulps.

    Cases stay when their fault is mended: that is what they are for. A picture that was kept for this variant before
    stays with the figures of then. Call it while holding the folder's lock.

    Raises:
        BadInput: The file that is there is damaged, or is of pictures of another size.
        CannotWrite: The folder cannot be written to.
    """
    kept = load_regressions(run)
    if len(kept) and list(kept.pixels.shape[1:]) != found.image_shape:
        raise BadInput(
            f"{run / runs.REGRESSIONS} holds pictures of {list(kept.pixels.shape[1:])}, not of {found.image_shape}"
        )
    variant = found.artifact.variant
    known = {picture.tobytes() for picture in kept.of(variant).pixels}
    candidates = [*found.worst, found.largest_in_ulps, *([found.surest_flip] if found.surest_flip else [])]
    new = list({each.pixels: each for each in candidates if each.pixels not in known}.values())
    height, width = found.image_shape
    pixels = [kept.pixels, pictures_of(new, (height, width))] if len(kept) else [pictures_of(new, (height, width))]
    together = KeptCases(np.concatenate(pixels), [*kept.cases, *(_case(each, found) for each in new)])
    chosen = together.take(_largest(together, variant))
    content = tensors.pack({_PIXELS: chosen.pixels}, _KEY, Regressions(cases=chosen.cases))
    return atomic_write(run / runs.REGRESSIONS, content)


def recheck(
    candidate: Artifact,
    reference: Artifact,
    kept: KeptCases,
    data: Dataset,
    *,
    spec: SessionSpec | None = None,
    max_error_ulps: float | None = None,
) -> Recheck:
    """Let both models answer the pictures of `kept` again, at least one; limit and units are those of `find_worst`.

    Raises:
        BadInput: The pictures are not of the size that the models take.
        NotAvailable: A runtime is not here.
        CheckFailed: The reference's logits are not finite.
    """
    with Pair(candidate, reference, data.test.pixels, spec) as pair:
        if kept.pixels.shape[1:] != pair.image_shape:
            raise BadInput(
                f"kept pictures are of {list(kept.pixels.shape[1:])}: {candidate.path} takes {list(pair.image_shape)}"
            )
        answers = pair.answers(kept.pixels)
        source = pair.reference
    return Recheck(
        artifact=candidate.info,
        reference=source,
        cases=[
            Rechecked(kept.cases[index], float(answers.errors[index]), bool(answers.flipped[index]))
            for index in np.argsort(-answers.errors, kind="stable")
        ],
        checks=checks_on(float(answers.ulps.max()), candidate.manifest.precision, max_error_ulps),
    )


def _case(each: WorstInput, found: WorstCases) -> RegressionCase:
    return RegressionCase(
        family=each.family,
        variant=found.artifact.variant,
        artifact_sha256=found.artifact.sha256,
        checkpoint_sha256=found.checkpoint_sha256,
        seed=found.seed,
        max_abs=each.max_abs,
        is_flip=each.is_flip,
        max_ulps=each.max_ulps,
        reference_margin=each.reference_margin,
    )


def _largest(kept: KeptCases, variant: str) -> list[int]:
    """Everything of other variants; of this one the surest flip, the most ulps, and the largest differences."""
    own = [index for index, case in enumerate(kept.cases) if case.variant == variant]
    records = {
        max(own, key=lambda index: kept.cases[index].max_ulps),
        max(own, key=lambda index: kept.cases[index].reference_margin if kept.cases[index].is_flip else -1.0),
    }
    others = sorted(set(own) - records, key=lambda index: kept.cases[index].max_abs)
    dropped = others[: max(0, len(own) - _MOST_OF_A_VARIANT)]
    return [index for index in range(len(kept)) if index not in dropped]
