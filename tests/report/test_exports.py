"""Files for other programs: CSV, pyperf, and the GitHub action that keeps a history."""

import csv
import json
import re
from io import StringIO
from typing import Any

import cases
import examples
import msgspec
import numpy as np
import pytest

from edgefashion.errors import BadInput
from edgefashion.records import BenchReport, Failure
from edgefashion.report.exports import to_benchmark_action, to_pyperf
from edgefashion.report.spreadsheet import to_csv


def rows(content: str) -> list[dict[str, str]]:
    return list(csv.DictReader(StringIO(content)))


class TestCsv:
    def test_one_row_a_cell(self, bench: BenchReport) -> None:
        """Every cell of the plan has its row with exact figures in the units of the header."""
        found = {row["variant"]: row for row in rows(to_csv(bench)) if row["role"] == "subject"}
        assert list(found) == ["fp32", "int8-static", "int8-dynamic", "fp16", "checkpoint"]
        assert float(found["int8-static"]["median_s"]) == 52.6e-6
        assert float(found["int8-static"]["median_low_s"]) == pytest.approx(52.6e-6 * 0.995)
        assert float(found["int8-static"]["median_high_s"]) == pytest.approx(52.6e-6 * 1.005)
        assert float(found["int8-static"]["ratio"]) == 0.625
        assert float(found["int8-static"]["first_run_s"]) == 0.001
        assert found["int8-static"]["size_bytes"] == "27773"
        assert found["checkpoint"]["labels"] == "imprecise;no_steady_state"

    def test_missing_figures_are_empty(self, bench: BenchReport) -> None:
        """None is empty, never 0 or "None"; a failure has its reason."""
        found = {row["variant"]: row for row in rows(to_csv(bench))}
        assert found["checkpoint"]["p99_s"] == found["checkpoint"]["joules_per_image"] == ""
        assert found["null"]["accuracy"] == ""
        assert rows(to_csv(bench))[0]["ratio"] == ""
        assert found["int8-dynamic"]["median_s"] == ""
        assert found["int8-dynamic"]["failure"] == "the worker died with signal 9"
        assert "None" not in to_csv(cases.foreign())

    def test_every_failure_of_a_cell_is_told(self, bench: BenchReport) -> None:
        """Also where one run after another fails."""
        (failed,) = {failure.cell for failure in bench.failures}
        again = msgspec.structs.replace(bench, failures=[*bench.failures, Failure(cell=failed, reason="too hot")])
        found = {row["variant"]: row for row in rows(to_csv(again))}
        assert found["int8-dynamic"]["failure"] == "the worker died with signal 9; too hot"

    def test_columns_do_not_depend_on_the_outcome(self, bench: BenchReport, without_evidence: BenchReport) -> None:
        """A run without figures has the same header as a full one."""
        headers = {to_csv(each).splitlines()[0] for each in (bench, without_evidence, cases.foreign(), cases.gated())}
        assert len(headers) == 1

    def test_formulas_are_defused(self, bench: BenchReport) -> None:
        """A text that a spreadsheet would compute starts with an apostrophe; negative numbers do not."""
        content = to_csv(cases.renamed_cell(bench, label="=HYPERLINK(1)"))
        assert rows(content)[1]["cell"] == "'=HYPERLINK(1)"

    def test_sample_is_named_in_each_row(self, sample_bench: BenchReport) -> None:
        """Rows that are copied elsewhere still say that they are the sample's."""
        assert {sample_bench.data.note} == {row["data_note"] for row in rows(to_csv(sample_bench))}


class TestPyperf:
    @pytest.fixture
    def suite(self, bench: BenchReport) -> dict[str, Any]:
        return json.loads(to_pyperf(bench))

    def test_one_benchmark_a_cell_and_one_run_a_launch(self, suite: dict[str, Any], bench: BenchReport) -> None:
        """Every cell that was launched is a benchmark of its label with as many runs as launches."""
        found = {each["metadata"]["name"]: len(each["runs"]) for each in suite["benchmarks"]}
        assert found == {result.cell: examples.GENERATIONS for result in bench.results}

    def test_every_sample_comes_back(self, suite: dict[str, Any], bench: BenchReport) -> None:
        """Values times loops are the raw nanoseconds, also where one sample is several calls."""
        for benchmark in suite["benchmarks"]:
            mine = [each for each in bench.launches if each.cell == benchmark["metadata"]["name"]]
            for run, launch in zip(benchmark["runs"], mine, strict=True):
                raw = [sample for block in launch.blocks_ns for sample in block]
                assert raw == np.rint(np.array(run["values"]) * run["metadata"]["loops"] * 1e9).astype(int).tolist()
        assert {8, 1} == {run["metadata"]["loops"] for each in suite["benchmarks"] for run in each["runs"]}

    @pytest.mark.parametrize("make", [examples.bench, cases.hostile, cases.without_evidence, cases.gated])
    def test_pyperf_loads_it(self, make: Any) -> None:
        """The file is read by pyperf itself, whatever the texts in it, and finds the same medians."""
        pyperf = pytest.importorskip("pyperf")
        bench = make()
        suite = pyperf.BenchmarkSuite.loads(to_pyperf(bench))
        found = suite.get_benchmarks()[0]
        samples = [
            sample
            for each in bench.launches
            if each.cell == bench.plan.cells[0].label
            for block in each.blocks_ns
            for sample in block
        ]
        assert found.median() * 1e9 == pytest.approx(np.median(samples))
        assert found.get_unit() == "second"

    def test_metadata_has_no_line_breaks(self) -> None:
        """Texts with line breaks and empty texts, which pyperf refuses, are not in it."""
        suite = json.loads(to_pyperf(cases.hostile()))
        texts = [value for each in suite["benchmarks"] for value in (suite["metadata"] | each["metadata"]).values()]
        assert not [text for text in texts if isinstance(text, str) and ("\n" in text or not text.strip())]

    def test_nothing_to_export(self) -> None:
        """An empty suite cannot be read by pyperf: that is an error and no file."""
        with pytest.raises(BadInput, match="no sample"):
            to_pyperf(cases.nothing_measured())


class TestBenchmarkAction:
    def test_entries(self, bench: BenchReport) -> None:
        """Each model that has a median is an entry in µs under its label; what judges the measurement is none."""
        entries = json.loads(to_benchmark_action(bench))
        measured = [examples.BASE, examples.STATIC, examples.HALF, examples.TORCH]
        assert [each.label for each in measured] == [entry["name"] for entry in entries]
        assert {"µs"} == {entry["unit"] for entry in entries}
        assert [entry["value"] for entry in entries] == [84.1, 52.6, 84.6, 312.0]

    def test_range_can_be_read(self, bench: BenchReport) -> None:
        """The action takes the half width from a text of this form only, without separators of thousands."""
        for entry in json.loads(to_benchmark_action(bench)):
            half = re.fullmatch(r"± (\d+\.\d+)", entry["range"])
            assert half
            assert float(half[1]) == pytest.approx(0.005 * entry["value"], rel=1e-3)

    def test_machine_is_part_of_an_entry(self) -> None:
        """Who looks at an outlier of the history sees whether the machine was fit, and whether the cell was precise."""
        last = json.loads(to_benchmark_action(cases.invalid()))[-1]["extra"]
        assert "machine: invalid" in last
        assert "not ranked, imprecise" in last

    def test_nothing_to_export(self, without_evidence: BenchReport) -> None:
        """The action refuses an empty list: that is an error and no file."""
        with pytest.raises(BadInput, match="no median"):
            to_benchmark_action(without_evidence)
