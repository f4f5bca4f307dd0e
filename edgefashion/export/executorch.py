"""Checkpoint → ExecuTorch's .pte, through torch.export, with XNNPACK for all operators that it has.

float32, or 8 bits by the quantizer that ExecuTorch has for XNNPACK: static, weights symmetric per channel, activations
asymmetric per tensor, batch-norm folded into convolutions. The normalization stays float32, because the quantizer
would round its factor to a multiple of 2^-12, and pictures would come out 1 % too dark.

Source: the tutorial "PyTorch 2 Export Post Training Quantization" of torchao.
"""

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgefashion import environment
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset, Images
from edgefashion.export.formats import Converted
from edgefashion.models import Classifier
from edgefashion.models.checkpoint import load_model
from edgefashion.quantize import calibration_images
from edgefashion.quantize.static import Config
from edgefashion.records import Format, Precision, Quantization

FORMAT: Format = "executorch"
SUFFIX = ".pte"
EXTRA = "executorch"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

# Pictures that the program's memory is planned for; longer batches take several calls. Also those of the example:
# below 16, torch would choose the convolutions of small batches, and allow no others.
MAX_BATCH = 64
_CALIBRATION_BATCH = 50


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Convert a checkpoint to a program: uint8[N, H, W] in, logits float32[N, classes] out, N up to `MAX_BATCH`.

    See `formats.Converter.convert`.

    Raises:
        BadInput: The source is no checkpoint.
        UsageError: There are too few training pictures to calibrate with.
    """
    model = load_model(source).eval()
    quantization = None
    with _quiet():
        if precision == "int8":
            calibration = calibration_images(data, Config.calibration_images, Config.calibration_seed)
            note(f"executorch: calibrating with {len(calibration):,} training pictures")
            model = _quantized(model, calibration)
            quantization = _recorded(calibration)
        note("executorch: lowering to XNNPACK takes some seconds")
        program = _lowered(model, _example(source))
    return Converted({path.name: program}, quantization, environment.versions_of("executorch", "torchao"))


def _example(source: Artifact) -> torch.Tensor:
    height, width = (int(size) for size in source.manifest.input.shape[1:])
    return torch.zeros(MAX_BATCH, height, width, dtype=torch.uint8)


def _exported(model: nn.Module, example: torch.Tensor) -> Any:
    batch = torch.export.Dim("batch", min=1, max=MAX_BATCH)
    with torch.no_grad():
        return torch.export.export(model, (example,), dynamic_shapes=({0: batch},))


def _quantized(model: Classifier, calibration: Images) -> Classifier:
    """`model` with its network in 8 bits and its normalization as it was."""
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    network, model.network = model.network, nn.Identity()
    pixels = model(torch.tensor(calibration.pixels))
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config(is_per_channel=True))
    observed = prepare_pt2e(_exported(network, pixels[:MAX_BATCH]).module(), quantizer)
    with torch.no_grad():
        for batch in pixels.split(_CALIBRATION_BATCH):
            observed(batch)
    model.network = convert_pt2e(observed)
    return model


def _recorded(calibration: Images) -> Quantization:
    return Quantization(
        scheme="pt2e",
        settings={
            "quantizer": "XNNPACKQuantizer",
            "method": "histogram",
            "activations": "int8",
            "weights": "int8",
            "per_channel": True,
            "calibration_images": Config.calibration_images,
            "calibration_seed": Config.calibration_seed,
        },
        calibration_images=len(calibration),
        calibration_sha256=calibration.sha256,
    )


def _lowered(model: nn.Module, example: torch.Tensor) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import ExecutorchBackendConfig, to_edge_transform_and_lower
    from executorch.exir.passes import MemoryPlanningPass

    edge = to_edge_transform_and_lower(_exported(model, example), partitioner=[XnnpackPartitioner()])
    # The input stays where the caller has it: the session writes pictures there and runs, again and again.
    planning = MemoryPlanningPass(alloc_graph_input=False)
    return bytes(edge.to_executorch(ExecutorchBackendConfig(memory_planning_pass=planning)).buffer)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep back what the libraries say about their own deprecations and about GPUs that are not here."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
