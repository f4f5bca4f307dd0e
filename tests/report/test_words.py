"""Names of cells, verdicts, and the headline."""

from typing import Any

import cases
import examples
import msgspec
import pieces
import pytest

from edgefashion import report
from edgefashion.records import BenchReport, Cell, CellResult, Plan
from edgefashion.report import names, words
from edgefashion.report.verdicts import verdicts


def plan_of(*cells: Cell) -> Plan:
    return msgspec.structs.replace(examples.bench().plan, cells=list(cells), reference=cells[0].label)


def with_ranks(plain: BenchReport, **changes: Any) -> BenchReport:
    """The report with some fields of each model's result changed by rank."""

    def changed(result: CellResult) -> CellResult:
        return msgspec.structs.replace(result, **changes.get(result.rank.replace(" ", "_"), {}))

    return msgspec.structs.replace(plain, results=[changed(result) for result in plain.results])


class TestNames:
    def test_what_differs_from_the_reference_is_named(self, bench: BenchReport) -> None:
        """A model's name is its variant; a runtime that is not the reference's follows it."""
        expected = ["fp32", "int8-static", "int8-dynamic", "fp16", "checkpoint · pytorch"]
        found = names.cell_names(bench.plan)
        assert expected == [found[cell.label] for cell in names.subjects(bench.plan)]
        assert names.shared_settings(bench.plan) == "onnxruntime · CPU · 1 thread · batch 1"

    def test_settings_of_one_artifact_are_named_throughout(self) -> None:
        """Where an artifact was measured at several settings, every cell tells its own."""
        base, batched = examples.BASE, examples.cell(pieces.FP32, batch=64, scenario="paced:30")
        plan = plan_of(base, batched)
        assert list(names.cell_names(plan).values()) == ["fp32 · batch 1", "fp32 · batch 64 · paced:30"]
        assert names.shared_settings(plan) == "onnxruntime · CPU · 1 thread"

    def test_runtime_that_is_the_variant_is_named_once(self) -> None:
        """A checkpoint that is called after its runtime has no second word for it."""
        checkpoint = examples.cell(pieces.artifact("pytorch", 50952), runtime="pytorch")
        assert list(names.cell_names(plan_of(examples.BASE, checkpoint)).values()) == ["fp32", "pytorch"]

    def test_cells_that_settings_do_not_tell_apart_keep_their_labels(self, bench: BenchReport) -> None:
        """Two cells that differ in nothing a name shows are told apart by their labels."""
        twin = msgspec.structs.replace(bench.plan.cells[1], label="twin")
        plan = msgspec.structs.replace(bench.plan, cells=[*bench.plan.cells, twin])
        found = names.cell_names(plan)
        assert found["twin"] == "twin"
        assert len(set(found.values())) == len(plan.cells)

    def test_artifacts_of_two_models_are_told_apart(self) -> None:
        """Where two artifacts share a variant, the model's name comes first."""
        other = msgspec.structs.replace(pieces.FP32, name="seed-wide", sha256="ab")
        found = names.variant_names([pieces.FP32, other, pieces.INT8])
        assert list(found.values()) == ["seed/fp32", "seed-wide/fp32", "int8-static"]

    def test_baselines_are_marked(self) -> None:
        """A candidate keeps its variant as its name, and its baseline is called one."""
        plan = cases.gated().plan
        found = names.cell_names(plan)
        assert found[examples.STATIC.label] == "int8-static"
        assert found[cases.STATIC_BASELINE.label] == "int8-static (baseline)"
        assert names.reference_words(plan) == "int8-static (baseline)"

    def test_labels_in_sentences_become_names(self) -> None:
        """A copy's label, which begins with its original's, is not cut in two."""
        sentence = f"{examples.BASE.label} beside {examples.DUPLICATE.label}"
        assert names.with_names(cases.gated().plan, sentence) == "fp32 (baseline) beside A/A check"


class TestPrecision:
    def test_the_wider_interval_counts(self, bench: BenchReport) -> None:
        """A cell is as precise as the wider of its two intervals; the reference has only one."""
        assert words.half_width(bench.results[3]) == pytest.approx(0.03)
        assert words.half_width(bench.results[0]) == pytest.approx(0.005)

    def test_without_an_interval_there_is_none(self, without_evidence: BenchReport) -> None:
        """One launch says nothing about precision."""
        assert words.half_width(without_evidence.results[0]) is None


