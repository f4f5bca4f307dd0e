"""Tables for a terminal, and the numbers and words in them."""

import re
from io import StringIO

import examples
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.table import Table

from edgefashion import report
from edgefashion.recipes import RECIPES
from edgefashion.records import BenchReport, Interval, TrainingReport, VerifyReport
from edgefashion.report import format as fmt
from edgefashion.report import tables, words

SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}
BYTES = {"B": 1, "kB": 1e3, "MB": 1e6, "GB": 1e9}


def printed(table: Table, *, width: int = 200) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


def number(text: str) -> float:
    return float(text.replace(",", "").replace(fmt.MINUS, "-"))


class TestNumbers:
    @pytest.mark.parametrize(
        ("seconds", "text"),
        [
            (84.1e-6, "84.1 µs"),
            (5.02e-3, "5.02 ms"),
            (1.2, "1.20 s"),
            (0.99996e-3, "1.00 ms"),
            (12e-9, "12.0 ns"),
            (0.0, "0 s"),
        ],
    )
    def test_duration_examples(self, seconds: float, text: str) -> None:
        """A duration has three significant digits in the unit that reads best."""
        assert text == fmt.duration(seconds)

    @given(st.floats(1e-9, 9e5))
    def test_duration_keeps_its_value(self, seconds: float) -> None:
        """Reading a duration back gives the value to half a unit of its third digit."""
        digits, unit = fmt.duration(seconds).split()
        assert number(digits) * SECONDS[unit] == pytest.approx(seconds, rel=0.00501)

    @given(st.floats(1e-9, 999))
    def test_duration_number_is_readable(self, seconds: float) -> None:
        """A duration below 1,000 s is written with a number from 1 to 999."""
        assert 1 <= number(fmt.duration(seconds).split()[0]) < 1000

    @given(st.integers(0, 10**12))
    def test_size_keeps_its_value(self, count_bytes: int) -> None:
        """Reading a size back gives the bytes to half a unit of its third digit."""
        digits, unit = fmt.size(count_bytes).split()
        assert number(digits) * BYTES[unit] == pytest.approx(count_bytes, rel=0.00501)

    @given(st.floats(1e-6, 1e4), st.floats(1e-5, 0.19))
    def test_ratio_shows_value_and_uncertainty_to_the_same_decimal(self, value: float, relative: float) -> None:
        """A ratio and its half width end at the same decimal, and that decimal resolves the half width."""
        half = value * relative
        text = fmt.ratio(Interval(value=value, low=value - half, high=value + half))
        shown, uncertainty = text.removeprefix("×").split(" ± ")
        assert len(shown.partition(".")[2]) == len(uncertainty.partition(".")[2])
        assert number(uncertainty) == pytest.approx(half, rel=0.26, abs=1e-9)

    @given(st.floats(-1, 1))
    def test_points_carry_a_sign(self, change: float) -> None:
        """A change is +, − or ±, and ± exactly if it rounds to nothing."""
        text = fmt.points(change)
        assert (round(abs(100 * change), 2) == 0) == text.startswith("±")
        assert number(text.replace("±", "")) == pytest.approx(100 * change, abs=0.00501)

    def test_interval_without_width(self) -> None:
        """Identical launches give a width of 0, not an error."""
        assert fmt.ratio(Interval(value=0.62, low=0.62, high=0.62)) == "×0.620 ± 0"

    def test_interval_without_bound(self) -> None:
        """An interval whose upper end overflowed is shown as unbounded."""
        assert fmt.ratio(Interval(value=1.0, low=0.0, high=float("inf"))) == "×1.00 (0.000 to ∞)"

    def test_wide_intervals_show_both_ends(self) -> None:
        """Where ± would reach below zero, or hide that 1 is outside, both ends are written."""
        wide = Interval(value=10.1, low=2.13, high=48.2)
        assert fmt.ratio(wide) == "×10.1 (2.13 to 48.20)"
        assert fmt.duration_interval(Interval(value=172e-6, low=33.2e-6, high=889e-6)) == "172 (33.2 to 889.0) µs"

    def test_range_ends_at_one_decimal(self) -> None:
        """Both ends of a range have the same number of decimals."""
        assert fmt.ratio_range(Interval(value=1.007, low=0.9941, high=1.0212)) == "0.994 to 1.021"

    @given(st.text())
    def test_clean_text_can_be_printed(self, text: str) -> None:
        """Cleaned text has no line breaks, terminal codes or direction marks, and as many characters as before."""
        assert fmt.clean(text).isprintable()
        assert len(text) == len(fmt.clean(text))


