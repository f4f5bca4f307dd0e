"""The page: complete, self-contained, escaped."""

import re
from base64 import b64decode
from html.parser import HTMLParser

import cases
import msgspec
import operating_cases
import pieces
import proofs
import pytest

from edgefashion.records import BenchReport, Interval, TrainingReport
from edgefashion.report.beside import Beside
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
    return render(sample_bench, Beside(sample_training, proofs.verification(is_sample=True)))


@pytest.fixture(scope="module")
def page(source: str) -> Page:
    return Page(source)


@pytest.fixture(scope="module")
def plain_source(bench: BenchReport) -> str:
    return render(bench)


@pytest.fixture(scope="module")
def plain_page(plain_source: str) -> Page:
    return Page(plain_source)


def test_sections_in_order(page: Page) -> None:
    """The page goes from the summary to how it was measured, and each entry of its navigation has a target."""
    anchors = [attributes["id"] for attributes in page.all("h2")]
    assert anchors == [
        "summary",
        "latency",
        "start",
        "classes",
        "parity",
        "training",
        "noise",
        "method",
        "environment",
    ]
    assert [link["href"] for link in page.all("a")] == [f"#{anchor}" for anchor in anchors]


def test_sections_only_for_what_is_given(plain_page: Page) -> None:
    """Without training and verification their sections are absent."""
    anchors = [attributes["id"] for attributes in plain_page.all("h2")]
    assert anchors == ["summary", "latency", "start", "classes", "noise", "method", "environment"]


def test_foreign_model_has_no_quality() -> None:
    """Where no quality is known, neither its section nor an empty picture is shown; accuracy is called unknown."""
    page = Page(render(cases.foreign()))
    assert "classes" not in [attributes["id"] for attributes in page.all("h2")]
    assert len(page.all("img")) == 4
    assert "unknown" in page.words


@pytest.mark.parametrize(
    ("make", "anchor", "images"),
    [(operating_cases.elsewhere, "operating", 7), (operating_cases.profiled, "profile", 8)],
)
def test_what_else_was_measured_has_its_section(make, anchor: str, images: int) -> None:
    """Operating points and profiles have their tables and figures, and their sentence is under the headline."""
    page = Page(render(make()))
    assert anchor in [attributes["id"] for attributes in page.all("h2")]
    assert len(page.all("img")) == images
    assert len([each for each in page.all("p") if each.get("class") == "insight"]) == images - 6


def test_gate_is_above_the_headline() -> None:
    """The gate's verdict comes first, in the colour of its news, and its checks have a section."""
    source = render(cases.gated("FAIL"))
    assert source.index('<li class="bad"><strong>FAIL</strong>') < source.index('class="headline"')
    assert "gate" in [attributes["id"] for attributes in Page(source).all("h2")]


def test_nothing_is_said_twice(plain_source: str) -> None:
    """No table is captioned like its section, and no warning stands both above and below."""
    titles = re.findall(r"<(?:caption|h2 id=\"\w+\")>(.*?)<", plain_source)
    assert len(set(titles)) == len(titles)
    assert plain_source.count("no steady state after warm-up") == 1


def test_nothing_is_fetched_and_nothing_runs(page: Page, source: str) -> None:
    """There are no scripts, styles or pictures from elsewhere."""
    assert not page.all("script")
    assert not page.all("link")
    assert all((image["src"] or "").startswith("data:image/png;base64,") for image in page.all("img"))
    assert "http" not in re.sub(r"http-equiv", "", source)


def test_pictures_are_png_and_described(page: Page) -> None:
    """Each of the ten pictures is a PNG and has an alternative text that names the sample."""
    images = page.all("img")
    assert len(images) == 10
    for image in images:
        assert b64decode((image["src"] or "").partition(",")[2]).startswith(b"\x89PNG")
        assert "bundled sample" in (image["alt"] or "")


def test_figures_are_in_the_page(page: Page) -> None:
    """Headline, ratio, parity verdict, flips, plan and machine are there to read."""
    for words in (
        "int8-static is ×0.625 of fp32's latency",
        "×0.625 ± 0.005",
        "FAIL",
        "int8-static: 37 of 10,000 decisions differ",
        "int8-static: F1 of each class beside the reference",
        "F1 drop of Shirt, lower bound",
        "McNemar p",
        "Coverage at risk",
        "Margin certificate",
        "10; a cell needs 10 to count as precise and gets at most 1,000",
        "Example CPU @ 2.50GHz",
        "A/A check",
    ):
        assert words in page.words


def test_what_judges_the_measurement_is_quiet(plain_source: str) -> None:
    """Rows of controls are toned down, the reference is strong, and good and bad news are marked."""
    summary = plain_source[plain_source.index("<table>") : plain_source.index("</table>")]
    tones = re.findall(r'<tr class="(\w+)">', summary)
    assert tones == ["strong", "good", "bad", "plain", "bad", "quiet", "quiet", "quiet"]


def test_wide_interval_takes_a_line_of_its_own(bench: BenchReport) -> None:
    """Both ends of a wide interval stand below its centre, so that the table does not grow wide."""
    wide = Interval(value=52e-6, low=30e-6, high=90e-6)
    latency = msgspec.structs.replace(bench.results[1].latency, p90_s=wide)
    results = [bench.results[0], msgspec.structs.replace(bench.results[1], latency=latency), *bench.results[2:]]
    source = render(msgspec.structs.replace(bench, results=results))
    assert "<td>52.0<br>(30.0 to 90.0) µs</td>" in source


def test_sample_note_has_a_place_of_its_own(page: Page, plain_page: Page) -> None:
    """The note stands above all figures, and only if the data is the sample."""
    assert [each for each in page.all("p") if each.get("class") == "sample"]
    assert not [each for each in plain_page.all("p") if each.get("class") == "sample"]


def test_hostile_text_stays_text(hostile_bench: BenchReport) -> None:
    """Labels, reasons, versions and names are escaped everywhere, in attributes too."""
    labels = hostile_bench.data.labels
    training, verification = pieces.training(labels=labels), pieces.verification()
    source = render(hostile_bench, Beside(training, verification))
    assert "<script" not in source
    assert "\x1b" not in source
    assert "<script>alert('x')</script>" in Page(source).words


def test_warnings_and_partial_runs_are_on_top(without_evidence: BenchReport) -> None:
    """What went wrong is said before the first table."""
    source = render(without_evidence)
    top = source[: source.index("<table")]
    assert "partial: measuring was stopped" in top
    assert "warning: no steady state after warm-up: checkpoint" in top
    assert "the worker died with signal 9" in top


def test_flips_of_a_broken_artifact_are_bounded(page: Page) -> None:
    """Of many flips the page shows the first 200 and counts the rest."""
    assert "200 of 212 shown" in page.words
