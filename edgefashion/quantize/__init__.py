"""Quantize an artifact: a scheme is one file with a frozen config and `apply`, and one line in the registry.

    int8, parity = quantize.apply(fp32, "static", split)

A scheme's module offers `apply(model, config, pixels) -> onnx.ModelProto`, or `fine_tune(model, config, data, note)`
if it trains, and `Config`, a frozen dataclass. Its fields are the scheme's settings; `variant`, `precision`,
`calibration_images` and `calibration_seed` say what the result is called and what it needs.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset, Images, silent
from edgefashion.environment import require
from edgefashion.errors import UsageError
from edgefashion.quantize.compact import compact
from edgefashion.quantize.settings import recorded
from edgefashion.records import Parity, Quantization
from edgefashion.registry import Registry
from edgefashion.verify import Limits, ReferenceLogits
from edgefashion.verify.keep import keep_if_proven

SCHEMES = Registry(
    kind="quantization scheme",
    group="edgefashion.schemes",
    built_in={
        "dynamic": "edgefashion.quantize.dynamic",
        "static": "edgefashion.quantize.static",
        "float16": "edgefashion.quantize.float16",
        "weight-only": "edgefashion.quantize.weight_only",
        "mixed": "edgefashion.quantize.mixed",
        "qoperator": "edgefashion.quantize.qoperator",
        "qat": "edgefashion.quantize.qat",
    },
)


def apply(
    artifact: Artifact,
    scheme: str,
    data: Dataset,
    *,
    config: Any = None,
    out: Path | None = None,
    reference: Artifact | ReferenceLogits | None = None,
    limits: Limits | None = None,
    pictures: bool | None = None,
    note: Callable[[str], None] = silent,
) -> tuple[Artifact, Parity]:
    """A new, quantized artifact; the one given stays as it is. Same artifact and settings, same bytes.

    Args:
        artifact: A float32 ONNX artifact.
        scheme: A name in `SCHEMES`, or one that another package adds.
        data: Training pictures calibrate and teach, test pictures prove.
        config: The scheme's `Config`, for other than its default settings.
        out: The file; named after the variant, beside the artifact, by default.
        reference: What decisions are compared with; `artifact` by default.
        limits: Instead of the default limits of the new precision.
        pictures: Whether the golden pictures travel inside the file; as in `artifact` by default.
        note: Is told how a scheme that trains gets on.

    Returns:
        The quantized artifact, and the parity that it was kept for.

    Raises:
        CheckFailed: It does not agree with the reference within the limits; nothing is written.
        UsageError: The scheme is unknown, or the artifact is not float32 ONNX.
    """
    module = SCHEMES.load(scheme)
    require("train", purpose="quantizing")
    import onnx

    if artifact.manifest.format != "onnx" or artifact.manifest.precision != "float32":
        raise UsageError(f"{artifact.path} is {artifact.manifest.precision}: quantize a float32 ONNX artifact")
    config = config or module.Config()
    calibration = calibration_images(data, config.calibration_images, config.calibration_seed)
    model = onnx.load_model_from_string(artifact.content)
    del model.metadata_props[:]
    if hasattr(module, "fine_tune"):
        model = module.fine_tune(model, config, data, note)
    else:
        model = module.apply(model, config, calibration.pixels)
    model = compact(model)
    onnx.checker.check_model(model, full_check=True)
    manifest = msgspec.structs.replace(
        artifact.manifest,
        variant=config.variant,
        precision=config.precision,
        quantization=Quantization(
            scheme=scheme,
            settings=recorded(config),
            calibration_images=len(calibration),
            calibration_sha256=calibration.sha256 if len(calibration) else None,
        ),
    )
    path = out or artifact.path.parent / f"{config.variant}.onnx"
    if pictures is None:
        golden = artifact.manifest.golden
        pictures = golden is None or golden.has_pictures
    return keep_if_proven(
        model, manifest, path, data, reference=reference or artifact, limits=limits, pictures=pictures
    )


def calibration_images(data: Dataset, count: int, seed: int) -> Images:
    """`count` training pictures drawn without replacement; never validation or test pictures.

    Raises:
        UsageError: There are fewer training pictures than that.
    """
    if count > len(data.train):
        raise UsageError(f"{count} calibration pictures were asked for: there are {len(data.train)} training pictures")
    return data.train.take(np.random.default_rng(seed).permutation(len(data.train))[:count])
