"""Markdown: the whole report, and the summary for a build's page."""

import re

import cases
import operating_cases
import pytest

from edgefashion import report
from edgefashion.records import BenchReport, TrainingReport, VerifyReport
from edgefashion.report.beside import Beside
from edgefashion.report.markdown import to_markdown


def headings(content: str) -> list[str]:
    return re.findall(r"^## (.*)$", content, re.MULTILINE)


def tables(content: str) -> list[list[str]]:
    """Lines of each table."""
    return [block.splitlines() for block in content.split("\n\n") if block.startswith("|")]


class TestWholeReport:
    def test_every_section(self, bench: BenchReport, training: TrainingReport, verification: VerifyReport) -> None:
        """The report holds a section for each part that it is given."""
        assert headings(to_markdown(bench, Beside(training, verification))) == [
            "Summary",
            "Latency",
            "Cold start, memory, energy",
            "Quality per class",
            "Parity",
            "Training",
            "Noise",
            "How it was measured",
            "Environment",
        ]

    def test_sections_only_for_what_is_given(self) -> None:
        """Without training, verification, gate and quality their sections are absent; with a gate there is one."""
        found = headings(to_markdown(cases.foreign()))
        assert not {"Parity", "Training", "Gate", "Quality per class"} & set(found)
        assert headings(to_markdown(cases.gated()))[:2] == ["Summary", "Gate"]

    def test_no_heading_is_said_twice(self, bench: BenchReport) -> None:
        """A table that is called like its section has no heading of its own."""
        found = re.findall(r"^#+ (.*)$", to_markdown(bench), re.MULTILINE)
        assert len(set(found)) == len(found)

    def test_rows_have_as_many_cells_as_their_header(self, hostile_bench: BenchReport) -> None:
        """No text breaks a table: bars and line breaks inside cells are escaped."""
        for lines in tables(to_markdown(hostile_bench)):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in lines}) == 1

    def test_markup_in_labels_is_escaped(self, hostile_bench: BenchReport) -> None:
        """Tags and dollar signs of a label reach the reader as characters."""
        content = to_markdown(hostile_bench)
        assert "\\<script\\>" in content
        assert not re.search(r"(?<!\\)[<$]", content)

    def test_sample_note_and_warnings_follow_the_headline_once(self, sample_bench: BenchReport) -> None:
        """What a reader must know is quoted before the first table; a warning is not repeated below it."""
        content = to_markdown(sample_bench)
        assert f"> - {sample_bench.data.note}\n" in content[: content.index("## Summary")]
        assert content.count("no steady state after warm-up") == 1


