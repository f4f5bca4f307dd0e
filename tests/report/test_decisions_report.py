"""What a verification says of decisions: in tables, on the page, and as pictures."""

import re
from io import BytesIO, StringIO
from pathlib import Path

import msgspec
import numpy as np
import pieces
import proofs
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from rich.console import Console, Group

from edgefashion import report
from edgefashion.records import BenchReport, Parity, VerifyReport
from edgefashion.report import plots
from edgefashion.report.beside import Beside
from edgefashion.report.decisions_grids import checks_grid, class_drops_grid, overview_grids
from edgefashion.report.flips import galleries
from edgefashion.report.gallery import flips_gallery
from edgefashion.report.markdown import to_markdown
from edgefashion.report.sections import sections
from edgefashion.report.tables import verification_overview


@pytest.fixture(scope="module")
def proven() -> VerifyReport:
    return proofs.verification()


def printed(result: VerifyReport, *, width: int) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(Group(*verification_overview(result)))
    return console.export_text()


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


# Tables


def test_overview_says_every_figure(proven: VerifyReport) -> None:
    """Accuracy with intervals, lost and gained, McNemar's p, Brier, calibration, coverage and certificate are there."""
    cells = {grid.title: {row.cells[0]: row.cells[1:] for row in grid.rows} for grid in overview_grids(proven)}
    assert cells["Decisions"]["int8-static"] == (
        "86.60 (85.92 to 87.25) %",
        "86.23 (85.00 to 87.00) %",
        "37",
        "0",
        "< 0.001",
        "+0.37 (+0.27 to +0.47)",
    )
    rise = "+0.37 (+0.27 to +0.47)"
    assert cells["Confidence"]["int8-static"] == ("0.1950", "0.1953", rise, "0.0442", "0.0459")
    assert cells["Coverage at risk"]["fp32"] == ("5.0 %", "0.6815", "77.49 %", "77.46 %", "4.99 %", "5.12 %")
    assert cells["Margin certificate"]["int8-static"] == ("1.41", "94.21 %", "93.74 %", "0", "0.00190")


def test_unreachable_risk_is_not_available(proven: VerifyReport) -> None:
    """Where no threshold keeps to a risk, nothing is claimed to be covered."""
    coverage = next(grid for grid in overview_grids(proven) if grid.title == "Coverage at risk")
    assert coverage.rows[0].cells == ("fp32", "1.0 %", "none", "n/a", "n/a", "n/a", "n/a")


def test_golden_outputs_have_no_row(proven: VerifyReport, verification: VerifyReport) -> None:
    """An artifact that saw golden pictures alone has no row, and where all did there is no table."""
    assert all("fp16" not in {row.cells[0] for row in grid.rows} for grid in overview_grids(proven))
    assert overview_grids(verification) == []


def test_sample_is_announced_below_each_table() -> None:
    """Each table of figures from the sample carries the note."""
    sample = proofs.verification(is_sample=True)
    assert all(sample.data.note in grid.notes for grid in [*overview_grids(sample), checks_grid(sample)])


def test_class_that_lost_most_is_marked(proven: VerifyReport) -> None:
    """The most damaged class is the strong row, with its drop, its adjusted p and the bound for all classes."""
    parity = proven.results[1]
    grid = class_drops_grid(parity, parity.decisions)
    (marked,) = [row for row in grid.rows if row.tone == "strong"]
    assert marked.cells == ("Shirt", "1,000", "0.800", "0.782", "+1.85 (−0.20 to +3.00)", "< 0.001", "+0.85")
    assert len(grid.rows) == 10


def test_every_check_has_its_verdict(proven: VerifyReport) -> None:
    """Each figure stands beside its limit, and only the last column says who passes."""
    rows = {row.cells[:2]: row.cells[2:] for row in checks_grid(proven).rows}
    assert len(rows) == 7
    assert rows["int8-static", "top-1 agreement"] == ("0.9963", "≥ 0.985", "PASS")
    assert rows["int8-dynamic", "F1 drop of Shirt, lower bound"] == ("0.02", "≤ 0.01", "FAIL")
    assert rows["fp32", "F1 drop of Shirt, lower bound"] == ("−0.01", "≤ 0.01", "PASS")


