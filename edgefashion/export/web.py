"""ONNX → one HTML file that runs in any browser, from a file and without a network: model, runtime and page."""

from collections.abc import Callable, Mapping
from pathlib import Path

from edgefashion import web
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.export.formats import Converted
from edgefashion.records import Format, Precision

FORMAT: Format = "web"
SUFFIX = ".html"
EXTRA = "web"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
SOURCES: Mapping[Precision, str] = {"float32": "fp32", "int8": "int8-static"}


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Put an ONNX model into a page; see `formats.Converter.convert`.

    The model is in the page as it is, with its own manifest and seal. The page always holds the ten golden pictures, as
    samples to click and for its self-test.

    Raises:
        NotAvailable: The bundle was never built.
        UsageError: The page would be larger than 7 MB.
    """
    del data, precision, note  # nothing to calibrate, the source's precision, and over in a moment
    bundle = web.find_bundle()
    page = web.assemble(source, bundle)
    versions = {"onnxruntime-web": bundle.header.version, "onnxruntime-web.sha256": bundle.header.unpacked_sha256}
    return Converted({path.name: page}, versions=versions)
