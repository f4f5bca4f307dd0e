"""Tables for a terminal."""

import re
from io import StringIO

import cases
import msgspec
import operating_cases
import pieces
import pytest
from rich.console import Console, Group
from rich.table import Table

from edgefashion.recipes import RECIPES
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report import tables


def printed(bench: BenchReport, *, width: int = 200) -> str:
    return drawn(Group(*tables.overview(bench)), width=width)


def drawn(table: Table | Group | tables.Fitting, *, width: int = 200) -> str:
    console = Console(width=width, record=True, file=StringIO())
    console.print(table)
    return console.export_text()


def row(text: str, name: str) -> str:
    """The table's line that begins with this name."""
    return next(line for line in text.splitlines() if re.match(rf"{re.escape(name)}  ", line))


def first_column(text: str) -> list[str]:
    """What stands left of two spaces in the first table's rows."""
    body, _, _ = re.sub(r" +\n", "\n", text[text.index("─") :]).partition("\n\n")
    return [line.strip().split("  ")[0] for line in body.splitlines()[1:] if re.match(r"\w", line)]


class TestOverview:
    def test_verdicts_come_before_everything(self) -> None:
        """The gate decides first, then the machine, then the headline, and only then figures follow."""
        lines = printed(cases.gated("FAIL")).splitlines()
        assert lines[0].startswith("FAIL: int8-static is ×1.031 of its baseline, more than the 1 % that is tolerated")
        assert "machine usable: canary drifted by 2.1 %" in lines
        table = next(number for number, line in enumerate(lines) if line.startswith("Summary"))
        assert lines.index("machine usable: canary drifted by 2.1 %") < table

    def test_every_cell_has_its_figures(self, bench: BenchReport) -> None:
        """A row tells size, quality, latency with its interval, precision, percentile, ratio and rank."""
        figures = re.split(r" {2,}", row(printed(bench), "int8-static").strip())
        assert figures == [
            "int8-static",
            "27.8 kB",
            "86.50 %",
            "Shirt 0.675",
            "52.6 ± 0.3 µs",
            "±0.80 %",
            "132 µs",
            "×0.625 ± 0.005",
            "faster",
        ]

    def test_controls_are_the_last_rows(self, bench: BenchReport) -> None:
        """What judges the measurement follows what is measured: naive call, null model, A/A check."""
        expected = ["fp32", "int8-static", "int8-dynamic", "fp16", "checkpoint · pytorch"]
        expected += ["naive call", "null model", "A/A check"]
        assert expected == first_column(printed(bench))

    def test_empty_graph_is_not_ranked(self, bench: BenchReport) -> None:
        """Nobody chooses between a model and none: the null model has a ratio and no rank."""
        assert row(printed(bench), "null model").rstrip().endswith("×0.0273 ± 0.0002")

    def test_labels_are_seen_in_the_row(self, bench: BenchReport) -> None:
        """Whatever restricts a figure stands beside its rank."""
        text = printed(bench)
        assert "slower, imprecise, no" in row(text, "checkpoint · pytorch")
        assert "imprecise" not in row(text, "fp16")

    def test_failure_is_a_row_with_its_reason(self, bench: BenchReport) -> None:
        """A cell that could not be measured has its row, and a line above the table says why."""
        text = printed(bench)
        assert row(text, "int8-dynamic").rstrip().endswith("not measured")
        assert "not measured: int8-dynamic: the worker died with signal 9" in text

    def test_warnings_are_said_once(self, bench: BenchReport) -> None:
        """A warning stands above the table and nowhere else, with the names that the table uses."""
        assert printed(bench).count("no steady state after warm-up: checkpoint · pytorch") == 1

    def test_unknown_accuracy_is_called_unknown(self) -> None:
        """A foreign model has no accuracy and no table of classes; an empty graph has none to know."""
        text = printed(cases.foreign())
        assert re.split(r" {2,}", row(text, "fp32").strip())[2:4] == ["unknown", "unknown"]
        assert "unknown" not in row(text, "null model")
        assert "F1 per class" not in text

    def test_invalid_measurement_ranks_nothing(self) -> None:
        """On an invalid machine no row is faster or slower, and that is said above the table."""
        text = printed(cases.invalid())
        assert text.startswith("measurement invalid: steal took 31 % of the time\nnothing is ranked")
        assert not re.search("faster|slower", text)
        assert "not ranked" in row(text, "int8-static")

    def test_missing_figures_are_not_available(self, without_evidence: BenchReport) -> None:
        """Without launches enough, median, precision, percentile and ratio read n/a, never 0."""
        figures = re.split(r" {2,}", row(printed(without_evidence), "int8-static").strip())
        assert figures[4:] == ["n/a", "n/a", "n/a", "n/a", "not enough launches"]

    def test_partial_run_is_announced(self, without_evidence: BenchReport) -> None:
        """A run that was stopped says so above its table."""
        assert "partial: measuring was stopped" in printed(without_evidence)

    def test_settings_that_cells_share_are_said_once(self, bench: BenchReport) -> None:
        """What holds for every row stands below the table; what differs from the reference, in the name."""
        text = printed(bench)
        assert text.count("1 thread") == 1
        assert "checkpoint · pytorch" in text
        assert "fp32 · onnxruntime" not in text

    def test_gate_checks_are_tables(self) -> None:
        """Each check of the gate has a row with its figures and its verdict."""
        text = printed(cases.gated("PASS"))
        gate = text[text.index("Gate: latency") :]
        latency = re.split(r" {2,}", row(gate, "int8-static").strip())
        assert latency[2:] == ["10", "×0.998 ± 0.004", "0.900", "0.012 %", "1.8 %", "PASS"]
        assert "+0.10 (−0.10 to +0.30)" in gate[gate.index("Gate: quality") :]

    @pytest.mark.parametrize("width", [80, 100, 120, 160])
    @pytest.mark.parametrize("make", [cases.gated, cases.foreign, cases.invalid])
    def test_no_figure_is_cut(self, make, width: int) -> None:
        """A narrow terminal still shows each figure unbroken, and no line is longer than the terminal."""
        text = printed(make(), width=width)
        assert "84.1 ± 0.4 µs" in text
        assert "×1.045 ± 0.008" in text
        assert "…" not in text
        assert max(map(len, text.splitlines())) <= width

    def test_wide_terminals_have_one_line_a_cell(self, bench: BenchReport) -> None:
        """Where there is room, all figures of a cell stand in one line, and in two where there is not."""
        assert "±0.80 %" in row(printed(bench, width=160), "fp16")
        assert "Shirt" not in row(printed(bench, width=125), "fp16")
        assert "×1.006" in row(printed(bench, width=125), "fp16")
        assert "×1.006" not in row(printed(bench, width=80), "fp16")

    def test_labels_are_not_markup(self, hostile_bench: BenchReport) -> None:
        """Brackets in a label are shown as they are, and terminal codes do not reach the terminal."""
        text = printed(hostile_bench, width=1000)
        assert "[red]" in text
        assert "\x1b" not in text

    def test_what_else_was_measured(self) -> None:
        """Whether the ranking holds, and what bounds a model, is said above the table; the figures follow it."""
        text = printed(operating_cases.elsewhere())
        assert text.index("the ranking is the same") < text.index("Summary") < text.index("MLPerf LoadGen")
        text = printed(operating_cases.profiled())
        assert text.index("bound by nothing known") < text.index("Summary") < text.index("Operators of seed/fp32")

    def test_nothing_measured(self) -> None:
        """A run in which every cell failed is a table of failures."""
        text = printed(cases.nothing_measured())
        assert "nothing could be measured" in text
        assert text.count("not measured") == 8 + 1