class TestSummary:
    def test_every_cell_has_its_figures(self, bench: BenchReport) -> None:
        """A row tells size, quality, latency with its interval, percentiles, throughput, ratio and rank."""
        text = printed(tables.summary_table(bench))
        for figure in (
            "int8-static",
            "27.8 kB",
            "86.50 %",
            "Shirt 0.675",
            "52.6 ± 0.3 µs",
            "55.8 µs",
            "132 µs",
            "18,500",
            "×0.625 ± 0.008",
            "faster",
            "slower",
            "no difference found",
        ):
            assert figure in text

    def test_second_copy_is_the_last_row(self, bench: BenchReport) -> None:
        """The reference's second copy is shown after all others, as the A/A check."""
        assert list(tables.summary_table(bench).columns[0].cells)[-1].plain == "A/A check"

    def test_failure_is_a_row_with_its_reason(self, bench: BenchReport) -> None:
        """A cell that could not be measured has its row, and the caption says why."""
        text = printed(tables.summary_table(bench))
        assert "not measured" in text
        assert "int8-dynamic · onnxruntime: the worker died with signal 9" in text

    def test_missing_figures_are_not_available(self, without_evidence: BenchReport) -> None:
        """Without launches enough, median, percentiles and ratio read n/a or are empty, never 0."""
        table = tables.summary_table(without_evidence)
        assert next(iter(table.columns[4].cells)).plain == "n/a\nn/a\nn/a"
        assert list(table.columns[6].cells)[1].plain == "\nnot enough launches"

    def test_partial_run_is_announced(self, without_evidence: BenchReport) -> None:
        """A table of a run that was stopped says so."""
        assert "partial" in printed(tables.summary_table(without_evidence))

    def test_settings_that_cells_share_are_said_once(self, bench: BenchReport) -> None:
        """What does not differ between rows stands in the caption; what differs, in each name."""
        text = printed(tables.summary_table(bench))
        assert text.count("1 thread") == 1
        assert "checkpoint · pytorch" in text

    def test_no_row_is_cut_at_80_columns(self, bench: BenchReport) -> None:
        """A narrow terminal still shows each figure unbroken."""
        text = printed(tables.summary_table(bench), width=80)
        assert "52.6 ± 0.3 µs" in text
        assert "×0.625 ± 0.008" in text

    def test_labels_are_not_markup(self, hostile_bench: BenchReport) -> None:
        """Brackets in a label are shown as they are, and terminal codes do not reach the terminal."""
        text = printed(tables.summary_table(hostile_bench), width=1000)
        assert "[red]" in text
        assert "\x1b" not in text


class TestNames:
    def test_cells_that_settings_do_not_tell_apart_keep_their_labels(self, bench: BenchReport) -> None:
        """Two cells that differ in nothing a name shows are told apart by their labels."""
        twin = msgspec.structs.replace(bench.plan.cells[1], label="twin")
        plan = msgspec.structs.replace(bench.plan, cells=[*bench.plan.cells, twin])
        names = words.cell_names(plan)
        assert names["twin"] == "twin"
        assert len(set(names.values())) == len(plan.cells)

    def test_artifacts_of_two_models_are_told_apart(self) -> None:
        """Where two artifacts share a variant, the model's name comes first."""
        other = msgspec.structs.replace(examples.FP32, name="seed-wide", sha256="ab")
        names = words.variant_names([examples.FP32, other, examples.INT8])
        assert list(names.values()) == ["seed/fp32", "seed-wide/fp32", "int8-static"]


