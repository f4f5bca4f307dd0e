"""Checkpoint → .tflite for LiteRT and TFLite Micro, in float32 and in int8: litert-torch and ai-edge-quantizer.

The int8 form is quantized like `quantize.static`: 8 bits, weights per output channel, ranges from lowest to highest of
what the same training pictures give. The last layer stays float32, so that no two logits tie: rounded to 256 levels, 11
to 20 of 10,000 pictures do. ai-edge-quantizer's usual ranges are moving averages, which clip; hence `min_max_update`.
"""

import contextlib
import io
import re
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgefashion import environment
from edgefashion.artifact import Artifact, from_content
from edgefashion.data import Dataset
from edgefashion.errors import CheckFailed
from edgefashion.export.formats import Converted
from edgefashion.export.litert_graph import finished
from edgefashion.models.checkpoint import load_model
from edgefashion.quantize import calibration_images, static
from edgefashion.records import Format, Precision, Quantization
from edgefashion.runtimes import Pixels, default_spec, open_session, run_all
from edgefashion.runtimes.native_stderr import native_stderr

FORMAT: Format = "tflite"
SUFFIX = ".tflite"
EXTRA = "litert-export"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")

_PACKAGES = ("litert-torch", "litert-converter", "ai-edge-quantizer", "ai-edge-litert")
_SETTINGS = static.Config(activations="int8")
_BATCH = 3
_BATCH_TOLERANCE = 1e-3  # of the largest logit: kernels for several pictures may add in another order


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Convert a checkpoint to one .tflite file: uint8[batch, H, W] in, logits float32[batch, classes] out.

    See `formats.Converter.convert`.

    Raises:
        BadInput: The source is no checkpoint.
        UsageError: There are too few training pictures to calibrate with.
    """
    note("converting the network for LiteRT")
    content = _converted(source.content, source.path)
    quantization = None
    if precision == "int8":
        calibration = calibration_images(data, _SETTINGS.calibration_images, _SETTINGS.calibration_seed)
        note(f"calibrating on {len(calibration):,} training pictures")
        content = _quantized(content, calibration.pixels)
        quantization = Quantization(
            scheme="static",
            settings={
                "method": _SETTINGS.method,
                "activations": _SETTINGS.activations,
                "weights": _SETTINGS.weights,
                "per_channel": _SETTINGS.per_channel,
                "last_layer": "float32",
            },
            calibration_images=len(calibration),
            calibration_sha256=calibration.sha256,
        )
    described = source.manifest
    files = {path.name: finished(content, input_name=described.input.name, output_name=described.output.name)}
    return Converted(files, quantization, environment.versions_of(*_PACKAGES))


@lru_cache(maxsize=1)
def _converted(content: bytes, path: Path) -> bytes:
    """The network of a checkpoint in float32 for one picture; both forms start from it, and it takes seconds."""
    checkpoint = from_content(content, path)
    model = load_model(checkpoint).eval()
    height, width = (int(size) for size in checkpoint.manifest.input.shape[1:])
    with _quiet():
        import litert_torch

        converted = litert_torch.convert(model, (torch.zeros(1, height, width, dtype=torch.uint8),))
        return bytes(converted.model_content())


def _quantized(content: bytes, pixels: Pixels) -> bytes:
    """An int8 form of a float32 model for one picture, its ranges from `pixels` uint8[N, H, W]."""
    with _quiet():
        from ai_edge_litert.interpreter import Interpreter
        from ai_edge_quantizer.calibrator import Calibrator
        from ai_edge_quantizer.quantizer import Quantizer
        from ai_edge_quantizer.utils.qsv_utils import min_max_update

        interpreter = Interpreter(model_content=content)
        ((name, signature),) = interpreter.get_signature_list().items()
        (taken,) = signature["inputs"]
        recipe = _recipe(interpreter.get_output_details()[0]["name"])
        calibrator = Calibrator(content, num_threads=1, qsv_update_func=min_max_update)
        calibrator.calibrate({name: [{taken: picture} for picture in pixels[:, np.newaxis]]}, recipe)
        quantizer = Quantizer(content, recipe.get_quantization_recipe())
        return bytes(quantizer.quantize(calibrator.get_model_qsvs()).quantized_model)


def _recipe(output: str) -> Any:
    """What ai-edge-quantizer calls static_wi8_ai8, but for the operator that computes the tensor `output`."""
    from ai_edge_quantizer.algorithm_manager import AlgorithmName
    from ai_edge_quantizer.qtyping import TFLOperationName
    from ai_edge_quantizer.recipe_manager import RecipeManager

    recipe = RecipeManager()
    everything = TFLOperationName.ALL_SUPPORTED
    recipe.add_static_config(".*", everything, activation_num_bits=8, weight_num_bits=8)
    recipe.add_quantization_config(re.escape(output), everything, algorithm_key=AlgorithmName.NO_QUANTIZE)
    return recipe


def check(draft: Artifact, source: Artifact, data: Dataset, note: Callable[[str], None]) -> None:
    """Return silently if several pictures at once are answered like each alone: the file's batch was opened here.

    Raises:
        CheckFailed: They are not.
    """
    del source, note
    pixels = data.test.pixels[:_BATCH]
    with open_session(draft, default_spec(draft)) as session:
        together: NDArray[Any] = session.run(pixels)
        alone = run_all(session, pixels)
    tolerance = _BATCH_TOLERANCE * float(np.abs(alone).max())
    if together.shape != alone.shape or not np.allclose(together, alone, rtol=0, atol=tolerance):
        raise CheckFailed(f"{draft.path} was not kept: it answers {len(pixels)} pictures at once otherwise than singly")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep the progress that the converter prints on stdout, stderr and as warnings from the terminal."""
    with (
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
        native_stderr(),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        yield
