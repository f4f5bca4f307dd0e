"""The page of `export --format web`: how it is put together, and its modules, which node runs as the browser does."""

import base64
import hashlib
import json
import lzma
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import PIL
import pytest
from PIL import Image

from edgefashion import web
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import golden_images
from edgefashion.data.picture import read_picture
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.files import sha256
from edgefashion.records.web import BundleHeader
from edgefashion.web import Bundle, bundle
from edgefashion.web.assemble import MODULES
from edgefashion.web.build import build

PAGE = Path(web.__file__).parent / "page"
RUN = Path(__file__).parents[2] / "exported" / "seed-reference"

# This Pillow shrinks what is taller than two widths in height first, as the page does; some older ones do not.
TALL_FIRST = 13

needs_node = pytest.mark.skipif(shutil.which("node") is None, reason="node is not on this machine")


@pytest.fixture
def model() -> Artifact:
    """A released model."""
    return open_artifact(RUN / "fp32.onnx")


@pytest.fixture
def small_bundle() -> Bundle:
    """A bundle that holds no runtime, for pages that nobody opens."""
    return Bundle(BundleHeader("1.2.3", [(1, 2), (3, 4)], "0" * 64, sha256(b"packed")), b"packed")


def block(page: bytes, name: str) -> str:
    """The text of a script element of the page, by its id."""
    found = re.search(rf'<script type="[^"]+" id="{name}">([^<]*)</script>', page.decode())
    assert found
    return found[1]


# How it is put together


def test_page_holds_the_model(model: Artifact, small_bundle: Bundle) -> None:
    """The model is in the page byte for byte, with its digest, its classes, and the golden pictures to click."""
    page = web.assemble(model, small_bundle)
    about = json.loads(block(page, "about"))
    assert model.content == base64.b64decode(block(page, "model"))
    assert base64.b64decode(block(page, "runtime")) == b"packed"
    assert (model.sha256, model.manifest.labels) == (about["modelSha256"], about["labels"])
    golden = model.manifest.golden
    assert golden is not None
    assert golden.pictures(model.path).tobytes() == base64.b64decode(about["golden"]["pixels"])
    assert golden.logits == about["golden"]["logits"]


def test_page_of_a_model_without_pictures(model: Artifact, small_bundle: Bundle) -> None:
    """A model that left its golden pictures out gets those of the bundled sample, if they are the ones it answered."""
    indices, sample = golden_images()
    golden = model.manifest.golden
    assert golden is not None
    digest = sha256(sample.pixels.tobytes() + sample.labels.tobytes())
    for known, is_right in ((digest, True), ("f" * 64, False)):
        bare = msgspec.structs.replace(golden, pixels="", shape=(), labels=(), indices=indices, pictures_sha256=known)
        stripped = Artifact(model.path, msgspec.structs.replace(model.manifest, golden=bare), model.content)
        if is_right:
            about = json.loads(block(web.assemble(stripped, small_bundle), "about"))
            assert sample.pixels.tobytes() == base64.b64decode(about["golden"]["pixels"])
        else:
            with pytest.raises(BadInput, match="not the ones it answered"):
                web.assemble(stripped, small_bundle)


def test_page_without_golden_outputs_is_refused(model: Artifact, small_bundle: Bundle) -> None:
    """A model that carries no golden outputs gets no page: its self-test could not fail."""
    bare = Artifact(model.path, msgspec.structs.replace(model.manifest, golden=None), model.content)
    with pytest.raises(BadInput, match="carries no golden outputs"):
        web.assemble(bare, small_bundle)


def test_same_page_each_time(model: Artifact, small_bundle: Bundle) -> None:
    """The same model and bundle give the same bytes, which name no folder of this machine."""
    page = web.assemble(model, small_bundle)
    assert page == web.assemble(model, small_bundle)
    text = re.sub(r'<script type="[^"]+" id="(?:model|runtime)">.*?</script>', "", page.decode())
    assert str(Path.home()) not in text
    assert str(RUN) not in text
    assert str(PAGE) not in text


def test_policy_names_what_runs(model: Artifact, small_bundle: Bundle) -> None:
    """The policy allows this script and this style by their digests, and no request at all."""
    text = web.assemble(model, small_bundle).decode()
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    script = re.search(r'<script type="module">(.*?)</script>', text, re.DOTALL)
    style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
    assert policy
    rules = dict(rule.strip().split(" ", 1) for rule in policy[1].split(";"))
    assert rules.pop("default-src") == "'none'"
    for rule, found in (("script-src", script), ("style-src", style)):
        assert found
        digest = base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in rules.pop(rule)
    assert rules == {"base-uri": "'none'", "form-action": "'none'"}
    assert "unsafe-inline" not in policy[1]


