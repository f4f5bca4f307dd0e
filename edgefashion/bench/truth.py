"""What each model answers before anything is timed: quality on all pictures, outputs that workers are held to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.bench.inputs import draw_pictures
from edgefashion.bench.plan import cores_for
from edgefashion.bench.process.answers import answer_apart, answer_here
from edgefashion.bench.process.child import Crashed
from edgefashion.bench.request import Subject
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Cell, Failure, Plan, Quality
from edgefashion.runtimes import Logits, Pixels
from edgefashion.verify.quality import measure_quality

USUAL = "onnxruntime"
"""The runtime that every installation has."""

Key = tuple[str, str, str, tuple[tuple[str, str], ...]]


@dataclass(frozen=True)
class Truth:
    """What one artifact answers in one runtime and provider.

    Attributes:
        quality: On all test pictures, one picture a call, as on a device.
        decisions: Top-1 class of each test picture, uint8[pictures].
        inputs: For each batch size, the pictures that will be timed, uint8[inputs, batch, H, W].
        outputs: For each batch size, their logits float32[inputs, batch, classes].
    """

    quality: Quality
    decisions: NDArray[np.uint8]
    inputs: Mapping[int, Pixels]
    outputs: Mapping[int, Logits]


def find_truths(
    plan: Plan,
    models: Mapping[str, Subject],
    data: Dataset | None,
    *,
    pythons: Mapping[str, str],
    evaluating: Callable[[str], None],
) -> tuple[dict[Key, Truth], list[Failure]]:
    """Run every artifact once; models that say nothing about themselves have no truth.

    ONNX Runtime runs here; every other runtime in a process of its own.

    Args:
        plan: Its cells name artifacts, sessions and batch sizes.
        models: By digest.
        data: Its test pictures are classified.
        pythons: The interpreters of runtimes that have one of their own.
        evaluating: Is told the label of each cell before it is run.

    Returns:
        The truths, and the cells of which none was found: their process crashed, or their runtime refuses the model.

    Raises:
        NotAvailable: A provider is absent, or did not get every node.
        BadInput: ONNX Runtime refuses a model.
        UsageError: There are artifacts, and no pictures to judge them by.
    """
    truths: dict[Key, Truth] = {}
    lost: dict[Key, str] = {}
    failures: list[Failure] = []
    for cell in plan.cells:
        model = models[cell.artifact.sha256]
        if not isinstance(model, Artifact):
            continue
        if data is None:
            raise UsageError(f"{model.path} classifies pictures: give the data set that it is judged by")
        if key(cell) not in truths and key(cell) not in lost:
            evaluating(cell.label)
            batches = {each.batch for each in plan.cells if key(each) == key(cell)}
            inputs = {batch: draw_pictures(data, batch=batch, seed=plan.seed) for batch in batches}
            try:
                truths[key(cell)] = _truth(model, cell, data, inputs, python=pythons.get(cell.session.runtime, ""))
            except Crashed as crash:
                lost[key(cell)] = str(crash)
            except BadInput as refusal:
                if cell.session.runtime == USUAL:
                    raise
                # What one runtime cannot read, the others may.
                lost[key(cell)] = str(refusal)
        if key(cell) in lost:
            failures.append(Failure(cell=cell.label, reason=lost[key(cell)]))
    return truths, failures


def _truth(model: Artifact, cell: Cell, data: Dataset, inputs: Mapping[int, Pixels], *, python: str) -> Truth:
    if cell.session.runtime == USUAL and not python:
        found = answer_here(model, cell.session, data.test.pixels, inputs)
    else:
        found = answer_apart(model, cell.session, data.test.pixels, inputs, python=python, cpus=cores_for(cell))
    return Truth(
        quality=measure_quality(found.logits, data.test.labels, data.labels),
        decisions=found.logits.argmax(axis=1).astype(np.uint8),
        inputs=inputs,
        outputs=found.outputs,
    )


def key(cell: Cell) -> Key:
    """What a model's answers depend on: the model, its runtime, its provider and that one's options."""
    session = cell.session
    return cell.artifact.sha256, session.runtime, session.provider, tuple(sorted(session.options.items()))
