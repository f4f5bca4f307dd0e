"""A choice in tables, words and a figure."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import cases
import examples
import msgspec
import pytest
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image
from rich.console import Console

from edgefashion.pick import limits, pick, select
from edgefashion.records import BenchReport, Cell
from edgefashion.records.pick import Choice
from edgefashion.report.drawing import png
from edgefashion.report.grids import Row
from edgefashion.report.pick_grids import candidates_grid
from edgefashion.report.pick_plot import front
from edgefashion.report.pick_words import verdict_on_choice
from edgefashion.report.tables import table

STATES = (examples.bench, cases.foreign, cases.gated, cases.invalid, cases.nothing_measured, cases.without_evidence)


@pytest.fixture
def all_measured(bench: BenchReport) -> BenchReport:
    return examples.only(bench, examples.BASE, examples.STATIC, examples.HALF, examples.TORCH)


def with_p50(bench: BenchReport, changed: Cell, seconds: float) -> BenchReport:
    results = [
        msgspec.structs.replace(
            each, latency=msgspec.structs.replace(each.latency, median_s=examples.interval(seconds))
        )
        if each.cell == changed.label
        else each
        for each in bench.results
    ]
    return msgspec.structs.replace(bench, results=results)


def choice_of(bench: BenchReport, *, prefer: Any = "accuracy", **wanted: Any) -> Choice:
    return pick(bench, select(bench), limits(**wanted), prefer=prefer)


def sentence(bench: BenchReport, **wanted: Any) -> str:
    return verdict_on_choice(choice_of(bench, **wanted), bench.plan).text


def rows_of(bench: BenchReport, **wanted: Any) -> dict[str, Row]:
    grid = candidates_grid(choice_of(bench, **wanted), bench.plan)
    assert {len(grid.columns)} == {len(row.cells) for row in grid.rows}
    return {row.cells[0]: row for row in grid.rows}


def texts(figure: Figure) -> list[str]:
    figure.draw_without_rendering()
    return [each.get_text() for each in figure.findobj(Text) if each.get_text()]


def test_the_choice_is_said_with_its_figures(bench: BenchReport) -> None:
    """PASS names the model, its rank among those that keep the limits, and every figure that was limited."""
    assert sentence(bench, max_size="28kB", max_p99="150us", min_class_f1=["Shirt=0.5"]) == (
        "PASS: int8-static is the only one of 5 that keeps size ≤ 28.0 kB, p99 ≤ 150 µs, F1 of Shirt ≥ 0.500: "
        "27.8 kB, accuracy 86.50 % (85.82 to 87.16), median 52.6 ± 0.3 µs, p99 132 ± 7 µs, "
        "F1 of Shirt 0.675 (0.649 to 0.699)"
    )
    assert sentence(bench, max_p50="1ms").startswith("PASS: fp32 is the most accurate of 4 that keep p50 ≤ 1.00 ms: ")
    assert sentence(bench, prefer="size").startswith("PASS: int8-static is the smallest of 4: 27.8 kB, ")


def test_a_rival_that_cannot_be_told_is_said(bench: BenchReport) -> None:
    """Whoever chooses is told what would be better if it were known."""
    rivals = [f"{name} would be chosen if it keeps p99 ≤ 212 µs, which cannot be told" for name in ("fp32", "fp16")]
    said = sentence(bench, max_p99="212us").split("; ")
    assert said[0].startswith("PASS: int8-static is the only one of 5 that keeps p99 ≤ 212 µs: ")
    assert rivals == said[1:]


def test_what_is_out_of_reach_is_said_with_the_distance(all_measured: BenchReport) -> None:
    """FAIL names every limit that nothing keeps, the closest candidate, and by how much it misses."""
    assert sentence(all_measured, max_size="20kB", max_p99="1ms") == (
        "FAIL: nothing keeps size ≤ 20.0 kB: the closest is int8-static with 27.8 kB, beyond it by 7.77 kB"
    )
    assert sentence(all_measured, min_accuracy="90%", max_p99="20us", min_class_f1=["Shirt=.9"]) == (
        "FAIL: nothing keeps accuracy ≥ 90.00 %: the closest is fp32 with 86.60 % (85.92 to 87.25), "
        "beyond it by 3.40 points (at least 2.75 points); "
        "nothing keeps p99 ≤ 20.0 µs: the closest is int8-static with 132 ± 7 µs, "
        "beyond it by 112 µs (at least 105 µs); "
        "nothing keeps F1 of Shirt ≥ 0.900: the closest is fp32 with 0.676 (0.651 to 0.701), "
        "beyond it by 0.224 (at least 0.199)"
    )


def test_limits_that_exclude_each_other_are_said(all_measured: BenchReport) -> None:
    """FAIL without a limit out of reach names those that miss least, and not what stands behind one of them."""
    slow_bench = with_p50(all_measured, examples.STATIC, 100e-6)
    assert sentence(slow_bench, max_size="28kB", max_p50="90us") == (
        "FAIL: nothing keeps size ≤ 28.0 kB, p50 ≤ 90.0 µs at once; closest: fp32 (size missed by 24.2 kB); "
        "int8-static (p50 missed by 10.0 µs (at least 9.50 µs)); fp16 (size missed by 1.49 kB)"
    )
    assert sentence(with_p50(slow_bench, examples.HALF, 84.1e-6), max_size="28kB", max_p50="90us").endswith(
        "at once; closest: int8-static (p50 missed by 10.0 µs (at least 9.50 µs)); fp16 (size missed by 1.49 kB)"
    )


def test_what_would_tell_is_said(bench: BenchReport) -> None:
    """INCONCLUSIVE says of which candidate and limit, from which interval, and how many pictures or launches."""
    alone = examples.only(bench, examples.BASE, examples.DUPLICATE)
    assert sentence(alone, max_p99="205us", min_accuracy="86%") == (
        "INCONCLUSIVE: fp32: accuracy ≥ 86.00 % cannot be told from 86.60 % (85.92 to 87.25): "
        "about 13,000 pictures would tell, there were 10,000, "
        "p99 ≤ 205 µs cannot be told from 210 ± 11 µs: about 41 launches would tell, there were 10"
    )


def test_what_was_not_measured_is_said_once(bench: BenchReport) -> None:
    """A cell without figures leaves a choice open that all others miss, and its reason is given once."""
    assert sentence(bench, min_accuracy="90%", max_p99="20us") == (
        "INCONCLUSIVE: int8-dynamic: cannot be placed: it was not measured: the worker died with signal 9"
    )


def test_every_candidate_has_a_row(bench: BenchReport) -> None:
    """Figures, its place on the front or who stands before it, and by how much it misses what."""
    rows = rows_of(bench, max_size="29kB", max_p99="212us", min_class_f1=["Shirt=.5"])
    assert rows["int8-static"] == Row(
        (
            "int8-static",
            "27.8 kB",
            "86.50 % (85.82 to 87.16)",
            "52.6 ± 0.3 µs",
            "132 ± 7 µs",
            "0.675 (0.649 to 0.699)",
            "on it",
            "chosen",
        ),
        "good",
    )
    assert rows["fp32"].cells[-2:] == ("on it", "size missed by 23.2 kB; p99 cannot be told")
    assert rows["fp32"].tone == "bad"
    pytorch = rows["checkpoint · pytorch"].cells
    assert pytorch[4] == "at least 310 µs"
    assert pytorch[-2:] == (
        "behind fp16",
        "size missed by 22.0 kB; p99 missed by at least 98.4 µs; imprecise; no steady state",
    )
    failed = rows["int8-dynamic"]
    assert failed.cells[2:] == ("n/a",) * 4 + (
        "unknown: it was not measured: the worker died with signal 9",
        "p99 cannot be told; F1 of Shirt cannot be told",
    )
    assert failed.tone == "doubtful"


def test_without_limits_only_the_front_is_shown(bench: BenchReport) -> None:
    """Nothing is met or missed, and no note speaks of limits."""
    rows = rows_of(bench)
    assert [row.cells[-1] for row in rows.values()][:4] == ["chosen", "", "", ""]
    notes = candidates_grid(choice_of(bench), bench.plan).notes
    assert not any("limits:" in note or "met or missed" in note for note in notes)


def test_the_machine_and_the_sample_are_noted(bench: BenchReport, sample_bench: BenchReport) -> None:
    """Limits, machine and data stand below the table."""
    notes = candidates_grid(choice_of(sample_bench, max_size="1MB"), sample_bench.plan).notes
    assert "limits: size ≤ 1.00 MB" in notes
    assert "machine usable: Example CPU @ 2.50GHz; canary drifted by 2.1 %" in notes
    assert sample_bench.data.note in notes
    assert not any("sample" in note for note in candidates_grid(choice_of(bench), bench.plan).notes)


@pytest.mark.parametrize("make", [*STATES, cases.hostile])
def test_every_state_has_words_a_table_and_a_figure(make: Callable[[], BenchReport]) -> None:
    """Foreign models, a gate, an invalid machine, one launch, nothing but failures, hostile names: each is shown."""
    made = make()
    choice = choice_of(made, max_size="30kB", min_accuracy="86%", max_p99="200us")
    assert verdict_on_choice(choice, made.plan).text.isprintable()
    Console(file=None, quiet=True).print(table(candidates_grid(choice, made.plan)))
    assert Image.open(BytesIO(png(front(choice, made.plan)))).format == "PNG"


def test_the_figure_shows_every_placed_candidate(sample_bench: BenchReport) -> None:
    """A marker each, full on the front, its area the size; the limits and the sample are in the notes."""
    figure = front(choice_of(sample_bench, max_size="40kB", min_accuracy=".8", max_p50="60us"), sample_bench.plan)
    marks = [each for each in figure.axes[0].collections if isinstance(each, PathCollection)]
    assert [pytest.approx(tuple(each.get_offsets()[0])) for each in marks] == [
        (84.1e-6, 86.6),
        (52.6e-6, 86.5),
        (84.6e-6, 86.6),
        (312e-6, 86.6),
    ]
    is_full = [each.get_facecolor()[0].tolist() == each.get_edgecolor()[0].tolist() for each in marks]
    assert is_full == [True, True, True, False]
    assert marks[0].get_sizes()[0] / marks[1].get_sizes()[0] == pytest.approx(52_162 / 27_773)
    said = texts(figure)
    assert sample_bench.data.note in "\n".join(said)
    assert "limits: size ≤ 40.0 kB, accuracy ≥ 80.00 %, p50 ≤ 60.0 µs" in "\n".join(said)


def test_the_figure_says_when_nothing_is_placed() -> None:
    """Where no accuracy or no latency is known there is a sentence instead of axes."""
    made = cases.nothing_measured()
    assert "no candidate's accuracy and latency are known" in texts(front(choice_of(made), made.plan))
