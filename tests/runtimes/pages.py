"""Pages with released models, for tests that open them in a real browser.

These need Playwright, a Chromium, and the bundle that `python -m edgefashion.web.build` makes; with `--dev` that also
brings axe-core, for the test of accessibility.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgefashion import web
from edgefashion.artifact import Artifact, from_files, open_artifact
from edgefashion.environment import installed
from edgefashion.errors import NotAvailable
from edgefashion.runtimes import chromium
from edgefashion.web.bundle import BUILD_COMMAND

RUN = Path(__file__).parents[2] / "exported" / "edge"


def _why_not() -> str:
    if installed("playwright") is None:
        return "playwright is not installed"
    try:
        chromium.find_browser()
    except NotAvailable as error:
        return str(error)
    return "" if web.bundle_path().is_file() else f"{web.bundle_path()} was not built: {BUILD_COMMAND}"


needs_browser = pytest.mark.skipif(bool(_why_not()), reason=_why_not())


def page_of(name: str, folder: Path) -> Artifact:
    """The page of one of the released ONNX models, unproven and not written."""
    source = open_artifact(RUN / f"{name}.onnx")
    path = folder / f"web-{name}.html"
    manifest = msgspec.structs.replace(source.manifest, variant=path.stem, format="web")
    return from_files(path, {path.name: web.assemble(source, web.find_bundle())}, manifest)


@contextmanager
def browsing(page: Artifact, *, switches: Sequence[str] = (), **settings: Any) -> Iterator[Any]:
    """The page as a person opens it, in a browser of its own that is offline."""
    with chromium.driver() as driver:
        browser = driver.chromium.launch(
            executable_path=chromium.find_browser(), chromium_sandbox=os.geteuid() != 0, args=list(switches)
        )
        context = browser.new_context(offline=True, **settings)
        opened = context.new_page()
        opened.requests, opened.complaints = [], []
        opened.on("request", lambda request: opened.requests.append(request.url))
        opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
        opened.goto(page.path.as_uri())
        opened.locator("body.ready, body.broken").wait_for(timeout=120_000)
        try:
            yield opened
        finally:
            browser.close()
