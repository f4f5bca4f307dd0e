"""A page of `export --format web` in a headless Chromium: onnxruntime-web, driven from here through Playwright.

What is timed happens inside the page, so a session brings its own clock: one that stands still while a request is on
its way. A browser's clock moves in steps of up to 0.1 ms; calls are therefore collected until the clock is read, and
made in the page between two of its readings.
"""

import base64
import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, chromium, require_provider

PACKAGE = "playwright"
FORMATS = ("web",)
MAX_THREADS = 1
START_S = 4.0
PROVIDERS = {"cpu": "wasm", "webgpu": "webgpu", "webnn": "webnn"}
# A device needs a browser, which it has, and the page, which holds its runtime.
DISTRIBUTIONS: tuple[str, ...] = ()

REMEDY = "pip install 'edgefashion[web]'"

_SHORTEST_SAMPLE_NS = 10_000_000  # a hundred steps of a browser's clock
_ASK = "([what, given]) => window.edgefashion[what](...given)"
_BLANK = b"<!DOCTYPE html><title>blank</title>"
# Asked on a page from a file, as only such pages, and those from https, have these interfaces.
_WHY_NOT = """async (provider) => {
  if (provider === "wasm") return "";
  if (!("Suspending" in WebAssembly)) return "its WebAssembly cannot wait for promises (JSPI)";
  if (provider === "webgpu") {
    if (!navigator.gpu) return "it has no WebGPU";
    return (await navigator.gpu.requestAdapter()) ? "" : "it has WebGPU but finds no adapter for it";
  }
  if (!navigator.ml) return "it has no WebNN";
  return navigator.ml.createContext().then(() => "", (error) => `it has WebNN but makes no context: ${error.message}`);
}"""


def available(provider: str | None = None) -> Availability:
    """Whether Playwright and a Chromium are here, and what that Chromium, which is started for it, says of the rest."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    version = installed(PACKAGE)
    if version is None:
        return Availability("web", None, dict.fromkeys(asked, "playwright is not installed"), REMEDY)
    try:
        chromium.find_browser()
        if asked in ([], ["wasm"]):
            return Availability("web", version, dict.fromkeys(asked, ""))
        with chromium.opened(_BLANK) as page:
            reasons = {name: page.evaluate(_WHY_NOT, name) for name in asked}
    except NotAvailable as error:
        reasons = dict.fromkeys(asked, str(error))
    return Availability("web", version, reasons)


def version() -> str:
    """The browser's; empty where there is none."""
    try:
        return chromium.browser_version()
    except NotAvailable:
        return ""


def open_session(model: Artifact, spec: SessionSpec) -> "WebSession":
    """The page, opened from a file in a Chromium of its own.

    Raises:
        UsageError: Options were given, or more than one thread: pages from files have neither.
        NotAvailable: Playwright, a Chromium or the provider is not here, or the provider did not get every node.
        BadInput: The page does not open its model.
    """
    require_provider(available, spec.provider)
    if spec.options:
        raise UsageError(f"web takes no options: got {', '.join(spec.options)}")
    if spec.threads != 1:
        raise UsageError(f"web computes with one thread, not {spec.threads}: a page from a file gets no more")
    return WebSession(model, spec)


class WebSession:
    """A page that answers.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: Which provider each node was given, as the page reads it from onnxruntime's log.
        shortest_sample_ns: What `clock` can time to within a per cent.
    """

    shortest_sample_ns = _SHORTEST_SAMPLE_NS

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        self._stack = ExitStack()
        self._path = model.path
        self._elsewhere_ns = 0
        self._is_clocked = False
        self._due: tuple[int, int] | None = None  # number of bound pictures, calls to make
        self.spec = spec
        self.inputs = [model.manifest.input]
        try:
            self._page = self._stack.enter_context(chromium.opened(model.content))
            self._check_page()
            self.placement = self._placement(allow_partial=spec.allow_partial)
        except BaseException:
            self._stack.close()
            raise

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W].

        Raises:
            BadInput: The images are of another type or shape.
        """
        self._catch_up()
        start_ns = time.perf_counter_ns()
        found = self._ask("run", *self._packed(images))
        self._count(start_ns, found["ms"])
        logits = np.frombuffer(base64.b64decode(found["logits"]), np.float32)
        return logits.reshape(len(images), -1)

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call on pictures that lie in the page already.

        Once `clock` has been read, a call is only noted, and made when the clock is read again.
        """
        number: int = self._ask("bind", *self._packed(images))

        def call() -> None:
            before = self._due
            if before is not None and before[0] != number:
                self._catch_up()
                before = None
            self._due = (number, before[1] + 1 if before else 1)
            if not self._is_clocked:
                self._catch_up()

        return call

    def clock(self) -> int:
        """Nanoseconds of a clock that stands still while a request is on its way, and runs while the page computes."""
        self._is_clocked = True
        self._catch_up()
        return time.perf_counter_ns() - self._elsewhere_ns

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the Chromium."""
        self._stack.close()

    def _check_page(self) -> None:
        if not self._page.evaluate("'edgefashion' in window"):
            raise BadInput(
                f"the page {self._path} is none of edgefashion's, or damaged: {self._page.inner_text('body')[:200]}"
            )

    def _placement(self, *, allow_partial: bool) -> Placement:
        found: dict[str, int] = self._ask("open", self.spec.provider)
        nodes = {_provider_named(name): count for name, count in found.items()}
        own = self.spec.provider
        if not nodes.get(own) or (len(nodes) > 1 and not allow_partial):
            where = ", ".join(f"{count} on {name}" for name, count in nodes.items()) or "nobody says where"
            raise NotAvailable(
                f"{own} did not get every node of {self._path.name} ({where})"
                + (
                    ": `edgefashion bench --allow-partial` measures it all the same, labelled so"
                    if nodes.get(own)
                    else ""
                )
            )
        return Placement(nodes=nodes, source="told by onnxruntime's log in the page")

    def _packed(self, images: NDArray[Any]) -> tuple[str, int]:
        height, width = self.inputs[0].shape[1:]
        if images.dtype != np.uint8 or images.shape[1:] != (height, width):
            given = f"{images.dtype}{list(images.shape)}"
            raise BadInput(f"{self._path} takes uint8[N, {height}, {width}], not {given}")
        return base64.b64encode(np.ascontiguousarray(images).tobytes()).decode(), len(images)

    def _catch_up(self) -> None:
        """Make the calls that are due."""
        due, self._due = self._due, None
        if due is not None:
            start_ns = time.perf_counter_ns()
            self._count(start_ns, self._ask("time", *due))

    def _count(self, start_ns: int, inside_ms: float) -> None:
        """Take out of the clock what passed since `start_ns` and not in the page."""
        self._elsewhere_ns += max(0, time.perf_counter_ns() - start_ns - round(inside_ms * 1e6))

    def _ask(self, what: str, *arguments: object) -> Any:
        try:
            return chromium.evaluate(self._page, _ASK, [what, arguments])
        except chromium.ScriptFailed as error:
            raise BadInput(f"the page {self._path} failed to {what}: {error}") from error


def _provider_named(own_name: str) -> str:
    """Our name of an execution provider that ONNX Runtime's log names."""
    name = own_name.removesuffix("ExecutionProvider").lower()
    return "wasm" if name == "cpu" else name