class TestHeadline:
    def test_fastest_cell_beside_the_reference(self, bench: BenchReport) -> None:
        """The headline names the fastest cell, its ratio, sizes, accuracy and the A/A ratio."""
        expected = (
            "int8-static · onnxruntime is ×0.625 of fp32 · onnxruntime's latency a picture "
            "(95 % interval 0.617 to 0.633), 27.8 kB instead of 52.2 kB, accuracy −0.10 points; A/A ratio 1.002"
        )
        assert expected == report.headline(bench)

    def test_nothing_faster(self) -> None:
        """Where no cell ranks as faster, the headline claims no gain, however small a ratio is."""
        plain = examples.bench()
        results = [
            msgspec.structs.replace(each, rank="no difference found") if each.rank == "faster" else each
            for each in plain.results
        ]
        said = report.headline(msgspec.structs.replace(plain, results=results))
        assert said.startswith(
            "nothing was found to be faster than fp32 · onnxruntime (2 no difference found, 1 slower)"
        )

    def test_second_copy_is_never_the_headline(self) -> None:
        """The reference's second copy does not win, even if chance ranks it as faster."""
        plain = examples.bench()
        lucky = [
            msgspec.structs.replace(each, rank="faster", ratio=Interval(value=0.5, low=0.4, high=0.6))
            if each.cell == plain.plan.duplicate
            else each
            for each in plain.results
        ]
        assert report.headline(msgspec.structs.replace(plain, results=lucky)).startswith("int8-static")

    def test_without_launches_enough(self, without_evidence: BenchReport) -> None:
        """Without ratios the headline says that nothing could be compared."""
        said = report.headline(without_evidence)
        assert said == "nothing could be compared with fp32 · onnxruntime: there are not enough launches (partial run)"

    def test_sample_is_named(self, sample_bench: BenchReport) -> None:
        """A headline on sample data says so itself."""
        assert sample_bench.data.note in report.headline(sample_bench)


class TestOtherTables:
    def test_training_table_has_the_layout_of_a_classification_report(self, training: TrainingReport) -> None:
        """Accuracy stands under F1 alone; the weighted average fills all columns; the published F1 is beside it."""
        lines = printed(tables.training_table(msgspec.structs.replace(training, recipe=RECIPES["seed"]))).splitlines()
        rows = {line.split("  ")[0].strip(): line.split("  ")[1:] for line in lines}
        figures = {name: [cell.strip() for cell in cells if cell.strip()] for name, cells in rows.items()}
        assert figures["Shirt"] == ["0.772", "0.601", "0.676", "1,000", "0.62"]
        assert figures["accuracy"] == ["0.866", "10,000", "0.86"]
        assert figures["weighted avg"] == ["0.866", "0.866", "0.864", "10,000", "0.86"]

    def test_training_table_without_published_figures(self, training: TrainingReport) -> None:
        """Another recipe than the published one has no column for its figures."""
        assert len(tables.training_table(training).columns) == 5

    def test_parity_verdicts(self, verification: VerifyReport) -> None:
        """Each artifact passes or fails in words, and a failed check is named with figure and limit."""
        table = tables.parity_table(verification)
        assert [cell.plain for cell in table.columns[-1].cells] == ["PASS", "PASS", "FAIL", "PASS"]
        assert "int8-dynamic fails: top-1 agreement is 0.979, must be ≥ 0.985" in printed(table)

    def test_parity_shows_the_change_of_accuracy(self, verification: VerifyReport) -> None:
        """Accuracy stands with its change in points, n/a where only golden outputs were compared."""
        cells = [cell.plain for cell in tables.parity_table(verification).columns[4].cells]
        assert cells == ["86.60 %\n±0.00", "86.50 %\n−0.10", "85.70 %\n−0.90", "n/a\nn/a"]

    def test_flips_are_limited_and_the_surest_first(self, verification: VerifyReport) -> None:
        """At most `limit` flips are shown, those with the reference's largest margins, and the rest is counted."""
        table = tables.flips_table(verification.results[1], examples.LABELS, limit=3)
        assert [cell.plain for cell in table.columns[0].cells] == ["136", "135", "134"]
        assert "3 of 37 shown" in printed(table)

    def test_per_class_has_a_column_for_each_artifact(self, bench: BenchReport) -> None:
        """Artifacts appear once each, in the plan's order, and the second copy of the reference does not."""
        headers = [column.header.plain for column in tables.per_class_table(bench).columns]
        assert headers == ["class", "fp32", "int8-static", "fp16", "checkpoint"]

    def test_sample_data_is_announced_below_every_table(self, sample_bench: BenchReport) -> None:
        """Each table of figures from the sample carries the note."""
        note = sample_bench.data.note
        verification = examples.verification(is_sample=True)
        for table in (
            tables.summary_table(sample_bench),
            tables.per_class_table(sample_bench),
            tables.training_table(examples.training(is_sample=True)),
            tables.parity_table(verification),
        ):
            assert note in re.sub(r"\s+", " ", printed(table))