@pytest.mark.parametrize("width", [80, 120])
def test_terminal_cuts_nothing(proven: VerifyReport, width: int) -> None:
    """Figures come before the checks, none is cut, and no line is longer than the terminal."""
    text = printed(proven, width=width)
    for words in ("86.60 (85.92 to 87.25) %", "+0.37 (+0.27 to +0.47)", "+1.85 (−0.20 to +3.00)", "0.00190", "0.6815"):
        assert words in text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    order = ["Parity with", "Decisions", "Confidence", "Coverage", "Margin", "int8-static: F1", "37 of", "Checks"]
    places = [text.index(words) for words in order]
    assert places == sorted(places)


def test_classes_are_told_only_where_decisions_differ(proven: VerifyReport) -> None:
    """Where nothing flips no class can have changed."""
    assert "fp32: F1 of each class" not in printed(proven, width=120)


def test_markdown_holds_each_table(bench: BenchReport, proven: VerifyReport) -> None:
    """Decisions, confidence, coverage, certificate, classes and checks are sections of the report on parity."""
    found = re.findall(r"^### (.*)$", to_markdown(bench, Beside(verification=proven)), re.MULTILINE)
    parity = found[found.index("Parity with the reference") :]
    assert parity[1:6] == ["Decisions", "Confidence", "Coverage at risk", "Margin certificate", "Checks"]
    assert parity[6] == "int8-static: F1 of each class beside the reference"


@pytest.mark.parametrize("is_sample", [False, True])
def test_galleries_have_words_for_who_cannot_see_them(bench: BenchReport, is_sample: bool) -> None:
    """Each gallery's text names its artifact, and the sample if it is the sample; so does the figure."""
    result = proofs.verification(is_sample=is_sample)
    section = next(
        each for each in sections(bench, Beside(verification=result), most_flips=10) if each.anchor == "parity"
    )
    assert [each.name for each in section.pictures] == list(plots.verification_figures(result))
    assert section.pictures[0].alt.startswith("Pictures on which int8-static decides differently")
    drawn = " ".join(texts(flips_gallery(result.results[1], result.data)))
    assert ("bundled sample" in section.pictures[0].alt, "bundled sample" in drawn) == (is_sample, is_sample)


# Pictures


def test_gallery_shows_each_picture_with_both_answers(proven: VerifyReport) -> None:
    """The surest flip is first; its pixels, number, class, answers and margins are its own."""
    parity = proven.results[1]
    figure = flips_gallery(parity, proven.data)
    shown = figure.axes[0].images
    surest = max(parity.flips, key=lambda flip: flip.reference_margin)
    assert len(shown) == 37
    assert np.unique(shown[0].get_array()).tolist() == [surest.index]
    words = texts(figure)
    assert f"{surest.index} · Shirt" in words
    assert "was Shirt 0.37 ✓" in words
    assert f"now {pieces.LABELS[surest.candidate_class]} 0.020" in words
    assert "37 of 10,000 decisions differ" in " ".join(words)
    assert "shown" not in " ".join(words)
    lefts, tops = [image.get_extent()[0] for image in shown], [image.get_extent()[3] for image in shown]
    assert len(set(zip(lefts, tops, strict=True))) == 37


def test_gallery_shows_at_most_48(proven: VerifyReport) -> None:
    """Of more flips the rest is counted."""
    figure = flips_gallery(proven.results[2], proven.data)
    assert len(figure.axes[0].images) == 48
    assert "48 of 212 shown, largest reference margin first" in " ".join(texts(figure))


