"""Sessions with the page in a real headless Chromium: their answers, their clock, and what is left when they end."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import psutil
import pytest
from pages import RUN, needs_browser, page_of

from edgefashion.artifact import Artifact, open_artifact, save
from edgefashion.data import Dataset
from edgefashion.environment import installed
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import chromium, default_spec, load_runtime, open_session
from edgefashion.runtimes import web as runtime
from edgefashion.runtimes.web import WebSession
from edgefashion.verify import from_artifact

WASM = SessionSpec("web", "wasm")


@pytest.fixture(scope="module")
def fp32_page(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A page with a float32 model, on disk."""
    page = page_of("fp32", tmp_path_factory.mktemp("pages"))
    save(page)
    return page


@pytest.fixture(scope="module")
def session(fp32_page: Artifact) -> Iterator[WebSession]:
    """A session with the float32 page as it was written."""
    with open_session(open_artifact(fp32_page.path), WASM) as opened_session:
        assert isinstance(opened_session, WebSession)
        yield opened_session


def reference(name: str, sample: Dataset) -> Any:
    """ONNX Runtime's logits of the sample's test pictures."""
    model = open_artifact(RUN / f"{name}.onnx")
    with open_session(model, default_spec(model)) as session:
        return session.run(sample.test.pixels)


def in_parts(session: Any, sample: Dataset) -> Any:
    """The page's, a hundred pictures a call."""
    pixels = sample.test.pixels
    return np.concatenate([session.run(pixels[start : start + 100]) for start in range(0, len(pixels), 100)])


# What it answers


@needs_browser
def test_float32_decides_as_onnx_runtime(session: WebSession, sample: Dataset) -> None:
    """On a thousand test pictures the page decides as ONNX Runtime does here, with logits that differ by rounding."""
    expected = reference("fp32", sample)
    found = in_parts(session, sample)
    assert {"wasm"} == set(session.placement.nodes)
    assert len(found) >= 1000
    np.testing.assert_array_equal(expected.argmax(axis=1), found.argmax(axis=1))
    assert np.abs(expected - found).max() < 1e-4


@needs_browser
@pytest.mark.slow
def test_int8_decides_as_onnx_runtime(sample: Dataset, tmp_path: Path) -> None:
    """The int8 page decides as ONNX Runtime does on at least 99.9 % of a thousand pictures."""
    with open_session(page_of("int8-static", tmp_path), WASM) as session:
        found = in_parts(session, sample)
    assert (reference("int8-static", sample).argmax(axis=1) == found.argmax(axis=1)).mean() >= 0.999


