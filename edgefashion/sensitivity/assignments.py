"""Assignments of layers to int8 or float32: each is a model of its own, quantized and tried."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.quantize import apply, mixed
from edgefashion.records import Assignment
from edgefashion.runtimes import default_spec, open_session, run_all
from edgefashion.stats import PairedDrop
from edgefashion.verify import Limits, ReferenceLogits

# What is only tried need not be proven: whatever it does to the decisions is the result.
_ANY = Limits(min_agreement=0.0)


@dataclass(frozen=True)
class Tried:
    """An assignment, the model that it is, and how well that decides.

    Attributes:
        artifact: The model; the float32 one itself where no layer is int8.
        found: Figures on the validation pictures.
        drop: Right answers lost and gained.
    """

    artifact: Artifact
    found: Assignment
    drop: PairedDrop


@dataclass(frozen=True)
class Trial:
    """What every assignment is tried with.

    Attributes:
        fp32: The float32 model.
        data: With the validation pictures in the test pictures' place.
        reference: The float32 model's logits for them.
        layers: Every layer that can be int8, in the order of execution.
        folder: Where the models are put.
        config: Settings of static quantization; which layers stay float32 is put into it.
        note: Is told what is tried.
    """

    fp32: Artifact
    data: Dataset
    reference: ReferenceLogits
    layers: Sequence[str]
    folder: Path
    config: mixed.Config
    note: Callable[[str], None]

    def run(self, int8_layers: Sequence[str]) -> Tried:
        """Quantize these layers and no others."""
        floats = tuple(layer for layer in self.layers if layer not in int8_layers)
        if not int8_layers:
            return self._judged(self.fp32, floats)
        self.note(f"trying int8 in {', '.join(int8_layers)}")
        out = self.folder / f"{'-'.join(map(str, map(self.layers.index, int8_layers)))}.onnx"
        config = replace(self.config, float_layers=floats)
        artifact, _ = apply(
            self.fp32, "mixed", self.data, config=config, out=out, reference=self.reference, limits=_ANY
        )
        return self._judged(artifact, floats)

    def _judged(self, artifact: Artifact, floats: Sequence[str]) -> Tried:
        with open_session(artifact, default_spec(artifact)) as session:
            logits = run_all(session, self.reference.pixels)
        labels, before = self.reference.labels, self.reference.logits
        is_right, was_right = logits.argmax(1) == labels, before.argmax(1) == labels
        drop = PairedDrop(int(np.sum(was_right & ~is_right)), int(np.sum(is_right & ~was_right)), len(labels))
        found = Assignment(
            float_layers=list(floats),
            int8_layers=[layer for layer in self.layers if layer not in floats],
            size_bytes=len(artifact.content),
            logit_noise=float(np.abs(logits.astype(np.float64) - before).mean()),
            agreement=float(np.mean(logits.argmax(1) == before.argmax(1))),
            accuracy_drop=drop.interval(),
            ratio=None,
        )
        return Tried(artifact, found, drop)


def nested(alone: Sequence[Assignment], layers: Sequence[str]) -> list[list[str]]:
    """int8 layers of each assignment from all to none: the layer that is most damaged alone becomes float32 first."""
    order = [each.int8_layers[0] for each in sorted(alone, key=lambda each: each.logit_noise, reverse=True)]
    return [[layer for layer in layers if layer not in order[:count]] for count in range(len(order) + 1)]


def costs(assignments: Sequence[Assignment]) -> list[float]:
    """What each assignment costs: latency over float32's if all were timed, bytes otherwise."""
    ratios = [each.ratio for each in assignments if each.ratio]
    if len(ratios) == len(assignments):
        return [ratio.value for ratio in ratios]
    return [float(each.size_bytes) for each in assignments]


def front(assignments: Sequence[Assignment]) -> list[bool]:
    """Whether no other assignment has less logit noise at no more cost, or less cost at no more noise.

    Noise and not accuracy, because it is known far better: every picture tells ten figures of it.
    """
    points = list(zip((each.logit_noise for each in assignments), costs(assignments), strict=True))
    return [not any(_dominates(other, point) for other in points) for point in points]


def cheapest(assignments: Sequence[Assignment]) -> int:
    """Index of the assignment to take of those given, the one with most int8 layers first.

    A later one is taken only if its latency is lower for certain, its interval wholly below; where not all were
    timed, if its file is smaller.
    """
    taken = 0
    for index in range(1, len(assignments)):
        if _is_cheaper(index, taken, assignments):
            taken = index
    return taken


def _is_cheaper(one: int, other: int, assignments: Sequence[Assignment]) -> bool:
    mine, its = assignments[one].ratio, assignments[other].ratio
    if mine and its and all(each.ratio for each in assignments):
        return mine.high < its.low
    return assignments[one].size_bytes < assignments[other].size_bytes


def _dominates(one: tuple[float, float], other: tuple[float, float]) -> bool:
    return one != other and all(mine <= its for mine, its in zip(one, other, strict=True))
