"""ONNX → one HTML file that runs in any browser, from a file and without a network: model, runtime and page."""

from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from edgefashion import environment, web
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset, silent
from edgefashion.environment import require
from edgefashion.records import Format, Parity, Precision
from edgefashion.verify import Limits, ReferenceLogits
from edgefashion.verify.keep import keep_files_if_proven

FORMAT: Format = "web"
SUFFIX = ".html"
EXTRA = "web"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
SOURCES: Mapping[Precision, str] = {"float32": "fp32", "int8": "int8-static"}


def convert(
    source: Artifact,
    data: Dataset,
    *,
    precision: Precision,
    path: Path,
    reference: Artifact | ReferenceLogits | None = None,
    limits: Limits | None = None,
    pictures: bool = True,
    note: Callable[[str], None] = silent,
) -> tuple[Artifact, Parity]:
    """Put an ONNX model into a page; see `formats.Converter.convert`.

    The same model, bundle and version give the same bytes. The page holds no path of this machine. It always holds the
    ten golden pictures, as samples to click and for its self-test.

    Args:
        source: The run's ONNX model of this precision; it is in the page as it is, with its own manifest and seal.
        data: Its test pictures prove, in a headless Chromium.
        precision: That of `source`.
        path: The page.
        reference: What it must decide like; `source` by default.
        limits: Instead of the default limits of the precision.
        pictures: Whether the golden pictures travel in the manifest beside the page.
        note: Is told what takes time.

    Returns:
        The artifact, and the parity that it was kept for.

    Raises:
        NotAvailable: The bundle was never built, or Playwright or a Chromium is not here.
        UsageError: The page would be larger than 7 MB.
        CheckFailed: The page does not agree with the reference; nothing is written.
    """
    require(EXTRA, purpose="exporting to web")
    bundle = web.find_bundle()
    page = web.assemble(source, bundle)
    note(f"running {len(data.test):,} test pictures in a browser")
    manifest = msgspec.structs.replace(
        source.manifest,
        variant=path.stem,
        format=FORMAT,
        precision=precision,
        opset=None,
        versions=environment.versions()
        | {"onnxruntime-web": bundle.header.version, "onnxruntime-web.sha256": bundle.header.unpacked_sha256},
    )
    return keep_files_if_proven(
        {path.name: page},
        manifest,
        path,
        data,
        reference=reference or source,
        limits=limits,
        pictures=pictures,
    )
