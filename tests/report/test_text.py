"""Markdown, CSV, and the choice of a format by suffix."""

import csv
import re
import subprocess
import sys
from io import StringIO
from pathlib import Path

import examples
import pytest

from edgefashion import report
from edgefashion.errors import UsageError
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.text import to_csv, to_markdown


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content)))


class TestMarkdown:
    def test_every_section(self, bench: BenchReport, training: TrainingReport, verification: VerifyReport) -> None:
        """The report holds a section for each table that its parts give."""
        headings = re.findall(r"^## (.*)$", to_markdown(bench, training, verification), re.MULTILINE)
        assert headings == [
            "Summary",
            "Latency",
            "F1 per class",
            "Parity with the reference",
            "int8-static: 37 of 10,000 decisions differ",
            "int8-dynamic: 212 of 10,000 decisions differ",
            "seed: quality on the test pictures",
            "Epochs",
            "How it was measured",
            "Environment",
        ]

    def test_sections_only_for_what_is_given(self, bench: BenchReport) -> None:
        """Without training and verification their tables are absent."""
        assert "Parity" not in to_markdown(bench)
        assert "Epochs" not in to_markdown(bench)

    def test_rows_have_as_many_cells_as_their_header(self, hostile_bench: BenchReport) -> None:
        """No text breaks a table: bars and line breaks inside cells are escaped."""
        for block in to_markdown(hostile_bench).split("\n\n"):
            lines = [line for line in block.splitlines() if line.startswith("|")]
            widths = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert len(widths) <= 1

    def test_markup_in_labels_is_escaped(self, hostile_bench: BenchReport) -> None:
        """Tags and dollar signs of a label reach the reader as characters."""
        content = to_markdown(hostile_bench)
        assert "\\<script\\>" in content
        assert not re.search(r"(?<!\\)[<$]", content)

    def test_sample_note_follows_the_headline(self, sample_bench: BenchReport) -> None:
        """The note is quoted before the first table."""
        content = to_markdown(sample_bench)
        assert f"> - {sample_bench.data.note}\n" in content[: content.index("## Summary")]


class TestCsv:
    def test_one_row_a_cell(self, bench: BenchReport) -> None:
        """Every cell of the plan has its row with exact figures in the units of the header."""
        found = {row["variant"]: row for row in rows(to_csv(bench)) if row["is_aa_check"] == "0"}
        assert list(found) == ["fp32", "int8-static", "int8-dynamic", "fp16", "checkpoint"]
        assert float(found["int8-static"]["median_s"]) == 52.6e-6
        assert float(found["int8-static"]["ratio"]) == 0.625
        assert found["int8-static"]["size_bytes"] == "27773"

    def test_missing_figures_are_empty(self, bench: BenchReport) -> None:
        """None is empty, never 0 or "None"; a failure has its reason."""
        found = {row["variant"]: row for row in rows(to_csv(bench))}
        assert found["checkpoint"]["p99_s"] == ""
        assert rows(to_csv(bench))[0]["ratio"] == ""
        assert found["int8-dynamic"]["median_s"] == ""
        assert found["int8-dynamic"]["failure"] == "the worker died with signal 9"

    def test_columns_do_not_depend_on_the_outcome(self, bench: BenchReport, without_evidence: BenchReport) -> None:
        """A run without figures has the same header as a full one."""
        assert to_csv(bench).splitlines()[0] == to_csv(without_evidence).splitlines()[0]

    def test_formulas_are_defused(self, bench: BenchReport) -> None:
        """A text that a spreadsheet would compute starts with an apostrophe; negative numbers do not."""
        content = to_csv(examples.renamed_cell(bench, label="=HYPERLINK(1)"))
        assert rows(content)[1]["cell"] == "'=HYPERLINK(1)"

    def test_sample_is_named_in_each_row(self, sample_bench: BenchReport) -> None:
        """Rows that are copied elsewhere still say that they are the sample's."""
        assert {sample_bench.data.note} == {row["data_note"] for row in rows(to_csv(sample_bench))}


class TestSave:
    @pytest.mark.parametrize(
        ("name", "start"),
        [("a.html", "<!DOCTYPE html>"), ("a.md", "# Benchmark report"), ("a.csv", "cell,"), ("a.CSV", "cell,")],
    )
    def test_suffix_chooses_the_format(self, tmp_path: Path, bench: BenchReport, name: str, start: str) -> None:
        """The suffix names the format, in small or capital letters; folders are made."""
        path = tmp_path / "new" / name
        assert path == report.save(bench, path)
        assert path.read_text(encoding="utf-8").startswith(start)

    def test_json_can_be_loaded_again(self, tmp_path: Path, bench: BenchReport) -> None:
        """JSON is the sealed document with every raw sample."""
        loaded = BenchReport.load(report.save(bench, tmp_path / "bench.json"))
        assert bench.launches == loaded.launches

    @pytest.mark.parametrize("name", ["report.pdf", "report", ".html"])
    def test_other_suffixes_are_refused(self, tmp_path: Path, bench: BenchReport, name: str) -> None:
        """Another suffix is a usage error, and nothing is written."""
        with pytest.raises(UsageError, match=r"expected a name in \.html"):
            report.save(bench, tmp_path / name)
        assert list(tmp_path.iterdir()) == []

    def test_importing_the_room_is_light(self) -> None:
        """The room loads no drawing library before it draws, and never a machine-learning one."""
        heavy = {"matplotlib", "jinja2", "rich", "torch", "onnx", "onnxruntime", "sklearn"}
        code = f"import sys, edgefashion.report; print(sorted({heavy!r} & set(sys.modules)))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"

    def test_drawing_loads_no_machine_learning(self) -> None:
        """All of the room's files together load no machine-learning library."""
        heavy = {"torch", "onnx", "onnxruntime", "sklearn", "matplotlib.pyplot"}
        code = (
            "import sys, edgefashion.report.html, edgefashion.report.text, edgefashion.report.tables;"
            f"print(sorted({heavy!r} & set(sys.modules)))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "[]"