def test_page_names_no_other_place(model: Artifact, small_bundle: Bundle) -> None:
    """No address of another file or machine is in the page."""
    text = web.assemble(model, small_bundle).decode()
    assert re.findall(r"https?://|(?:src|href)=|@import|url\(", text) == []


def test_names_are_escaped(model: Artifact, small_bundle: Bundle) -> None:
    """A model's name is text wherever it stands in the page."""
    named = Artifact(model.path, msgspec.structs.replace(model.manifest, name="</script><b>{{model}}"), model.content)
    text = web.assemble(named, small_bundle).decode()
    assert "</script><b>" not in text
    assert "&lt;/script&gt;&lt;b&gt;{{model}}" in text
    assert json.loads(block(text.encode(), "about"))["name"] == "</script><b>{{model}}"


def test_too_large_a_model_is_refused(model: Artifact, small_bundle: Bundle) -> None:
    """A page of more than 7 MB is not made."""
    fits = Artifact(model.path, model.manifest, bytes(5_100_000))
    assert len(web.assemble(fits, small_bundle)) <= web.MAX_PAGE_BYTES
    with pytest.raises(UsageError, match="more than 7,000,000"):
        web.assemble(Artifact(model.path, model.manifest, bytes(5_300_000)), small_bundle)


def test_every_module_is_in_the_page() -> None:
    """The page is made of all its modules, each after those it imports."""
    assert {path.stem for path in PAGE.glob("*.js")} == set(MODULES)
    for place, name in enumerate(MODULES):
        needed = re.findall(r'from "\./(\w+)\.js";', (PAGE / f"{name}.js").read_text())
        assert set(needed) <= set(MODULES[:place])


def test_modules_share_no_names() -> None:
    """What two modules declare at their top level has two names: in the page they are one script."""
    declared = [
        name
        for module in MODULES
        for name in re.findall(
            r"^(?:export )?(?:async )?(?:function|class|const|let) (\w+)",
            (PAGE / f"{module}.js").read_text(),
            re.MULTILINE,
        )
    ]
    assert sorted(set(declared)) == sorted(declared)


# The bundle


def test_absent_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the bundle the refusal says what builds it, and nothing is fetched."""
    monkeypatch.setenv("EDGEFASHION_CACHE", str(tmp_path))
    with pytest.raises(NotAvailable, match=r"`python -m edgefashion\.web\.build`"):
        web.find_bundle()
    assert list(tmp_path.rglob("*")) == []


def test_bundle_is_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle is read back as it was packed; a flipped byte, in its head or behind, is noticed."""
    monkeypatch.setenv("EDGEFASHION_CACHE", str(tmp_path))
    builds = [(b"script", b"binary"), (b"another", bytes(1000))]
    monkeypatch.setattr(bundle, "UNPACKED_SHA256", sha256(b"scriptbinaryanother" + bytes(1000)))
    content = bundle.pack(builds)
    path = web.bundle_path()
    path.parent.mkdir()
    path.write_bytes(content)
    found = web.find_bundle()
    assert found.header.parts == [(6, 6), (7, 1000)]
    for place in (20, len(content) - 5):
        path.write_bytes(content[:place] + bytes((content[place] ^ 1,)) + content[place + 1 :])
        with pytest.raises(BadInput, match=path.name):
            web.find_bundle()
    path.write_bytes(content)
    monkeypatch.setattr(bundle, "UNPACKED_SHA256", "0" * 64)
    with pytest.raises(NotAvailable, match="other files than those that are pinned"):
        web.find_bundle()
    with pytest.raises(BadInput, match="expected 0000"):
        bundle.pack(builds)


