"""Each layer alone, then assignments from all int8 to all float32, then the one to take."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import numpy as np

from edgefashion import environment
from edgefashion.artifact import Artifact
from edgefashion.bench import Request, measure
from edgefashion.data import Dataset
from edgefashion.environment import require
from edgefashion.errors import UsageError
from edgefashion.quantize import mixed
from edgefashion.quantize.layers import layers_of
from edgefashion.records import Assignment, Interval, NoiseLevel, SensitivityReport
from edgefashion.sensitivity.assignments import Trial, Tried, cheapest, front, nested
from edgefashion.stats import holm
from edgefashion.verify import from_artifact

LEVEL = 0.05


def analyse(
    fp32: Artifact,
    data: Dataset,
    *,
    max_drop: float | None = None,
    config: mixed.Config | None = None,
    budget_s: float = 0.0,
    note: Callable[[str], None] = lambda _: None,
) -> SensitivityReport:
    """Rank layers by what quantizing each alone does, and choose which stay float32.

    The damage of a layer is the noise that it alone brings into the logits. Assignments are nested: the most damaged
    layer becomes float32 first. An assignment is within `max_drop` if the score test of `stats.PairedDrop` rejects
    "the accuracy drops by `max_drop` or more" at 5 %, Holm-adjusted for the number of assignments. Of those the one
    with most int8 layers is chosen, unless another's latency is lower for certain, or its file smaller where latency
    was not measured. All float32, which loses nothing, is among them.

    Args:
        fp32: A float32 ONNX artifact.
        data: Training pictures calibrate, validation pictures decide; test pictures are not looked at.
        max_drop: Most accuracy that may be lost, as a fraction; None chooses nothing.
        config: Settings of static quantization.
        budget_s: Seconds for measuring latency; 0 measures none.
        note: Is told what is done.

    Raises:
        UsageError: The artifact is not float32 ONNX, or `max_drop` is not within 0 and 1.
        NotAvailable: The packages that quantize are not installed.
    """
    require("train", purpose="quantizing")
    import onnx

    if fp32.manifest.format != "onnx" or fp32.manifest.precision != "float32":
        raise UsageError(f"{fp32.path} is {fp32.manifest.precision}: expected a float32 ONNX artifact")
    if max_drop is not None and not 0 < max_drop < 1:
        raise UsageError(f"an accuracy drop of {max_drop} was given: expected a fraction above 0 and below 1")
    chosen_on = data.for_choosing()
    layers = layers_of(onnx.load_model_from_string(fp32.content))
    with tempfile.TemporaryDirectory(prefix="edgefashion-") as folder:
        trial = Trial(
            fp32, chosen_on, from_artifact(fp32, chosen_on), layers, Path(folder), config or mixed.Config(), note
        )
        alone = [trial.run([layer]) for layer in layers]
        tried = [trial.run(int8) for int8 in nested([each.found for each in alone], layers)]
        noise, ratios = _ratios(fp32, [*alone, *tried], chosen_on, budget_s=budget_s, note=note)
    alone_found = sorted(_timed(alone, ratios), key=lambda each: each.logit_noise, reverse=True)
    assignments = _timed(tried, ratios)
    assignments = [
        msgspec.structs.replace(each, on_front=on_front)
        for each, on_front in zip(assignments, front(assignments), strict=True)
    ]
    chosen = None
    if max_drop is not None:
        p_beyond = holm(np.array([1 - each.drop.p_above(max_drop) for each in tried])).tolist()
        assignments = [msgspec.structs.replace(each, p_beyond=p) for each, p in zip(assignments, p_beyond, strict=True)]
        chosen = _choose(assignments)
    return SensitivityReport(
        artifact=fp32.info,
        data=chosen_on.identity,
        noise=noise,
        alone=alone_found,
        assignments=assignments,
        max_drop=max_drop,
        chosen=chosen,
        sentence=_sentence(assignments, chosen, max_drop, images=len(chosen_on.test)),
        environment=environment.describe(),
    )


def _ratios(
    fp32: Artifact, tried: Sequence[Tried], data: Dataset, *, budget_s: float, note: Callable[[str], None]
) -> tuple[NoiseLevel | None, dict[str, Interval]]:
    """The machine's noise, and latency over float32's by digest, all measured side by side; 1 for float32 itself."""
    if not budget_s:
        return None, {}
    note(f"measuring latency for {budget_s:.0f} s")
    models = list({each.artifact.sha256: each.artifact for each in tried}.values())
    others = [model for model in models if model.sha256 != fp32.sha256]
    request = Request(
        [fp32, *others], runtimes=["onnxruntime"], reference="fp32", overhead_cells=False, budget_s=budget_s
    )
    report = measure(request, data)
    if report.noise.level == "invalid":  # figures that rank nothing choose nothing either
        return report.noise.level, {}
    compared = {result.cell: result.comparison for result in report.results}
    found = {
        cell.artifact.sha256: comparison.ratio
        for cell in report.plan.cells
        if cell.role == "subject" and (comparison := compared.get(cell.label))
    }
    return report.noise.level, found | {fp32.sha256: Interval(value=1.0, low=1.0, high=1.0)}


def _timed(tried: Sequence[Tried], ratios: dict[str, Interval]) -> list[Assignment]:
    return [msgspec.structs.replace(each.found, ratio=ratios.get(each.artifact.sha256)) for each in tried]


def _choose(assignments: Sequence[Assignment]) -> int:
    """The cheapest of those within the limit; all float32, which loses nothing, where the test can tell of none."""
    within = [index for index, each in enumerate(assignments) if _is_within(each)]
    within = within or [len(assignments) - 1]
    return within[cheapest([assignments[index] for index in within])]


def _sentence(assignments: Sequence[Assignment], chosen: int | None, max_drop: float | None, *, images: int) -> str:
    everything = assignments[0]
    pictures = f"{images:,} validation pictures"
    if chosen is None or max_drop is None:
        return f"all int8 changes accuracy by {_change(everything)} on {pictures}"
    taken, limit = assignments[chosen], f"{100 * max_drop:g} points"
    if taken.int8_layers:
        return (
            f"{taken.words} changes accuracy by {_change(taken)} on {pictures}, less than {limit} "
            f"(p = {taken.p_beyond:.2g}, adjusted for {len(assignments)} assignments){_price(taken, everything)}"
        )
    if any(each.int8_layers and _is_within(each) for each in assignments):
        better = "faster" if all(each.ratio for each in assignments) else "smaller"
        return f"everything stays float32: no assignment that loses less than {limit} on {pictures} is {better}"
    if not _is_within(assignments[-1]):  # not even of the model itself, which loses nothing
        return (
            f"everything stays float32: {pictures} are too few to show of any model that it loses less than {limit}; "
            "`edgefashion data` brings more, or --max-drop must be larger"
        )
    return (
        f"everything stays float32: of no assignment could it be shown on {pictures} that it loses less than {limit}. "
        "Quantization-aware training (--scheme qat) may do better"
    )


def _is_within(assignment: Assignment) -> bool:
    return assignment.p_beyond is not None and assignment.p_beyond < LEVEL


def _change(assignment: Assignment) -> str:
    drop = assignment.accuracy_drop
    value, low, high = (0.0 - 100 * bound for bound in (drop.value, drop.high, drop.low))
    return f"{value:+.2f} points (95 % interval {low:+.2f} to {high:+.2f})"


def _price(taken: Assignment, everything: Assignment) -> str:
    """What an assignment costs beside all int8; nothing for all int8 itself."""
    if not taken.float_layers:
        return ""
    more = f"{taken.size_bytes - everything.size_bytes:+,} bytes"
    if not (taken.ratio and everything.ratio):
        return f"; the price beside all int8: {more}"
    return (
        f"; the price beside all int8: {more}, and {taken.ratio.value:.2f} instead of {everything.ratio.value:.2f} "
        "of float32's latency"
    )
