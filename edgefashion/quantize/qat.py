"""Quantization-aware training: the static scheme's graph, its weights fine-tuned behind their own rounding.

Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
section 3. What is taught is the float32 model's answers, so that the result is still the same model. Labels would make
it another one: with half of the loss theirs, the seed network became more accurate and changed five times as many
decisions on validation pictures.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Any, ClassVar

from edgefashion.data import Dataset, silent
from edgefashion.environment import usable_cpus
from edgefashion.errors import CheckFailed, UsageError
from edgefashion.quantize import calibration_images, qoperator, static
from edgefashion.quantize.pooling import means_as_pooling
from edgefashion.quantize.settings import setting


@dataclass(frozen=True)
class Config(static.Config):
    """Settings of quantization-aware training, those of the static scheme it starts from included.

    Attributes:
        epochs: How often every training picture is seen.
        learning_rate: Adam's, at the start; it falls to zero along a cosine.
        batch_size: Pictures a step.
        label_weight: Share of the loss that the labels have, from 0 to 1; the float32 model's answers have the rest.
        seed: Decides the order of the pictures.
        threads: torch's threads: sums depend on how they are divided.
        operators: Whether the graph names integer operators, as that of `qoperator` does, which C is written from.

    Raises:
        UsageError: The settings contradict each other, or lie outside of what makes sense.
    """

    base: ClassVar[str] = "int8-qat"

    epochs: int = setting(1, word="{}-epochs")
    learning_rate: float = setting(1e-4, word="rate-{}")
    batch_size: int = setting(256, word="batch-{}")
    label_weight: float = setting(0.0, word="labels-{}")
    seed: int = setting(0, word="training-seed-{}")
    threads: int = setting(1, word="{}-threads")
    operators: bool = setting(False, word="operators")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.operators:
            qoperator.check(self)
        if min(self.epochs, self.batch_size, self.threads) < 1 or self.seed < 0:
            raise UsageError("training needs at least one epoch, picture and thread, and a seed that is not negative")
        cores = len(usable_cpus())
        if self.seed >= 2**63 or self.threads > cores:
            raise UsageError(f"expected a seed below 2^63 and as many threads as there are usable cores: {cores}")
        if not (0 < self.learning_rate < inf and 0 <= self.label_weight <= 1):
            raise UsageError("expected a learning_rate above 0 and a label_weight from 0 to 1")


def fine_tune(model: Any, config: Config, data: Dataset, note: Callable[[str], None] = silent) -> Any:
    """Quantize an onnx.ModelProto and train what was rounded.

    Args:
        model: A float32 classifier; it stays as it is.
        config: How.
        data: Training pictures calibrate and teach, validation pictures choose the epoch; test pictures are not
            looked at.
        note: Is told what each epoch came to.

    Returns:
        The graph of the static scheme, or of `qoperator`, with other weights. Same model, settings and data, same
        bytes.

    Raises:
        CheckFailed: The graph has no place for what was trained.
    """
    from edgefashion.models.fake_quantized import FakeQuantized
    from edgefashion.models.from_onnx import OnnxModule
    from edgefashion.train.distill import distill
    from edgefashion.train.loop import deterministic

    pixels = calibration_images(data, config.calibration_images, config.calibration_seed).pixels
    quantized = static.apply(means_as_pooling(model) if config.operators else model, config, pixels)
    student = FakeQuantized(quantized)
    with deterministic(config.threads):
        distill(
            student,
            OnnxModule(model),
            data,
            epochs=config.epochs,
            learning_rate=config.learning_rate,
            batch_size=config.batch_size,
            label_weight=config.label_weight,
            seed=config.seed,
            note=note,
        )
    # Both forms round by the same ranges and name what they round alike.
    final = qoperator.apply(model, config, pixels) if config.operators else quantized
    return _with_levels(final, student.levels())


def _with_levels(model: Any, levels: dict[str, Any]) -> Any:
    """An onnx.ModelProto with other values in the initializers that `levels` names.

    Raises:
        CheckFailed: It has no initializer of one of the names, and that layer would stay untrained.
    """
    import onnx

    lost = levels.keys() - {initializer.name for initializer in model.graph.initializer}
    if lost:
        raise CheckFailed(
            f"onnxruntime's two forms of this model call its weights otherwise ({', '.join(sorted(lost))}): "
            "what was trained has no place in it; leave operators=true out"
        )
    result = onnx.ModelProto()
    result.CopyFrom(model)
    for initializer in result.graph.initializer:
        if initializer.name in levels:
            initializer.CopyFrom(onnx.numpy_helper.from_array(levels[initializer.name], initializer.name))
    return result