class TestVerdicts:
    @pytest.mark.parametrize("verdict", ["PASS", "FAIL", "INCONCLUSIVE"])
    def test_gate_comes_first(self, verdict: str) -> None:
        """The gate's word, its decisive reason, and what this run could have got wrong."""
        first, second = verdicts(cases.gated(verdict))
        assert verdict == first.word
        assert first.sentence.startswith("int8-static is ×")
        assert "false-alarm rate of this run 0.012 %, smallest detectable slowdown 1.8 %" in first.sentence
        assert second.word == "machine usable"

    def test_false_alarms_of_several_checks_add_up(self) -> None:
        """The chance of any false alarm is bounded by the sum, and the slowdown found everywhere is the largest."""
        plain = cases.gated("FAIL")
        checks = [*plain.gate.latency, cases.latency_check("PASS", 1.0, detectable_slowdown=0.04)]
        gate = msgspec.structs.replace(plain.gate, latency=checks)
        sentence = verdicts(msgspec.structs.replace(plain, gate=gate))[0].sentence
        assert "false-alarm rate of this run ≤ 0.024 %, smallest detectable slowdown 4.0 %" in sentence

    def test_invalid_machine_has_no_false_alarm_rate(self) -> None:
        """Where latency is not judged, its error rates are not claimed."""
        plain = cases.gated("INCONCLUSIVE")
        invalid = msgspec.structs.replace(plain, noise=examples.noise("invalid", "steal took 31 % of the time"))
        assert "false-alarm" not in verdicts(invalid)[0].sentence

    def test_stored_baseline_is_advice(self) -> None:
        """A verdict against stored figures says what it is worth."""
        assert "advice and no proof" in verdicts(cases.gated("PASS", paired=False))[0].sentence
        assert "advice" not in verdicts(cases.gated("PASS"))[0].sentence

    def test_quiet_machine(self) -> None:
        """A machine without reasons says that nothing disturbed the measurement."""
        quiet = msgspec.structs.replace(examples.bench(), noise=examples.noise("quiet"))
        assert [each.text for each in verdicts(quiet)] == ["machine quiet: nothing disturbed the measurement"]


class TestHeadline:
    def test_fastest_cell_beside_the_reference(self, bench: BenchReport) -> None:
        """The headline names the fastest cell, its ratio, sizes, accuracy and the A/A ratio."""
        expected = (
            "int8-static is ×0.625 of fp32's latency a picture (95 % interval 0.620 to 0.630), "
            "27.8 kB instead of 52.2 kB, accuracy −0.10 points; A/A ratio 1.002"
        )
        assert expected == report.headline(bench)

    def test_nothing_faster(self, bench: BenchReport) -> None:
        """Where no cell ranks as faster, the headline claims no gain, however small a ratio is."""
        said = report.headline(with_ranks(bench, faster={"rank": "no difference found"}))
        assert said.startswith("nothing was found to be faster than fp32: 2 no difference found, 1 slower")

    def test_controls_are_never_the_headline(self, bench: BenchReport) -> None:
        """A second copy, a naive call or an empty graph does not win, even where it ranks as faster."""
        unlucky = with_ranks(bench, no_difference_found={"rank": "faster"}, slower={"rank": "faster"})
        assert report.headline(unlucky).startswith("int8-static is")
        without = with_ranks(examples.only(bench, examples.BASE, examples.HALF, examples.DUPLICATE, examples.NULL_CELL))
        assert report.headline(without).startswith("nothing was found to be faster than fp32")

    def test_invalid_measurement(self) -> None:
        """On an invalid machine the headline ranks nothing and says why."""
        said = report.headline(cases.invalid())
        assert said == "nothing is ranked: the measurement is invalid (steal took 31 % of the time)"

    def test_one_model(self) -> None:
        """A model that was measured alone is described, and compared with nothing."""
        said = report.headline(cases.alone())
        assert said == "fp32 takes 84.1 ± 0.4 µs a call, 11,500 images/s, accuracy 86.60 %, 52.2 kB; A/A ratio 1.002"

    def test_foreign_model(self) -> None:
        """Accuracy that nobody knows is called unknown."""
        assert "accuracy unknown" in report.headline(cases.foreign())

    def test_without_launches_enough(self, without_evidence: BenchReport) -> None:
        """Without ratios the headline says that nothing could be compared."""
        said = report.headline(without_evidence)
        assert said == "nothing could be compared with fp32: there are not enough launches (partial run)"

    def test_nothing_measured(self) -> None:
        """A run of failures claims nothing."""
        assert report.headline(cases.nothing_measured()) == "nothing could be measured"

    def test_sample_is_named(self, sample_bench: BenchReport) -> None:
        """A headline on sample data says so itself."""
        assert sample_bench.data.note in report.headline(sample_bench)
