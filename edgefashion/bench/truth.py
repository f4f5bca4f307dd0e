"""What each model answers before anything is timed: quality on all pictures, outputs that workers are held to."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.bench.inputs import draw_pictures
from edgefashion.bench.request import Subject
from edgefashion.data import Dataset
from edgefashion.errors import UsageError
from edgefashion.records import Cell, Plan, Quality
from edgefashion.runtimes import Logits, Pixels, open_session, run_all
from edgefashion.verify.quality import measure_quality

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
    plan: Plan, models: Mapping[str, Subject], data: Dataset | None, *, evaluating: Callable[[str], None]
) -> dict[Key, Truth]:
    """Run every artifact once; models that say nothing about themselves have no truth.

    Args:
        plan: Its cells name artifacts, sessions and batch sizes.
        models: By digest.
        data: Its test pictures are classified.
        evaluating: Is told the label of each cell before it is run.

    Raises:
        NotAvailable: A provider is absent, or did not get every node.
        UsageError: There are artifacts, and no pictures to judge them by.
    """
    truths: dict[Key, Truth] = {}
    for cell in plan.cells:
        model = models[cell.artifact.sha256]
        if not isinstance(model, Artifact) or key(cell) in truths:
            continue
        if data is None:
            raise UsageError(f"{model.path} classifies pictures: give the data set that it is judged by")
        evaluating(cell.label)
        batches = {each.batch for each in plan.cells if key(each) == key(cell)}
        inputs = {batch: draw_pictures(data, batch=batch, seed=plan.seed) for batch in batches}
        with open_session(model, cell.session) as session:
            logits = run_all(session, data.test.pixels)
            # Run as they will be timed: a dynamically quantized model's answer to a picture depends on
            # the other pictures of its batch.
            outputs = {batch: np.stack([session.run(each) for each in drawn]) for batch, drawn in inputs.items()}
        truths[key(cell)] = Truth(
            quality=measure_quality(logits, data.test.labels, data.labels),
            decisions=logits.argmax(axis=1).astype(np.uint8),
            inputs=inputs,
            outputs=outputs,
        )
    return truths


def key(cell: Cell) -> Key:
    """What a model's answers depend on: the model, its runtime, its provider and that one's options."""
    session = cell.session
    return cell.artifact.sha256, session.runtime, session.provider, tuple(sorted(session.options.items()))
