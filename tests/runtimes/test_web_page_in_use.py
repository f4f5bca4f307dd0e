"""The page as a person opens it: what it asks of the network, how it is used, and that it notices damage."""

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pages import RUN, browsing, needs_browser, page_of
from PIL import Image

from edgefashion.artifact import Artifact, open_artifact, save
from edgefashion.data import Dataset
from edgefashion.data.picture import read_picture
from edgefashion.runtimes import default_spec, open_session
from edgefashion.web.build import axe_path
from edgefashion.web.bundle import BUILD_COMMAND


@pytest.fixture(scope="module")
def fp32_page(tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """A page with a float32 model, on disk."""
    page = page_of("fp32", tmp_path_factory.mktemp("pages"))
    save(page)
    return page


@pytest.fixture(scope="module")
def opened(fp32_page: Artifact) -> Iterator[Any]:
    """The float32 page, opened once for the tests that only look and click."""
    with browsing(fp32_page) as page:
        yield page


def clear(page: Any) -> None:
    """Take away what an earlier test left, so that no answer of it passes for one of this test."""
    page.get_by_role("button", name="Clear").click()
    page.locator("#best").get_by_text("Draw something").wait_for()


# What it asks of the network


@needs_browser
def test_no_request(opened: Any) -> None:
    """Opening, classifying and checking ask for the file itself and for what the page unpacks, and for nothing else."""
    opened.get_by_role("button", name="Check this copy").click()
    opened.get_by_text("Nothing has changed.").wait_for()
    assert [url for url in opened.requests if not url.startswith(("file:", "blob:"))] == []
    assert sum(url.startswith("file:") for url in opened.requests) == 1
    assert opened.complaints == []


@needs_browser
def test_requests_are_forbidden(opened: Any) -> None:
    """Whatever the page tried to fetch or load, the browser would refuse it by the page's own policy."""
    refused = opened.evaluate(
        """async () => {
          const blocked = [];
          document.addEventListener("securitypolicyviolation", (event) => blocked.push(event.effectiveDirective));
          const address = "https://example.org/";
          await fetch(address).catch(() => {});
          new Image().src = address;
          document.head.appendChild(Object.assign(document.createElement("script"), { src: address }));
          try { new WebSocket("wss://example.org/"); } catch {}
          await new Promise((resolve) => setTimeout(resolve, 100));
          return blocked.sort();
        }"""
    )
    assert refused == ["connect-src", "connect-src", "img-src", "script-src-elem"]


# How it is used


@needs_browser
def test_drawing_changes_the_answer(opened: Any) -> None:
    """A clear easel has no answer; strokes of the pointer and of the keyboard give one, and each more changes it."""
    clear(opened)
    opened.locator("#easel").scroll_into_view_if_needed()
    box = opened.locator("#easel").bounding_box()
    opened.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.2 * box["height"])
    opened.mouse.down()
    opened.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.9 * box["height"], steps=5)
    opened.mouse.up()
    opened.locator("li.best").wait_for()
    after_pointer = opened.locator("#classes").inner_text()
    opened.locator("#easel").focus()
    for key in (" ", *["ArrowRight"] * 15, " "):
        opened.keyboard.press(key)
    opened.wait_for_timeout(200)
    assert after_pointer != opened.locator("#classes").inner_text()


@needs_browser
def test_samples_are_classified(opened: Any) -> None:
    """A click on a sample shows it, and the answer is ONNX Runtime's for that golden picture, in words too."""
    golden = open_artifact(RUN / "fp32.onnx").manifest
    assert golden.golden
    for index in (1, 9):
        clear(opened)
        opened.locator("#samples button").nth(index).click()
        label = golden.labels[int(np.argmax(golden.golden.logits[index]))]
        opened.locator("#best").get_by_text(label, exact=True).wait_for()
        logits = np.array(golden.golden.logits[index])
        share = np.exp(logits - logits.max()).max() / np.exp(logits - logits.max()).sum()
        assert f"{share:.1%}".replace("%", "\u00a0%") == opened.locator("li.best .share").inner_text()
    opened.locator("#spoken").get_by_text(re.compile(f"^{label}, ")).wait_for(state="attached")


@needs_browser
def test_picture_file(opened: Any, sample: Dataset, tmp_path: Path) -> None:
    """A picture file that is opened is read as `edgefashion predict` reads it; what is none is refused in words."""
    path = tmp_path / "picture.png"
    # As a shop would show it: dark on white, and larger.
    Image.fromarray(255 - sample.test.pixels[0]).resize((280, 280), Image.Resampling.NEAREST).save(path)
    model = open_artifact(RUN / "fp32.onnx")
    with open_session(model, default_spec(model)) as session:
        decision = int(session.run(read_picture(path, (28, 28))[np.newaxis]).argmax())
    clear(opened)
    opened.locator("#file").set_input_files(path)
    opened.locator("#best").get_by_text(sample.labels[decision], exact=True).wait_for()
    (tmp_path / "none.png").write_bytes(b"no picture")
    opened.locator("#file").set_input_files(tmp_path / "none.png")
    opened.get_by_text("This is not a picture that the browser can read.").wait_for()


