"""One HTML file out of the page's sources, a model and the bundle.

The page's modules are put one after the other into one script: what a module imports comes before it. The content
security policy names that script and the style by their digests, and forbids every request: nothing but this file is
ever loaded, and nothing leaves it.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import golden_images
from edgefashion.errors import BadInput, UsageError
from edgefashion.files import sha256
from edgefashion.records import Golden, Manifest
from edgefashion.web.bundle import Bundle

MAX_PAGE_BYTES = 7_000_000

_SOURCES = Path(__file__).parent / "page"
# What a module imports stands before it.
MODULES = (
    "lzma",
    "bytes",
    "softmax",
    "picture",
    "engine",
    "selftest",
    "api",
    "answer",
    "easel",
    "camera",
    "benchmark",
    "proof",
    "main",
)
_IMPORT = re.compile(r"^import .*?;\n", re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const) )", re.MULTILINE)
_PLACE = re.compile(r"\{\{(\w+)\}\}")

# How far a golden logit may be off, as a share of the largest: sums are made in another order, and in int8 a rounding
# may fall the other way in some layer.
_TOLERANCE = {"float32": 1e-4, "int8": 0.1}


def assemble(model: Artifact, bundle: Bundle) -> bytes:
    """The page of an ONNX model; the same model and bundle give the same bytes.

    Raises:
        UsageError: The page would be larger than `MAX_PAGE_BYTES`.
        BadInput: The model carries no golden outputs, which its self-test needs.
    """
    manifest = model.manifest
    if manifest.golden is None:
        raise BadInput(f"{model.path} carries no golden outputs: export it again")
    style, script = (_SOURCES / "style.css").read_text(), _script()
    about = _about(model, manifest.golden, bundle)
    page = _filled(
        (_SOURCES / "index.html").read_text(),
        {
            "name": escape(manifest.name),
            "variant": escape(manifest.variant),
            "parameters": f"{manifest.parameters:,}",
            "facts": escape(_facts(model, bundle)),
            "runtime": bundle.header.version,
            "policy": _policy(style, script),
            "style": style,
            "script": script,
            "about": _inert(msgspec.json.encode(about).decode()),
            "model": base64.b64encode(model.content).decode(),
            "packed": base64.b64encode(bundle.packed).decode(),
        },
    ).encode()
    if len(page) > MAX_PAGE_BYTES:
        raise UsageError(
            f"the page of {model.path.name} would have {len(page):,} bytes, more than {MAX_PAGE_BYTES:,}: "
            "the model is too large for one page"
        )
    return page


def _about(model: Artifact, golden: Golden, bundle: Bundle) -> dict[str, Any]:
    """What the script has to know, besides the model and the runtime themselves."""
    manifest = model.manifest
    indices, sample = golden_images()
    pixels = golden.pictures(model.path) if golden.has_pictures else sample.pixels
    labels = golden.labels if golden.has_pictures else sample.labels.tolist()
    if not golden.has_pictures:
        if golden.indices != indices:
            raise BadInput(f"{model.path} answered to other golden pictures than the bundled sample's: export it again")
        golden.check_sample(sha256(sample.pixels.tobytes() + sample.labels.tobytes()), model.path)
    largest = float(np.abs(golden.logits).max())
    return {
        "name": manifest.name,
        "variant": manifest.variant,
        "labels": manifest.labels,
        "side": int(manifest.input.shape[1]),
        "runtime": bundle.header.version,
        "parts": bundle.header.parts,
        "modelSha256": model.sha256,
        "packedSha256": bundle.header.packed_sha256,
        "golden": {
            "pixels": base64.b64encode(pixels.tobytes()).decode(),
            "labels": labels,
            "logits": golden.logits,
            "tolerance": _TOLERANCE[manifest.precision] * largest,
        },
    }


def _facts(model: Artifact, bundle: Bundle) -> str:
    manifest: Manifest = model.manifest
    accuracy = (
        f" {manifest.expected.accuracy:.2%} of {manifest.expected.images:,} test pictures right."
        if manifest.expected
        else ""
    )
    return (
        f"{manifest.name} {manifest.variant}, trained on {manifest.training_data.name}.{accuracy} "
        f"ONNX Runtime Web {bundle.header.version}. SHA-256 of the model {model.sha256}"
    )


def _script() -> str:
    return "\n".join(_EXPORT.sub("", _IMPORT.sub("", (_SOURCES / f"{name}.js").read_text())) for name in MODULES)


def _policy(style: str, script: str) -> str:
    # blob: is the runtime's script, unpacked; compiling WebAssembly has a word of its own.
    return (
        f"default-src 'none'; script-src {_digest(script)} blob: 'wasm-unsafe-eval'; style-src {_digest(style)}; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _inert(json: str) -> str:
    """JSON that ends no script element, whatever a model is called."""
    return json.replace("<", "\\u003c")


def _filled(template: str, values: Mapping[str, str]) -> str:
    """The template with each {{name}} once replaced; what is put in is not looked at again."""
    return _PLACE.sub(lambda found: values[found[1]], template)
