"""Look for the input on which two models disagree most, for as long as the budget lasts."""

import time
from collections.abc import Callable

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.environment import installed
from edgefashion.errors import UsageError
from edgefashion.records import Check, Precision, SessionSpec
from edgefashion.records.worst_case import WorstCases
from edgefashion.verify import DEFAULT_LIMITS
from edgefashion.verify.search.aims import Directions, RandomDirections
from edgefashion.verify.search.answers import Pair
from edgefashion.verify.search.climb import climb
from edgefashion.verify.search.edge import edge_inputs
from edgefashion.verify.search.ledger import Ledger

PHOTOGRAPHS = "test pictures"

_KEPT = 8
_NO_STEPS = "test pictures and edge inputs only: no time was left to climb from them"
_ALTERED = 32  # test pictures that edge inputs are made from
_AT_ONCE = 1_000  # so that an interrupt loses little


class _Budget:
    """Seconds, steps, or both; none of both never ends."""

    def __init__(self, budget_s: float | None, max_steps: int | None) -> None:
        self.steps = 0
        self._started_s = time.monotonic()
        self._budget_s, self._max_steps = budget_s, max_steps

    @property
    def elapsed_s(self) -> float:
        return time.monotonic() - self._started_s

    def goes_on(self) -> bool:
        """Whether one more step may be made; it is counted."""
        if self._budget_s is not None and self.elapsed_s >= self._budget_s:
            return False
        if self._max_steps is not None and self.steps >= self._max_steps:
            return False
        self.steps += 1
        return True


def find_worst(
    candidate: Artifact,
    reference: Artifact,
    data: Dataset,
    *,
    budget_s: float | None,
    max_steps: int | None = None,
    seed: int = 0,
    spec: SessionSpec | None = None,
    max_error_ulps: float | None = None,
    directions: Directions | None = None,
    note: Callable[[str], None] = lambda _: None,
) -> WorstCases:
    """Try every test picture, every edge input, then climb from the worst of them.

    What counts is always measured: the candidate answers one picture a call in its own runtime, the reference in its
    own. Gradients only say where to look. The same seed and number of steps try the same inputs. An interrupt ends the
    search and keeps what it found.

    Args:
        candidate: What is doubted.
        reference: A checkpoint, or another artifact.
        data: Its test pictures are tried and climbed from.
        budget_s: Seconds for everything; the test pictures and edge inputs are finished even if they take longer.
        max_steps: Most steps of the ascent.
        seed: Decides what is left to chance.
        spec: Runtime and provider of the candidate.
        max_error_ulps: Most that a logit may differ, in float32 epsilons at the input's largest reference logit, or a
            typical test picture's if that is larger. None: parity's for the candidate's precision.
        directions: Where to look; None: gradients if there are any.
        note: Is told what is done.

    Raises:
        UsageError: Neither `budget_s` nor `max_steps` is given.
        BadInput: The two do not take the same pictures.
        NotAvailable: A runtime is not here.
        CheckFailed: The reference's logits are not finite.
    """
    if budget_s is None and max_steps is None:
        raise UsageError("a search without end was asked for: give a number of seconds or of steps")
    budget, ledger, random = _Budget(budget_s, max_steps), Ledger(), np.random.default_rng(seed)
    photographs = data.test.pixels
    interrupted = False
    with Pair(candidate, reference, photographs, spec) as pair:
        try:
            for start in range(0, len(photographs), _AT_ONCE):
                ledger.add(PHOTOGRAPHS, pair.answers(photographs[start : start + _AT_ONCE]))
            altered = photographs[random.permutation(len(photographs))[:_ALTERED]]
            for family, pixels in edge_inputs(altered, random):
                ledger.add(family, pair.answers(pixels))
            note(f"{candidate.path.name}: largest logit difference on edge inputs {ledger.worst[0].max_abs:.3g}")
            directions = directions or _find_directions(candidate, reference)
            note(f"{candidate.path.name}: {directions.method}")
            climb(pair, ledger, photographs, directions, random, goes_on=budget.goes_on)
        except KeyboardInterrupt:
            if ledger.largest_in_ulps is None:
                raise  # nothing was found yet
            interrupted = True
    assert ledger.largest_in_ulps is not None  # noqa: S101 - a data set has test pictures
    return WorstCases(
        artifact=candidate.info,
        checkpoint_sha256=candidate.manifest.checkpoint_sha256,
        runtime=pair.runtime,
        reference=pair.reference,
        seed=seed,
        budget_s=budget_s,
        elapsed_s=budget.elapsed_s,
        steps=budget.steps,
        method=directions.method if directions and budget.steps else _NO_STEPS,
        interrupted=interrupted,
        image_shape=list(pair.image_shape),
        families=list(ledger.families.values()),
        worst=ledger.worst[:_KEPT],
        surest_flip=ledger.surest_flip,
        largest_in_ulps=ledger.largest_in_ulps,
        checks=checks_on(ledger.largest_in_ulps.max_ulps, candidate.manifest.precision, max_error_ulps),
    )


def checks_on(max_ulps: float, precision: Precision, max_error_ulps: float | None) -> list[Check]:
    """Hold the largest difference, in the unit of `Answers.ulps`, against `max_error_ulps`.

    None means parity's own limit. float16 and int8 have none: their logits differ by design, and how far they do on
    inputs that nobody will give them is a fact to report and not a fault.
    """
    limit = DEFAULT_LIMITS[precision].max_error_ulps if max_error_ulps is None else max_error_ulps
    if limit is None:
        return []
    return [Check(name="worst logit difference, in ulps of its input", value=max_ulps, limit=limit, relation="≤")]


def _find_directions(candidate: Artifact, reference: Artifact) -> Directions:
    missing = [package for package in ("torch", "onnx") if installed(package) is None]
    if missing:
        return RandomDirections(f"{' and '.join(missing)} is not installed")
    from edgefashion.verify.search.ascent import find_directions

    return find_directions(candidate, reference)