DROP = """(bytes) => {
  const dataTransfer = new DataTransfer();
  dataTransfer.items.add(new File([Uint8Array.from(bytes)], "dropped.png", { type: "image/png" }));
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer, bubbles: true }));
}"""


@needs_browser
def test_picture_is_dropped(opened: Any, sample: Dataset) -> None:
    """A picture that is dropped anywhere on the page is classified."""
    trouser = int(np.flatnonzero(sample.test.labels == sample.labels.index("Trouser"))[0])
    content = io.BytesIO()
    Image.fromarray(sample.test.pixels[trouser]).save(content, format="PNG")
    clear(opened)
    opened.evaluate(DROP, list(content.getvalue()))
    opened.locator("#best").get_by_text("Trouser").wait_for()


@needs_browser
@pytest.mark.slow
def test_camera(fp32_page: Artifact) -> None:
    """What the camera sees is classified until the button is pressed again; without one the page says so."""
    fake = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")
    with browsing(fp32_page, switches=fake) as page:
        camera = page.get_by_role("button", name="Camera")
        before = page.locator("#classes").inner_text()
        camera.click()
        page.get_by_text("The camera is on.").wait_for()
        page.wait_for_timeout(1000)
        assert page.locator("#video").is_visible()
        assert before != page.locator("#classes").inner_text()
        camera.click()
        page.get_by_text("The camera is off.").wait_for()
        assert not page.locator("#video").is_visible()
        assert page.complaints == []
    with browsing(fp32_page) as page:
        page.get_by_role("button", name="Camera").click()
        page.get_by_text(re.compile("The camera stays off: .*")).wait_for()


@needs_browser
def test_everything_is_reached_by_keyboard(opened: Any) -> None:
    """The tabulator goes through everything that can be done, in the order of the page, and each has a name."""
    opened.evaluate("document.activeElement.blur()")
    opened.locator("h1").click()
    reached = []
    for _ in range(18):
        opened.keyboard.press("Tab")
        reached.append(
            opened.evaluate("(document.activeElement.ariaLabel || document.activeElement.textContent).trim()")
        )
    assert reached[:5] == ["Drawing", "", "Clear", "Open picture…", "Camera"]
    assert [name.startswith("Sample: ") for name in reached[5:15]] == [True] * 10
    assert reached[15:17] == ["Check this copy", "Measure"]


@needs_browser
@pytest.mark.slow
def test_benchmark(opened: Any) -> None:
    """The benchmark gives figures for the processor, and a figure or a reason for WebGPU and WebNN."""
    opened.get_by_role("button", name="Measure").click()
    opened.get_by_text("Done.").wait_for(timeout=120_000)
    rows = opened.locator("#timings li").all_inner_texts()
    assert len(rows) == 3
    assert re.search(
        r"Processor \(WebAssembly\)\s+[\d.]+ ms\s+90th percentile [\d.]+ ms, spread ± [\d.]+ %, "
        r"40 readings of \d+ calls; \d+ nodes on CPU",
        rows[0],
    )
    for row in rows[1:]:
        assert re.search(r"\d ms|the browser|this browser", row)


@needs_browser
@pytest.mark.slow
@pytest.mark.skipif(not axe_path().is_file(), reason=f"{axe_path()} is not there: {BUILD_COMMAND} --dev")
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 320])
def test_accessibility(width: int, scheme: str, fp32_page: Artifact) -> None:
    """axe-core finds nothing to complain about, also after the buttons were used, and nothing is cut off sideways."""
    with browsing(fp32_page, viewport={"width": width, "height": 800}, color_scheme=scheme) as page:
        page.get_by_role("button", name="Check this copy").click()
        page.get_by_text("Nothing has changed.").wait_for()
        page.get_by_role("button", name="Measure").click()
        page.get_by_text("Done.").wait_for(timeout=120_000)
        page.evaluate(axe_path().read_text())
        found = page.evaluate(
            "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa', 'best-practice'] })"
        )
        assert len(found["passes"]) > 20
        assert [(each["id"], [node["html"] for node in each["nodes"]]) for each in found["violations"]] == []
        assert width == page.evaluate("document.documentElement.scrollWidth")


# When it is damaged


@needs_browser
@pytest.mark.slow
def test_damaged_model_is_noticed(fp32_page: Artifact, tmp_path: Path) -> None:
    """Weights that were changed in the file are found by the page's own check, by digest and by golden answers."""
    model = open_artifact(RUN / "fp32.onnx").content
    flipped = bytearray(model)
    middle = len(model) // 2
    flipped[middle : middle + 4000] = bytes(byte ^ 0x40 for byte in model[middle : middle + 4000])
    content = fp32_page.content.replace(base64.b64encode(model), base64.b64encode(bytes(flipped)))
    assert content != fp32_page.content
    path = tmp_path / "damaged.html"
    path.write_bytes(content)
    with browsing(Artifact(path, fp32_page.manifest, content)) as page:
        page.get_by_role("button", name="Check this copy").click()
        page.get_by_text("2 of 3 checks fail.").wait_for()
        verdicts = page.locator("#checks strong").all_inner_texts()
    assert [text.rstrip(".").split(": ")[-1] for text in verdicts] == ["fails", "holds", "fails"]
