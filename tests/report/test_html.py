"""The page: complete, self-contained, escaped."""

import re
from base64 import b64decode
from html.parser import HTMLParser

import examples
import pytest

from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.html import render

VOID = {"meta", "img", "br", "link", "input"}


class Page(HTMLParser):
    """Collects tags, attributes and text, and checks that tags close in order."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._open: list[str] = []
        self.feed(source)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))


@pytest.fixture(scope="module")
def source(sample_bench: BenchReport, sample_training: TrainingReport) -> str:
    return render(sample_bench, sample_training, examples.verification(is_sample=True))


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


def test_sections_in_order(page: Page) -> None:
    """The page goes from the summary to how it was measured, and each entry of its navigation has a target."""
    anchors = [attributes["id"] for attributes in page.all("h2")]
    assert anchors == ["summary", "latency", "classes", "parity", "training", "method", "environment"]
    assert [link["href"] for link in page.all("a")] == [f"#{anchor}" for anchor in anchors]


def test_sections_only_for_what_is_given(bench: BenchReport) -> None:
    """Without training and verification their sections are absent."""
    anchors = [attributes["id"] for attributes in Page(render(bench, None, None)).all("h2")]
    assert anchors == ["summary", "latency", "classes", "method", "environment"]


def test_nothing_is_fetched_and_nothing_runs(page: Page, source: str) -> None:
    """There are no scripts, styles or pictures from elsewhere."""
    assert not page.all("script")
    assert not page.all("link")
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert "http" not in re.sub(r"http-equiv", "", source)


def test_pictures_are_png_and_described(page: Page) -> None:
    """Each of the six pictures is a PNG and has an alternative text that names the sample."""
    images = page.all("img")
    assert len(images) == 6
    for image in images:
        assert b64decode((image["src"] or "").partition(",")[2]).startswith(b"\x89PNG")
        assert "bundled sample" in (image["alt"] or "")


def test_figures_are_in_the_page(page: Page) -> None:
    """Headline, ratio, parity verdict, flips, plan and machine are there to read."""
    for words in (
        "int8-static · onnxruntime is ×0.625 of",
        "×0.625 ± 0.008",
        "FAIL",
        "int8-static: 37 of 10,000 decisions differ",
        "5 of at most 30",
        "Example CPU @ 2.50GHz",
        "A/A check",
    ):
        assert words in page.words


def test_sample_note_has_a_place_of_its_own(page: Page, bench: BenchReport) -> None:
    """The note stands above all figures, and only if the data is the sample."""
    assert [each for each in page.all("p") if each.get("class") == "sample"]
    assert not [each for each in Page(render(bench, None, None)).all("p") if each.get("class") == "sample"]


def test_hostile_text_stays_text(hostile_bench: BenchReport) -> None:
    """Labels, reasons, versions and names are escaped everywhere, in attributes too."""
    labels = hostile_bench.data.labels
    training, verification = examples.training(labels=labels), examples.verification()
    source = render(hostile_bench, training, verification)
    assert "<script" not in source
    assert "\x1b" not in source
    assert "<script>alert('x')</script>" in Page(source).words


def test_warnings_and_partial_runs_are_on_top(without_evidence: BenchReport) -> None:
    """What went wrong is said before the first table."""
    source = render(without_evidence, None, None)
    top = source[: source.index("<table")]
    assert "partial: measuring was stopped" in top
    assert "warning: no steady state after warm-up: fp16" in top
    assert "the worker died with signal 9" in top


def test_flips_of_a_broken_artifact_are_bounded(bench: BenchReport, verification: VerifyReport) -> None:
    """Of many flips the page shows the first 200 and counts the rest."""
    assert "200 of 212 shown" in Page(render(bench, None, verification)).words
