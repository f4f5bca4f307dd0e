"""How far a quantized model hangs on the pictures that happened to calibrate it, and which variants really differ."""

import dataclasses
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import sqrt
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion import environment
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.quantize import SCHEMES, apply
from edgefashion.quantize.settings import parse
from edgefashion.records import CalibrationSpread, Interval, StabilityReport
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.stats import Mean, holm, t_interval
from edgefashion.verify import Limits, ReferenceLogits, from_artifact

LEVEL = 0.05

_ANY = Limits(min_agreement=0.0)
_MIN_SEEDS = 2


@dataclass(frozen=True)
class Repeated:
    """One variant, calibrated once with each seed.

    Attributes:
        name: Scheme and settings.
        images: Calibration pictures.
        right: bool[seeds, pictures], whether each answer is right.
        same: bool[seeds, pictures], whether each answer is float32's.
    """

    name: str
    images: int
    right: NDArray[np.bool_]
    same: NDArray[np.bool_]

    @property
    def words(self) -> str:
        """Which variant this is, in a sentence."""
        return f"{self.name} with {self.images:,} pictures"


def measure_stability(
    fp32: Artifact,
    schemes: Sequence[str],
    data: Dataset,
    *,
    seeds: int = 5,
    sizes: Sequence[int] = (100, 1000),
    note: Callable[[str], None] = lambda _: None,
) -> StabilityReport:
    """Calibrate each scheme with several seeds and numbers of pictures; compare what comes out, on validation pictures.

    Args:
        fp32: A float32 ONNX artifact.
        schemes: Schemes with their settings, as the command line takes them; each must be calibrated.
        data: Training pictures calibrate, validation pictures judge.
        seeds: Calibrations of each variant, at least two.
        sizes: Numbers of calibration pictures.
        note: Is told what is tried.

    Raises:
        UsageError: Fewer than two seeds, a scheme that is not calibrated or fixes its calibration, or
            more pictures than there are.
    """
    if seeds < _MIN_SEEDS:
        raise UsageError(f"{seeds} seed was given: a spread needs at least {_MIN_SEEDS}")
    for scheme in schemes:
        _check_scheme(scheme)
    chosen_on = data.for_choosing()
    reference = from_artifact(fp32, chosen_on)
    variants = [(scheme, size) for scheme in schemes for size in sizes]
    repeated = [_repeat(fp32, scheme, size, chosen_on, reference, seeds=seeds, note=note) for scheme, size in variants]
    was_right = reference.logits.argmax(1) == reference.labels
    return StabilityReport(
        artifact=fp32.info,
        data=chosen_on.identity,
        spreads=[_spread(each, was_right) for each in repeated],
        sentences=compare(repeated),
        environment=environment.describe(),
    )


def compare(variants: Sequence[Repeated]) -> list[str]:
    """Which variants differ in accuracy, pair by pair, two-sided and Holm-adjusted at 5 %; the rest is not ranked."""
    pairs = list(combinations(variants, 2))
    if not pairs:
        return []
    differences = [_mean_over_both(one.right.astype(np.int8), other.right.astype(np.int8)) for one, other in pairs]
    adjusted = holm(np.array([_two_sided(each) for each in differences])).tolist()
    real = [
        f"{_better(one, other, by).words} is right more often than {_better(other, one, by).words}, "
        f"by {100 * abs(by.value):.2f} points (p = {p:.2g}, adjusted for {len(pairs)} pairs)"
        for (one, other), by, p in zip(pairs, differences, adjusted, strict=True)
        if p < LEVEL
    ]
    alike = len(pairs) - len(real)
    if not real:
        return [f"no two of the {len(variants)} variants can be told apart: their order means nothing"]
    return [*real, *([f"{alike} of {len(pairs)} pairs cannot be told apart: they are not ranked"] if alike else [])]


def _check_scheme(scheme: str) -> None:
    name, config = parse(scheme)
    settings = {each.name for each in dataclasses.fields(config)}
    if "calibration_seed" not in settings:
        raise UsageError(f"{scheme} needs no calibration pictures: there is no spread to measure")
    if "calibration_" in scheme:
        raise UsageError(f"{scheme} sets its calibration: seeds and numbers of pictures are varied here")
    if hasattr(SCHEMES.load(name), "fine_tune"):
        raise UsageError(f"{name} chooses its epoch by the validation pictures: they cannot judge it as well")


def _repeat(
    fp32: Artifact,
    scheme: str,
    size: int,
    data: Dataset,
    reference: ReferenceLogits,
    *,
    seeds: int,
    note: Callable[[str], None],
) -> Repeated:
    name, config = parse(scheme)
    decisions = []
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
        for seed in range(seeds):
            note(f"{scheme}: {size:,} pictures, seed {seed}")
            settings: Any = dataclasses.replace(config, calibration_images=size, calibration_seed=seed)
            artifact, _ = apply(
                fp32,
                name,
                data,
                config=settings,
                out=Path(folder) / f"{seed}.onnx",
                reference=reference,
                limits=_ANY,
            )
            with open_session(artifact, default_spec(artifact)) as session:
                decisions.append(run_all(session, reference.pixels).argmax(1))
    found = np.array(decisions)
    return Repeated(scheme, size, found == reference.labels, found == reference.logits.argmax(1))


def _spread(repeated: Repeated, was_right: NDArray[np.bool_]) -> CalibrationSpread:
    agreements = repeated.same.mean(1)
    before = np.broadcast_to(was_right, repeated.right.shape)
    return CalibrationSpread(
        scheme=repeated.name,
        calibration_images=repeated.images,
        seeds=list(range(len(repeated.right))),
        accuracies=repeated.right.mean(1).tolist(),
        agreements=agreements.tolist(),
        accuracy_drop=_mean_over_both(before.astype(np.int8), repeated.right.astype(np.int8)).interval(),
        agreement=_share(t_interval(agreements)),
    )


def _share(interval: Interval) -> Interval:
    """The part of an interval that a share can have."""
    return Interval(value=interval.value, low=max(0.0, interval.low), high=min(1.0, interval.high))


def _mean_over_both(one: NDArray[np.int8], other: NDArray[np.int8]) -> Mean:
    """Mean of `one - other` (int8[seeds, pictures] each), uncertain through its pictures and through its seeds.

    Pictures are paired; seeds are not, as the same seed draws other pictures in another number. The variances add
    up, and Satterthwaite's degrees of freedom go with their sum. The spread over pictures already holds some of the
    spread over seeds, so the interval is rather too wide than too narrow.
    """
    by_picture = one.mean(0) - other.mean(0)
    parts = [(by_picture.var(ddof=1) / len(by_picture), len(by_picture) - 1)]
    parts += [(each.mean(1).var(ddof=1) / len(each), len(each) - 1) for each in (one, other)]
    variance = sum(part for part, _ in parts)
    scatter = sum(part**2 / freedom for part, freedom in parts)
    freedom = variance**2 / scatter if scatter else float(len(by_picture) - 1)
    return Mean(float(by_picture.mean()), sqrt(variance), freedom)


def _two_sided(mean: Mean) -> float:
    if not mean.error:
        return 1.0 if mean.value == 0 else 0.0
    one_sided = mean.p_above(0.0)
    return min(1.0, 2 * min(one_sided, 1 - one_sided))


def _better(one: Repeated, other: Repeated, by: Mean) -> Repeated:
    """`one` where `by`, which is one less other in the caller's order, speaks for it."""
    return one if by.value > 0 else other
