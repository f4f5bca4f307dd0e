"""The files that lie beside the model's code: header, golden pictures, self-test, example, Makefile, README."""

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from edgefashion.artifact import Artifact
from edgefashion.data import golden_images
from edgefashion.runtimes import default_spec, in_words, open_session, run_all
from edgefashion.verify import default_limits

_TEMPLATES = Path(__file__).parent / "templates"
_PLACE = re.compile(r"@([A-Z_]+)@")
_NUMBERS_A_LINE = 28
_FLOAT32_ULP = float(np.finfo(np.float32).eps)


def files_beside(source: Artifact, *, generator: str) -> dict[str, str]:
    """Every template by name, filled in with what `source` is and answers to the golden pictures.

    Args:
        source: The ONNX model that the code is made from.
        generator: What made the code, and its version.
    """
    values = _about(source) | _golden(source) | {"GENERATOR": generator}
    return {
        path.name: _PLACE.sub(lambda found: values[found[1]], path.read_text(encoding="utf-8"))
        for path in sorted(_TEMPLATES.iterdir())
    }


def _about(source: Artifact) -> dict[str, str]:
    manifest = source.manifest
    height, width = manifest.input.shape[1:]
    is_integer = manifest.precision == "int8"
    return {
        "NAME": _plain(manifest.name),
        "PRECISION": manifest.precision,
        "PARAMETERS": f"{manifest.parameters:,}",
        "HEIGHT": str(height),
        "WIDTH": str(width),
        "CLASSES": str(len(manifest.labels)),
        "LABELS": ", ".join(map(c_string, manifest.labels)),
        "SOURCE": _plain(source.path.name),
        "PROMISE": "every bit of the logits must be that of ONNX Runtime."
        if is_integer
        else "logits may differ from ONNX Runtime's only by the order of sums, and no decision may.",
    }


def _golden(source: Artifact) -> dict[str, str]:
    _, golden = golden_images()
    spec = default_spec(source)
    with open_session(source, spec) as session:
        logits = run_all(session, golden.pixels)
    limits = default_limits(source.manifest.precision, len(golden), golden=True)
    is_integer = source.manifest.precision == "int8"
    tolerance = 0.0 if is_integer else (limits.max_error_ulps or 0.0) * _FLOAT32_ULP * float(np.abs(logits).max())
    return {
        "RUNTIME": in_words(spec),
        "COUNT": str(len(golden)),
        "TOLERANCE": c_float(np.float32(tolerance)),
        "PICTURES": _table(map(str, picture.ravel()) for picture in golden.pixels),
        "LOGITS": _table(map(c_float, row) for row in logits),
    }


def c_string(text: str) -> str:
    """A string literal of C with nothing but plain ASCII in it."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?' else f"\\{byte:03o}"  # noqa: PLR2004 - printable ASCII
        for byte in text.encode()
    )
    return f'"{plain}"'


def c_float(value: np.float32) -> str:
    """A float literal of C that gives exactly this value, in the fewest digits."""
    return f"{value!s}f"


def _table(rows: Iterable[Iterable[str]]) -> str:
    return "\n".join(f"    {{\n{_lines(list(row))}\n    }}," for row in rows)


def _lines(numbers: list[str]) -> str:
    starts = range(0, len(numbers), _NUMBERS_A_LINE)
    return "\n".join(f"        {', '.join(numbers[start : start + _NUMBERS_A_LINE])}," for start in starts)


def _plain(text: str) -> str:
    """Text that ends no comment and starts no Markdown."""
    return re.sub(r"[^\w .+-]", "_", text)