@needs_browser
def test_clock_makes_the_calls_that_are_due(
    session: WebSession, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls are made at once until the clock is read, then together when it is read again; its time is the page's."""
    one, other = session.bind(sample.test.pixels[:1]), session.bind(sample.test.pixels[1:3])
    asked: list[tuple[Any, ...]] = []
    ask = session._ask

    def slowly(*question: Any) -> Any:
        time.sleep(0.5)
        asked.append(question)
        return ask(*question)

    monkeypatch.setattr(session, "_ask", slowly)
    one()
    assert asked == [("time", 0, 1)]
    start = session.clock()
    for call in (one, one, one, other):
        call()
    assert asked == [("time", 0, 1), ("time", 0, 3)]
    stop = session.clock()
    assert asked[-1] == ("time", 1, 1)
    assert 0 < stop - start < 0.5e9  # a thousandth of it is computing; the two requests took a second


@needs_browser
def test_page_refuses_other_pictures(session: WebSession) -> None:
    """Pictures of another size or type are refused, not stretched."""
    for images in (np.zeros((1, 27, 28), np.uint8), np.zeros((1, 28, 28), np.float32)):
        with pytest.raises(BadInput, match=r"takes uint8\[N, 28, 28\], not"):
            session.run(images)


@needs_browser
def test_what_a_page_does_not_take(fp32_page: Artifact) -> None:
    """Options and threads are refused before anything is started."""
    with pytest.raises(UsageError, match="no options: got fast"):
        open_session(fp32_page, msgspec.structs.replace(WASM, options={"fast": "1"}))
    with pytest.raises(UsageError, match="one thread, not 2"):
        open_session(fp32_page, msgspec.structs.replace(WASM, threads=2))


@needs_browser
@pytest.mark.slow
def test_two_sessions_at_once(session: WebSession, fp32_page: Artifact, sample: Dataset) -> None:
    """Two pages are open at the same time, and the first lives on when the second is closed."""
    pixels = sample.test.pixels[:3]
    with open_session(fp32_page, WASM) as second:
        np.testing.assert_array_equal(session.run(pixels), second.run(pixels))
    assert session.run(pixels).shape == (3, 10)


def test_absent_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a Chromium the reason says so, and names what CHROMIUM is where that is wrong."""
    monkeypatch.setenv("CHROMIUM", "/nowhere/chromium")
    with pytest.raises(NotAvailable, match="CHROMIUM is /nowhere/chromium, which is no program"):
        chromium.find_browser()
    monkeypatch.delenv("CHROMIUM")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotAvailable, match="apt-get install chromium"):
        chromium.find_browser()
    if installed("playwright"):
        assert "" not in runtime.available().providers.values()


def test_absent_playwright(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without Playwright the runtime is absent, and says which extra brings it."""
    monkeypatch.setattr(runtime, "installed", lambda _: None)
    found = load_runtime("web").available("wasm")
    assert (found.version, found.providers) == (None, {"wasm": "playwright is not installed"})
    assert "edgefashion[web]" in found.remedy


# When it is damaged, or killed


@needs_browser
def test_no_page_of_ours(fp32_page: Artifact) -> None:
    """A page that is none of ours is refused in words."""
    other = Artifact(fp32_page.path, fp32_page.manifest, b"<!DOCTYPE html><p>something else</p>")
    with pytest.raises(BadInput, match="none of edgefashion's, or damaged: something else"):
        open_session(other, WASM)


@needs_browser
@pytest.mark.slow
def test_page_is_proven_before_it_is_kept(small: Dataset, tmp_path: Path) -> None:
    """A page that decides like its model is written with its manifest beside it; one that does not is not written."""
    pytest.importorskip("torch")
    from edgefashion.export import convert

    run = Path(shutil.copytree(RUN, tmp_path / "run"))
    checkpoint = open_artifact(run / "checkpoint.safetensors")
    other = open_artifact(RUN.parent / "seed-reference" / "fp32.onnx")
    with pytest.raises(CheckFailed, match=r"web-fp32\.html was not kept"):
        convert("web", checkpoint, small, reference=from_artifact(other, small))
    assert list(run.glob("web-*")) == []
    page, parity = convert("web", checkpoint, small, reference=open_artifact(run / "fp32.onnx"))
    kept = open_artifact(run / "web-fp32.html")
    assert (page.sha256, "web", "web-fp32") == (kept.sha256, kept.format, kept.manifest.variant)
    assert (parity.agreement, parity.runtime.split()[0]) == (1.0, "web")
    assert checkpoint.sha256 == kept.manifest.checkpoint_sha256
    assert kept.manifest.versions["onnxruntime-web"] in kept.content.decode()
    assert {"web-fp32.html", "web-fp32.html.json"} == {path.name for path in run.glob("web-*")}


KILLED = """
import os, signal, sys
from pathlib import Path
from edgefashion.artifact import open_artifact
from edgefashion.records import SessionSpec
from edgefashion.runtimes import open_session
session = open_session(open_artifact(Path(sys.argv[1])), SessionSpec("web", "wasm"))
print("ready", flush=True)
signal.pause()
"""


@needs_browser
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked for in /proc")
def test_nothing_outlives_a_killed_process(fp32_page: Artifact, tmp_path: Path) -> None:
    """A process that is killed while it and its driver are stopped leaves no Chromium and no files behind."""
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(fp32_page.path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        start_new_session=True,
    )
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    family = psutil.Process(process.pid).children(recursive=True)
    assert any("chrom" in each.name() for each in family)
    os.killpg(process.pid, signal.SIGSTOP)
    process.kill()
    process.wait()
    process.stdout.close()
    _, alive = psutil.wait_procs(family, timeout=60)
    assert alive == []
    assert list(tmp_path.glob("edgefashion-web-*")) == []


# WebGPU, where Chromium can compute it on the processor


@needs_browser
@pytest.mark.slow
def test_webgpu(fp32_page: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """WebGPU is refused with the reason, or with the nodes it did not get; allowed to be partial it decides alike."""
    program = tmp_path / "chromium"
    switches = "--enable-unsafe-webgpu --use-webgpu-adapter=swiftshader --enable-features=Vulkan"
    program.write_text(f'#!/bin/sh\nexec "{chromium.find_browser()}" {switches} "$@"\n')
    program.chmod(0o755)
    monkeypatch.setenv("CHROMIUM", str(program))
    spec = SessionSpec("web", "webgpu")
    reason = load_runtime("web").available("webgpu").providers["webgpu"]
    if reason:
        with pytest.raises(NotAvailable, match=re.escape(reason)):
            open_session(fp32_page, spec)
        pytest.skip(f"this Chromium has no software adapter: {reason}")
    with pytest.raises(NotAvailable, match=r"webgpu did not get every node .*1 on wasm.*--allow-partial"):
        open_session(fp32_page, spec)
    with open_session(fp32_page, msgspec.structs.replace(spec, allow_partial=True)) as session:
        assert session.placement.nodes["webgpu"] > session.placement.nodes["wasm"]
        found = session.run(sample.test.pixels[:50])
    np.testing.assert_allclose(reference("fp32", sample)[:50], found, atol=1e-3)