class TestTables:
    def figures(self, content: str, title: str, name: str) -> list[str]:
        """Cells of the row `name` below the heading `title`."""
        line = next(
            line for line in content[content.index(f" {title}\n") :].splitlines() if line.startswith(f"| {name} ")
        )
        return [cell.strip() for cell in line.strip("|").split(" | ")][1:]

    @pytest.mark.parametrize(
        ("title", "expected"),
        [
            (
                "Latency of one call",
                ["52.6 ± 0.3 µs", "52.5 ± 0.3 µs", "54.2 ± 0.5 µs", "55.8 ± 0.6 µs", "132 ± 7 µs", "n/a"],
            ),
            ("Samples and ratios", ["10", "1,200", "20", "1", "18,500", "0.620 to 0.630", "×0.6256", "0.002"]),
            ("Cold start", ["20.0 ms", "210 ms", "4.00 ms", "1.00 ms", "235 ms", "63.1 µs"]),
            ("Memory and disk", ["2.00 MB", "59.0 MB", "61.0 MB", "61.0 MB", "27.8 kB", "75.7 MB"]),
            (
                "Cells",
                [
                    "onnxruntime 1.32.0",
                    "CPUExecutionProvider",
                    "1",
                    "no",
                    "1",
                    "closed",
                    "24 of 24 nodes on CPUExecutionProvider, by profile",
                ],
            ),
        ],
    )
    def test_figures_of_a_cell(self, bench: BenchReport, title: str, expected: list[str]) -> None:
        """Every figure of a cell stands in its table."""
        assert expected == self.figures(to_markdown(bench), title, "int8-static")

    def test_energy_is_unknown_once(self, bench: BenchReport) -> None:
        """A reason that holds for every cell is said once."""
        assert to_markdown(bench).count("no powercap counter on this machine") == 1

    def test_every_sign_of_noise(self, bench: BenchReport) -> None:
        """Each sign has its level, and one that the system does not tell is unknown, not quiet."""
        content = to_markdown(bench)
        assert self.figures(content, "Noise", "canary drift") == ["canary drifted by 2.1 %", "usable"]
        assert self.figures(content, "Noise", "pressure")[-1] == "unknown"

    def test_method(self, bench: BenchReport) -> None:
        """Seed, generations, goal, cache, inputs, warm-up and canary are facts of the report."""
        content = to_markdown(bench)
        for fact, start in {
            "seed of the order": "7",
            "generations": "10; a cell needs 10 to count as precise and gets at most 1,000",
            "precision goal": "±1.0 %",
            "page cache": "warm",
            "inputs": "rotate",
            "warm-up": "until it is steady, at most 2.00 s: 63 of 70 launches were",
            "canary": "fixed work of 999 µs between the blocks, −0.31 % to +0.55 % about its median",
        }.items():
            assert self.figures(content, "How it was measured", fact)[0].startswith(start)

    def test_method_without_canary_and_data(self) -> None:
        """What was not there is called absent."""
        content = to_markdown(cases.foreign())
        assert self.figures(content, "How it was measured", "data")[0].startswith("none")
        assert self.figures(to_markdown(cases.without_evidence()), "How it was measured", "canary") == ["none"]


class TestElsewhere:
    def test_operating_points(self) -> None:
        """LoadGen's verdicts and long runs have their tables; whether the ranking holds is said at the top."""
        content = to_markdown(operating_cases.elsewhere())
        assert "Other operating points" in headings(content)
        assert "the ranking is the same at all 2 operating points" in content[: content.index("## Summary")]
        assert "| fp32 | SingleStream | 50,000 | 85.0 µs | 91.0 µs | 150 µs | 11,000 | 84.0 µs | VALID |" in content
        assert "| fp32 | Offline | 50,000 | n/a | n/a | n/a | 11,000 | 84.0 µs | VALID |" in content
        assert "84.0 µs | INVALID |" in content
        assert "INVALID (Min queries) by MLPerf LoadGen 5.1" in content
        assert "Server: 500 queries a second, whose p99 must be within 2.00 ms" in content
        assert "| fp32 | 39.0 s | 440,000 | 84.3 ± 0.4 µs | 87.1 ± 0.4 µs | ×1.033 ± 0.004 |" in content
        assert "| int8-static | 1.00 s | 22,000 | n/a | n/a | n/a |" in content

    def test_profile(self) -> None:
        """Each profiled model has its table of operators, its sentence is at the top, ceilings are shown once."""
        content = to_markdown(operating_cases.profiled())
        assert "Where the time goes" in headings(content)
        assert "fp32 is bound by nothing known" in content[: content.index("## Summary")]
        assert content.count("### Operators of ") == 2
        assert content.count("### Ceilings of ") == 1

    def test_absent_by_default(self, bench: BenchReport) -> None:
        """A plain benchmark has neither section."""
        assert not {"Other operating points", "Where the time goes"} & set(headings(to_markdown(bench)))


class TestSummary:
    def test_verdicts_and_one_table(self) -> None:
        """A build's page shows the gate's verdict first, then the machine's, the headline, and a single table."""
        content = report.summary_markdown(cases.gated("FAIL"))
        paragraphs = content.split("\n\n")
        assert paragraphs[1].startswith("**FAIL**: int8-static is ×1.031")
        assert paragraphs[2].startswith("**machine usable**: ")
        assert len(tables(content)) == 1
        assert content.endswith("\n")
