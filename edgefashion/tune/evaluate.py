"""What a recipe is worth: its network's costs before it is trained, and its int8 model's accuracy afterwards."""

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgefashion import export, quantize, tensors, train
from edgefashion.artifact import Artifact, from_content, stamp_checkpoint
from edgefashion.bench import Request, measure
from edgefashion.data import Dataset
from edgefashion.errors import CheckFailed
from edgefashion.files import atomic_write
from edgefashion.quantize import static
from edgefashion.records import Interval, NoiseLevel, Parity, Recipe
from edgefashion.records.tuning import CostLimits, Costs, Worth
from edgefashion.tune.pruning import beyond
from edgefashion.tune.turns import measuring, working
from edgefashion.verify import Limits

# Accuracy is what is searched for: an int8 model is judged by its own, and not held to the decisions of float32.
_ANY = Limits(min_agreement=0.0)
# Enough to show that an export computes at all, and to let batch-norm see more than one picture.
_FEW = 32
# Of random weights: about as far as trained ones go.
_REACH = 0.1


@dataclass(frozen=True)
class Workbench:
    """The real thing: torch, the exporter, the quantizer and the bench.

    Attributes:
        data: Pictures to choose by: validation pictures stand in the test pictures' place.
        seed: Of every training.
        threads: torch's threads; all usable cores where it is None.
        measure_s: Seconds for measuring a network's latency; 0 measures none.
        pictures: Whether the golden pictures travel inside the int8 file.
    """

    data: Dataset
    seed: int
    threads: int | None
    measure_s: float
    pictures: bool = True

    def costs(self, recipe: Recipe, limits: CostLimits) -> Costs:
        """What the network of `recipe` costs in int8, before it is worth anything; no latency if it is too large.

        It is trained for one step, and then given random weights: as trained ones they differ from layer to layer, and
        no values of theirs change what is computed, nor how large the file is, but for digits in its manifest.

        Raises:
            CheckFailed: Its latency could not be measured.
        """
        few = self.data.train.take(np.arange(min(_FEW, len(self.data.train))))
        one_step = dataclasses.replace(self.data, train=few, validation=few, test=few)
        once = msgspec.structs.replace(recipe, epochs=1, batch_size=_FEW)
        with tempfile.TemporaryDirectory(prefix="edgefashion-tune-") as folder:
            with working():
                checkpoint = train.fit(once, one_step, out=Path(folder) / "run", seed=self.seed, threads=self.threads)
                calibrated = dataclasses.replace(one_step, train=self.data.train)
                int8, _ = self._to_int8(_with_random_weights(checkpoint), calibrated)
            size = Costs(size_bytes=len(int8.content))
            if not self.measure_s or beyond(size, limits):
                return size
            latency, noise = measure_latency(int8, one_step, budget_s=self.measure_s)
        return msgspec.structs.replace(size, latency=latency, noise=noise)

    def worth(self, recipe: Recipe, progress: train.Progress) -> Worth:
        """Train `recipe`, and judge its int8 model.

        Raises:
            CheckFailed: The loss diverged.
        """
        with tempfile.TemporaryDirectory(prefix="edgefashion-tune-") as folder:
            out = Path(folder) / "run"
            checkpoint = train.fit(recipe, self.data, out=out, seed=self.seed, threads=self.threads, progress=progress)
            with working():
                int8, parity = self._to_int8(checkpoint, self.data)
        if parity.quality is None:
            raise RuntimeError("the int8 model was judged by no pictures")
        images = parity.quality.images
        return Worth(right=round(parity.quality.accuracy * images), images=images, size_bytes=len(int8.content))

    def _to_int8(self, checkpoint: Artifact, data: Dataset) -> tuple[Artifact, Parity]:
        """The static int8 model of a checkpoint, and what it does on the test pictures of `data`."""
        few = dataclasses.replace(data, test=data.test.take(np.arange(min(_FEW, len(data.test)))))
        fp32, _ = export.to_onnx(checkpoint, few, limits=_ANY, pictures=self.pictures)
        config = static.Config(calibration_images=min(static.Config.calibration_images, len(data.train)))
        return quantize.apply(fp32, "static", data, config=config, limits=_ANY)


def _with_random_weights(checkpoint: Artifact) -> Artifact:
    """The same network, no two layers of which are equal: files keep one copy of what is.

    Layers of the same shape begin with the same weights, and hardly depart from them in one step.
    """
    random = np.random.default_rng(0)
    arrays = tensors.arrays(checkpoint.content, checkpoint.path)
    for name, array in arrays.items():
        if array.ndim > 1:
            arrays[name] = random.uniform(-_REACH, _REACH, array.shape).astype(np.float32)
        elif array.ndim == 1:
            # Upwards, as variances are positive.
            arrays[name] = array.astype(np.float32) + random.uniform(0, _REACH, array.shape).astype(np.float32)
    content = stamp_checkpoint(arrays, checkpoint.manifest)
    return from_content(content, atomic_write(checkpoint.path, content))


def measure_latency(model: Artifact, data: Dataset, *, budget_s: float) -> tuple[Interval, NoiseLevel]:
    """Median seconds of one call of one picture in ONNX Runtime, and how noisy the machine was meanwhile.

    Workers on this machine wait for each other: nothing of this search runs beside the measurement.

    Args:
        model: An ONNX artifact.
        data: Its test pictures are what is timed, and what the model's answers are checked on.
        budget_s: Seconds that it may take; two launches are made in any case, as there is no interval without.

    Raises:
        CheckFailed: It could not be measured.
    """
    request = Request([model], runtimes=["onnxruntime"], overhead_cells=False, budget_s=budget_s)
    with measuring():
        report = measure(request, data)
    results = {each.cell: each for each in report.results}
    found = results.get(report.plan.reference)
    if found is None or found.latency.median_s is None:
        reasons = "; ".join(each.reason for each in report.failures)
        raise CheckFailed(f"its latency could not be measured: {reasons or 'too few launches'}")
    return found.latency.median_s, report.noise.level