def test_build_without_npm(monkeypatch: pytest.MonkeyPatch) -> None:
    """The build step says that it needs npm."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(NotAvailable, match="npm is not on this machine"):
        build()


def test_pins_agree() -> None:
    """The version in the code is the one in package.json and in the lock, which names no host."""
    package = json.loads((PAGE.parent / "package.json").read_text())
    lock = json.loads((PAGE.parent / "package-lock.json").read_text())
    assert package["dependencies"]["onnxruntime-web"] == bundle.VERSION
    assert lock["packages"]["node_modules/onnxruntime-web"]["version"] == bundle.VERSION
    installed = [entry for name, entry in lock["packages"].items() if name]
    assert all(entry["integrity"].startswith("sha512-") and "resolved" not in entry for entry in installed)


def test_converter_starts_from_onnx() -> None:
    """The page of float32 is made from fp32.onnx, that of int8 from int8-static.onnx."""
    pytest.importorskip("torch")
    from edgefashion.export import load_converter

    converter: Any = load_converter("web")
    assert dict(converter.SOURCES) == {"float32": "fp32", "int8": "int8-static"}


# Its modules


def run_node(module: str, script: str, given: Any) -> Any:
    """What `script` returns of `given`, with everything that a module exports in `page`."""
    code = (
        f'import * as page from "{(PAGE / module).as_uri()}";\n'
        'import { readFileSync } from "node:fs";\n'
        "const given = JSON.parse(readFileSync(0, 'utf8'));\n"
        f"console.log(JSON.stringify((() => {{ {script} }})()));"
    )
    command = ["node", "--input-type=module", "--eval", code]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


@needs_node
def test_lzma_is_unpacked_as_python_packed_it() -> None:
    """Data of every kind comes back, in one go and in steps; a cut is an error and never an endless loop."""
    random = np.random.default_rng(7)
    texts = (PAGE / "engine.js").read_bytes() + (PAGE / "style.css").read_bytes() * 3
    records = b"".join(bytes((number % 251, number % 7, 0, 0)) for number in range(20_000))
    contents = [
        b"a",
        bytes(70_000),
        random.bytes(5_000),
        texts,
        records,
        random.integers(0, 9, 40_000, np.uint8).tobytes(),
    ]
    filters = [{"id": lzma.FILTER_LZMA1, "dict_size": 2**26, "lc": 4, "lp": 0, "pb": 0, "nice_len": 273}]
    packed = [lzma.compress(content, lzma.FORMAT_RAW, filters=filters) for content in contents]
    given = [[base64.b64encode(each).decode(), len(content)] for each, content in zip(packed, contents, strict=True)]
    script = """
      return given.map(([text, size]) => {
        const bytes = Uint8Array.from(Buffer.from(text, "base64"));
        const whole = new page.Lzma(bytes, size, 4);
        whole.decode(size);
        const stepwise = new page.Lzma(bytes, size, 4);
        for (let end = 1; stepwise.done < size; end += 997) stepwise.decode(end);
        let cut = "no error";
        try {
          new page.Lzma(bytes.slice(0, bytes.length >> 1), size, 4).decode(size);
        } catch (error) {
          cut = error.message;
        }
        return [whole, stepwise].map(({ output }) => Buffer.from(output).toString("base64")).concat(cut);
      });"""
    for content, (whole, stepwise, cut) in zip(contents, run_node("lzma.js", script, given), strict=True):
        assert content == base64.b64decode(whole)
        assert content == base64.b64decode(stepwise)
        assert cut != "no error" or len(content) == 1


@needs_node
def test_pictures_are_read_as_predict_reads_them(tmp_path: Path) -> None:
    """Of pictures of many sizes, shades and transparencies the page and `edgefashion predict` make the same bytes."""
    random = np.random.default_rng(3)
    sizes = [(28, 28), (29, 28), (140, 140), (37, 61), (200, 31), (5, 5), (1, 1), (161, 107), (84, 83)]
    if int(PIL.__version__.split(".")[0]) >= TALL_FIRST:
        sizes.append((27, 56))
    given, expected = [], []
    for number, (width, height) in enumerate(sizes * 3):
        rows, columns = np.mgrid[0:height, 0:width]
        shade = 127 + 127 * np.sin(rows / (1 + number) + columns / 9)
        rgba = np.stack([shade, 255 - shade, random.integers(0, 256, shade.shape), np.full(shade.shape, 255)], axis=-1)
        if number % 3 == 1:
            rgba[..., 3] = random.integers(0, 256, shade.shape)
        if number % 3 == 2:
            rgba[..., :3] = 255 - rgba[..., :3] // 8
        pixels = rgba.astype(np.uint8)
        path = tmp_path / f"{number}.png"
        Image.fromarray(pixels).save(path)
        expected.append(read_picture(path, (28, 28)).ravel().tolist())
        given.append({"width": width, "height": height, "data": pixels.ravel().tolist()})
    script = "return given.map((image) => [...page.fit({ ...image, data: Uint8ClampedArray.from(image.data) }, 28)]);"
    for size, wanted, found in zip(sizes * 3, expected, run_node("picture.js", script, given), strict=True):
        assert wanted == found, size


@needs_node
def test_too_narrow_a_picture_is_refused() -> None:
    """A picture that would have no width left is refused, as `edgefashion predict` refuses it."""
    script = "try { page.fit(given, 28) } catch (error) { return error.message }"
    assert (
        run_node("picture.js", script, {"width": 1, "height": 29, "data": [0] * 116}) == "This picture is too narrow."
    )


@needs_node
def test_summary_of_readings() -> None:
    """Median, 90th percentile and spread of the benchmark are those of numpy."""
    numbers = np.random.default_rng(5).gamma(3.0, size=41)
    found = run_node("benchmark.js", "return page.summary(given);", numbers.tolist())
    quarter, median, three_quarters, p90 = np.quantile(numbers, [0.25, 0.5, 0.75, 0.9])
    assert pytest.approx({"median": median, "p90": p90, "spread": (three_quarters - quarter) / 2 / median}) == found