class TestOtherTables:
    def test_training_table_has_the_layout_of_a_classification_report(self, training: TrainingReport) -> None:
        """Accuracy stands under F1 alone; the weighted average fills all columns; the published F1 is beside it."""
        lines = drawn(tables.training_table(msgspec.structs.replace(training, recipe=RECIPES["seed"]))).splitlines()
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
        assert "int8-dynamic fails: top-1 agreement is 0.979, must be ≥ 0.985" in drawn(table)

    def test_parity_shows_the_change_of_accuracy(self, verification: VerifyReport) -> None:
        """Accuracy stands with its change in points, n/a where only golden outputs were compared."""
        cells = [cell.plain for cell in tables.parity_table(verification).columns[4].cells]
        assert cells == ["86.60 %\n±0.00", "86.50 %\n−0.10", "85.70 %\n−0.90", "n/a\nn/a"]

    def test_flips_are_limited_and_the_surest_first(self, verification: VerifyReport) -> None:
        """At most `limit` flips are shown, those with the reference's largest margins, and the rest is counted."""
        table = tables.flips_table(verification.results[1], pieces.LABELS, limit=3)
        assert [cell.plain for cell in table.columns[0].cells] == ["136", "135", "134"]
        assert "3 of 37 shown" in drawn(table)

    def test_per_class_has_a_column_for_each_artifact(self, bench: BenchReport) -> None:
        """Artifacts appear once each, in the plan's order, and the second copy of the reference does not."""
        text = printed(bench)
        header = next(line for line in text.splitlines() if line.startswith("class"))
        assert header.split() == ["class", "fp32", "int8-static", "fp16", "checkpoint"]

    def test_sample_data_is_announced_below_every_table(self, sample_bench: BenchReport) -> None:
        """Each table of figures from the sample carries the note."""
        verification = pieces.verification(is_sample=True)
        note = verification.data.note
        for shown in (
            tables.summary_table(sample_bench),
            tables.overview(sample_bench)[-1],
            tables.training_table(pieces.training(is_sample=True)),
            tables.parity_table(verification),
        ):
            assert note in re.sub(r"\s+", " ", drawn(Group(shown)))
