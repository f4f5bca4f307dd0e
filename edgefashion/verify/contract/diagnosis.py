"""Outputs beside the golden ones, and the hypotheses that explain why they differ."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, NotAvailable
from edgefashion.records.contract import Contract, Hypothesis
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.verify.contract.conclusion import Conclusion, chance_of, conclude, constant, unlikeness
from edgefashion.verify.contract.faults import Network, from_pictures, in_float16, rounds_otherwise
from edgefashion.verify.contract.network import without_preprocessing
from edgefashion.verify.contract.outputs import Outputs
from edgefashion.verify.contract.prediction import Prediction, rounding
from edgefashion.verify.contract.ranking import explain_all, ranked
from edgefashion.verify.contract.readouts import AS_THEY_ARE, READOUTS, Numbers, Readout
from edgefashion.verify.contract.variants import other_variants
from edgefashion.verify.parity import GOLDEN_LIMITS, differences, judge
from edgefashion.verify.reference import ReferenceLogits, golden_reference


def diagnose(artifact: Artifact, outputs: Outputs, *, source: str = "outputs") -> Contract:
    """Compare `outputs` with the golden ones of `artifact`; where they differ, rank what explains them.

    Args:
        artifact: Whose golden pictures the outputs were computed on.
        outputs: float32[N, classes], finite, in the order of the golden pictures.
        source: Where they came from, for the report.

    Raises:
        NotAvailable: The artifact carries no golden outputs, or its runtime is not here.
        BadInput: Its golden outputs are damaged, or the outputs have another shape or are not finite.
    """
    if artifact.manifest.golden is None:
        raise NotAvailable(f"{artifact.path} carries no golden outputs to compare with: export it again")
    golden = golden_reference(artifact)
    if outputs.shape != golden.logits.shape or not np.isfinite(outputs).all():
        raise BadInput(f"{source}: expected {' by '.join(map(str, golden.logits.shape))} finite numbers")
    found = differences(outputs, golden.logits, golden.labels)
    checks = judge(found, GOLDEN_LIMITS[artifact.manifest.precision])
    images, classes = outputs.shape
    correct = int(np.count_nonzero(outputs.argmax(axis=1) == golden.labels))
    chance = chance_of(correct, images=images, classes=classes)
    hypotheses: list[Hypothesis] = []
    remarks: list[str] = []
    conclusion: Conclusion = "match"
    sentence = f"the outputs are those of {artifact.manifest.name}/{artifact.manifest.variant}"
    if not all(check.passed for check in checks):
        hypotheses, remarks = _hypotheses(artifact, golden, outputs.astype(np.float64))
        conclusion, sentence = conclude(
            hypotheses,
            correct=correct,
            images=images,
            chance=chance,
            unlike=unlikeness(outputs.astype(np.float64), golden.logits.astype(np.float64)),
            complete=not remarks,
        )
        if conclusion != "explained":
            conclusion, sentence = constant(outputs.astype(np.float64)) or (conclusion, sentence)
    return Contract(
        artifact=artifact.info,
        outputs=source,
        images=images,
        max_abs=found.max_abs,
        agreement=found.agreement,
        correct=correct,
        chance=chance,
        checks=checks,
        hypotheses=hypotheses,
        remarks=remarks,
        conclusion=conclusion,
        sentence=sentence,
    )


def _hypotheses(artifact: Artifact, golden: ReferenceLogits, outputs: Numbers) -> tuple[list[Hypothesis], list[str]]:
    """Rounding alone, then single faults, then an arbitrary normalisation, then coarser rounding, then pairs of faults.

    What has more freedom explains more, whether it is true or not: it is asked only if nothing before it fits.
    """
    manifest = artifact.manifest
    own = Prediction("", "", golden.logits, rounding(golden.logits, manifest.precision))
    alike, coarser, remarks = other_variants(artifact, golden)
    coarser += [in_float16(golden)] if manifest.precision == "float32" else []
    exact = [*alike]
    with ExitStack() as stack:
        session = stack.enter_context(open_session(artifact, default_spec(artifact)))
        remarks += _not_repeated(artifact, golden, run_all(session, golden.pixels))
        exact += from_pictures(session, manifest, golden.pixels)
        network = None
        try:
            model = without_preprocessing(artifact)
            network = Network(stack.enter_context(open_session(model, default_spec(model))), manifest, golden.pixels)
            exact += network.known_faults()
        except (NotAvailable, BadInput) as error:
            remarks.append(f"not tried: every fault of the normalisation: {error}")

        def fitted(readouts: Iterable[Readout]) -> list[Hypothesis]:
            """An arbitrary normalisation behind each of the readouts."""
            if network is None:
                return []
            pairs = [(network.fitted(outputs, readout), readout) for readout in readouts if readout.smooth]
            return [found for pair in pairs for found in explain_all([pair[0]], [pair[1]], outputs)]

        stages: tuple[Callable[[], list[Hypothesis]], ...] = (
            lambda: explain_all([rounds_otherwise(golden, manifest)], [AS_THEY_ARE], outputs),
            lambda: explain_all(exact, [AS_THEY_ARE], outputs) + explain_all([own], READOUTS, outputs),
            lambda: fitted([AS_THEY_ARE]),
            lambda: explain_all(coarser, [AS_THEY_ARE], outputs),
            lambda: explain_all([*exact, *coarser], READOUTS, outputs),
            lambda: fitted(READOUTS),
        )
        found: list[Hypothesis] = []
        for stage in stages:
            found += stage()
            if any(each.fits for each in found):
                break
    return ranked(found), remarks


def _not_repeated(artifact: Artifact, golden: ReferenceLogits, logits: Outputs) -> list[str]:
    """A remark if the artifact answers otherwise here than when it was made."""
    found = differences(logits, golden.logits, golden.labels)
    if all(check.passed for check in judge(found, GOLDEN_LIMITS[artifact.manifest.precision])):
        return []
    return [f"this machine does not repeat the golden outputs itself: they differ by up to {found.max_abs:.3g}"]