def test_who_is_right_is_marked(proven: VerifyReport) -> None:
    """A tick and a colour of its own tell a gained picture from a lost one and from one that both get wrong."""
    parity = proven.results[1]
    lost = parity.flips[0]
    gained = msgspec.structs.replace(lost, label=lost.candidate_class)
    neither = msgspec.structs.replace(lost, label=9)
    colours = set()
    for flip, ticks in ((lost, "was"), (gained, "now"), (neither, "")):
        figure = flips_gallery(msgspec.structs.replace(parity, flips=[flip]), proven.data)
        _, was, now = figure.axes[0].texts
        assert (ticks == "was", ticks == "now") == ("✓" in was.get_text(), "✓" in now.get_text())
        colours.add(now.get_color())
    assert len(colours) == 3


def test_galleries_are_only_of_what_can_be_drawn(proven: VerifyReport, verification: VerifyReport) -> None:
    """No flips, flips without pictures, and pictures of another shape have no gallery; names are fit for files."""
    assert list(galleries(proven)) == ["flips-int8-static", "flips-int8-dynamic"]
    assert galleries(verification) == {}
    other = msgspec.structs.replace(proven.data, image_shape=[32, 32])
    assert galleries(msgspec.structs.replace(proven, data=other)) == {}
    assert galleries(of_variant(proven, "../../a b")).keys() == {"flips-..-..-a-b"}


def of_variant(result: VerifyReport, variant: str) -> VerifyReport:
    parity = result.results[1]
    renamed = msgspec.structs.replace(parity, artifact=msgspec.structs.replace(parity.artifact, variant=variant))
    return msgspec.structs.replace(result, results=[renamed])


def test_hostile_text_is_drawn_as_text() -> None:
    """Class names and variants are no formulas and no markup, and a long one does not grow into its neighbour."""
    labels = ["$\\frac{", "<b>", "\x1b[31m", "a\nb", "x" * 400, *pieces.LABELS[5:]]
    hostile = of_variant(proofs.verification(labels=labels), "$x_{$")
    figure = next(iter(plots.verification_figures(hostile).values()))()
    assert Image.open(BytesIO(plots.png(figure))).format == "PNG"
    assert max(len(text.get_text()) for text in figure.axes[0].texts) < 30
    assert "\x1b" not in printed(hostile, width=120)


def test_same_flips_give_the_same_bytes(proven: VerifyReport) -> None:
    """Drawing twice gives identical files."""
    first, second = (plots.png(flips_gallery(proven.results[1], proven.data)) for _ in range(2))
    assert first == second


def test_galleries_are_saved_and_stale_ones_removed(proven: VerifyReport, tmp_path: Path) -> None:
    """Each gallery is a PNG in plots/; one of a model that flips nothing any more goes, other plots stay."""
    folder = tmp_path / "plots"
    folder.mkdir()
    for name in ("flips-gone", "tradeoff"):
        (folder / f"{name}.png").write_bytes(b"old")
    one = msgspec.structs.replace(proven, results=proven.results[:2])
    assert report.save_verification_plots(one, tmp_path) == [folder / "flips-int8-static.png"]
    assert sorted(path.name for path in folder.iterdir()) == ["flips-int8-static.png", "tradeoff.png"]
    assert Image.open(folder / "flips-int8-static.png").format == "PNG"


def test_record_round_trip(proven: VerifyReport, tmp_path: Path) -> None:
    """A verification with decisions, certificate and pictures is read as it was written."""
    path = proven.save(tmp_path / "verify.json")
    loaded = VerifyReport.load(path)
    assert proven.results == loaded.results


def test_records_of_earlier_versions_are_read(proven: VerifyReport) -> None:
    """Fields that older proofs lack have a value that says so."""
    plain = msgspec.json.decode(msgspec.json.encode(proven.results[1]))
    for name in ("decisions", "certificate"):
        del plain[name]
    for flip in plain["flips"]:
        del flip["pixels"]
    old = msgspec.convert(plain, type=Parity)
    assert (old.decisions, old.certificate, old.flips[0].pixels) == (None, None, b"")
