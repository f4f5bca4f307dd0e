"""What a gate compares with."""

from collections.abc import Callable
from pathlib import Path
from shutil import copy

import msgspec
import numpy as np
import pytest
from plans import planned

from edgefashion import runs
from edgefashion.artifact import Artifact, from_content
from edgefashion.bench import Request
from edgefashion.bench.gate.baseline import find_baseline, pairs_of, stored_pairs
from edgefashion.bench.plan import make_plan
from edgefashion.bench.truth import Truth, key
from edgefashion.errors import BadInput
from edgefashion.records import BenchReport, Cell, HostLoad, Launch, Noise, Plan, TrainingReport
from edgefashion.subjects import ForeignModel

LABELS = np.array([0, 1, 2, 3], np.uint8)

replace = msgspec.structs.replace
ReportMaker = Callable[..., BenchReport]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed_files: dict[str, bytes]) -> Path:
    """A finished run with one model in the working directory's exported folder."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exported" / "mine"
    folder.mkdir(parents=True)
    for name, content in sealed_files.items():
        (folder / name).write_bytes(content)
    return folder


@pytest.fixture
def report_of(training_report: TrainingReport, result_of) -> ReportMaker:
    """Make a result by hand; the answers of each cell by its label."""

    def make(plan: Plan, launches: list[Launch], *, answers: dict[str, bytes] | None = None) -> BenchReport:
        by_cell = {cell.label: [each for each in launches if each.cell == cell.label] for cell in plan.cells}
        return BenchReport(
            data=training_report.data,
            plan=plan,
            launches=launches,
            canaries=[],
            order=[],
            host=HostLoad(1.0, None, None, None, None),
            results=[
                result_of(label, own, decisions=(answers or {}).get(label, b""))
                for label, own in by_cell.items()
                if own
            ],
            failures=[],
            noise=Noise(level="quiet", signals=[]),
            warnings=[],
            partial=False,
            wall_s=1.0,
            environment=training_report.environment,
        )

    return make


def launches_for(plan: Plan, launch_of, **pace_ns: int) -> list[Launch]:
    """Two launches of each cell whose variant has a pace."""
    return [
        launch_of(cell.label, generation, [[pace_ns[cell.artifact.variant] * (generation + 1)] * 20])
        for cell in plan.cells
        for generation in range(2)
        if cell.artifact.variant in pace_ns
    ]


# Finding it


def test_a_run_is_all_its_models(home: Path) -> None:
    """By its name or its path."""
    for name in ("mine", str(home)):
        (found,) = find_baseline(name)
        assert isinstance(found, Artifact)
        assert found.path.name == "fp32.onnx"


def test_a_file_is_one_model(home: Path, foreign) -> None:
    """An artifact, or a model that edgefashion did not make."""
    (own,) = find_baseline(str(home / "fp32.onnx"))
    assert isinstance(own, Artifact)
    (other,) = find_baseline(str(foreign("net.onnx", ("FLOAT", ["n", 2]))))
    assert isinstance(other, ForeignModel)
    assert other.info.variant == "net"
    (checkpoint,) = find_baseline(str(home / runs.CHECKPOINT))
    assert isinstance(checkpoint, Artifact)
    assert checkpoint.format == "safetensors"


def test_a_result_is_the_models_beside_it(home: Path, report_of: ReportMaker) -> None:
    """They are measured again: found by digest under whatever name, the checkpoint among them, and nothing else."""
    fp32 = from_content((home / "fp32.onnx").read_bytes(), Path("fp32.onnx"))
    checkpoint = from_content((home / runs.CHECKPOINT).read_bytes(), Path("x"))
    plan = make_plan(Request([fp32, checkpoint], runtimes=["onnxruntime", "pytorch"]))
    report_of(plan, []).save(home / "bench.json", indent=0)
    (home / "fp32.onnx").rename(home / "renamed.onnx")
    copy(Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx", home / "another.onnx")
    found = find_baseline(str(home / "bench.json"))
    assert isinstance(found, list)
    assert {fp32.sha256, checkpoint.sha256} == {each.sha256 for each in found}
    assert len(found) == 2


def test_a_result_whose_models_are_gone_is_itself(home: Path, tmp_path: Path, report_of: ReportMaker, artifact) -> None:
    """One missing model is enough: half a baseline is none."""
    fp32 = from_content((home / "fp32.onnx").read_bytes(), Path("fp32.onnx"))
    stored = report_of(planned(fp32, artifact("int8")), [])
    for place in (home, tmp_path):
        stored.save(place / "bench.json", indent=0)
        found = find_baseline(str(place / "bench.json"))
        assert isinstance(found, BenchReport)
        assert stored.plan == found.plan


def test_only_subjects_of_a_result_are_its_models(home: Path, report_of: ReportMaker, artifact) -> None:
    """What that one was itself compared with is nobody's baseline now, and neither is the null model."""
    fp32 = from_content((home / "fp32.onnx").read_bytes(), Path("fp32.onnx"))
    request = Request([fp32], baselines=[artifact("fp32", b"older")], runtimes=["onnxruntime"])
    report_of(make_plan(request), []).save(home / "bench.json", indent=0)
    found = find_baseline(str(home / "bench.json"))
    assert isinstance(found, list)
    assert [fp32.sha256] == [each.sha256 for each in found]


@pytest.mark.parametrize("name", ["absent", "absent.onnx", "absent.json", "absent.safetensors"])
def test_what_is_not_there_is_refused(home: Path, name: str) -> None:
    """A run, a model or a result, each by its name."""
    with pytest.raises(BadInput, match="absent"):
        find_baseline(name)
    with pytest.raises(BadInput, match="absent"):
        find_baseline(str(home / name))


def test_what_is_damaged_is_refused(home: Path, report_of: ReportMaker, artifact) -> None:
    """A result that was edited, and a result of another kind."""
    report_of(planned(artifact("fp32")), []).save(home / "bench.json", indent=0)
    path = home / "bench.json"
    path.write_bytes(path.read_bytes().replace(b'"budget_s":60', b'"budget_s":61'))
    for name in (path, home / runs.TRAINING):
        with pytest.raises(BadInput, match=name.name):
            find_baseline(str(name))


# Pairs that were measured side by side


@pytest.fixture
def truth(training_report: TrainingReport) -> Callable[..., Truth]:
    """Make what a model answers."""

    def make(*decisions: int) -> Truth:
        return Truth(training_report.test, np.array(decisions, np.uint8), {}, {})

    return make


def of_variant(plan: Plan, variant: str, role: str = "subject") -> Cell:
    return next(cell for cell in plan.cells if cell.artifact.variant == variant and cell.role == role)


def test_pairs_hold_the_generations_that_both_have(artifact) -> None:
    """In their order, as logarithms; a generation that one of them lacks is in neither."""
    plan = planned(artifact("fp32"), baselines=(artifact("fp32", b"old"),))
    mine, its = of_variant(plan, "fp32").label, of_variant(plan, "fp32", "baseline").label
    medians = {mine: {3: 4.0, 0: 1.0, 1: 2.0}, its: {0: 10.0, 2: 30.0, 3: 40.0}}
    (pair,) = pairs_of(plan, medians, {}, LABELS)
    assert (pair.cell, pair.baseline) == (mine, its)
    assert np.log([1.0, 4.0]).tolist() == pair.candidate_log_s.tolist()
    assert np.log([10.0, 40.0]).tolist() == pair.baseline_log_s.tolist()
    assert pair.answers is None


def test_only_candidates_with_a_baseline_of_their_own_are_pairs(artifact) -> None:
    """A new variant, the baselines themselves and the copies are compared with the reference, and are no pairs."""
    plan = planned(
        artifact("fp32"), artifact("int8"), baselines=(artifact("fp32", b"old"), artifact("fp16")), batches=[1, 8]
    )
    pairs = pairs_of(plan, {}, {}, None)
    assert [cell.label for cell in plan.cells if cell.role == "subject" and cell.artifact.variant == "fp32"] == [
        pair.cell for pair in pairs
    ]
    assert all(pair.baseline == f"{pair.cell} (baseline)" for pair in pairs)
    assert [pair.generations for pair in pairs] == [0, 0]


def test_a_plan_without_baselines_has_no_pairs(artifact) -> None:
    """The reference is compared with nothing that a gate could judge."""
    assert pairs_of(planned(artifact("fp32"), artifact("int8")), {}, {}, LABELS) == []


def test_answers_are_those_of_each_member(artifact, truth) -> None:
    """The candidate's own, the baseline's own, and the true classes."""
    plan = planned(artifact("fp32"), baselines=(artifact("fp32", b"old"),))
    candidate, baseline = of_variant(plan, "fp32"), of_variant(plan, "fp32", "baseline")
    truths = {key(candidate): truth(0, 1, 2, 9), key(baseline): truth(0, 9, 9, 9)}
    (pair,) = pairs_of(plan, {}, truths, LABELS.astype(np.int64))
    assert pair.answers is not None
    assert pair.answers.candidate.tolist() == [0, 1, 2, 9]
    assert pair.answers.baseline.tolist() == [0, 9, 9, 9]
    assert LABELS.tolist() == pair.answers.labels.tolist()


def test_answers_need_both_members_and_the_pictures(artifact, truth) -> None:
    """What one of them answers is no comparison."""
    plan = planned(artifact("fp32"), baselines=(artifact("fp32", b"old"),))
    candidate, baseline = of_variant(plan, "fp32"), of_variant(plan, "fp32", "baseline")
    both = {key(candidate): truth(0, 1, 2, 3), key(baseline): truth(0, 1, 2, 3)}
    for truths, labels in (
        ({key(candidate): both[key(candidate)]}, LABELS),
        ({key(baseline): both[key(baseline)]}, LABELS),
        (both, None),
    ):
        (pair,) = pairs_of(plan, {}, truths, labels)
        assert pair.answers is None


# Pairs with stored figures


def test_stored_pairs_are_of_the_same_variant_and_setting(artifact, launch_of, report_of: ReportMaker) -> None:
    """Every launch of both counts; what only one of them has measured, and copies, are left out."""
    before, now = (
        planned(artifact("fp32", b"old"), artifact("int8")),
        planned(artifact("fp32"), artifact("fp16"), batches=[1, 8]),
    )
    stored = report_of(before, launches_for(before, launch_of, fp32=1000, int8=500))
    report = report_of(now, launches_for(now, launch_of, fp32=3000, fp16=700))
    (pair,) = stored_pairs(report, stored, LABELS)
    assert (pair.cell, pair.baseline) == (now.cells[0].label, before.cells[0].label)
    assert np.log([3e-6, 6e-6]) == pytest.approx(pair.candidate_log_s)
    assert np.log([1e-6, 2e-6]) == pytest.approx(pair.baseline_log_s)


@pytest.mark.parametrize("changes", [{"spinning": True}, {"batches": [8]}, {"scenarios": ["paced:10"]}])
def test_another_setting_is_no_counterpart(artifact, launch_of, report_of: ReportMaker, changes) -> None:
    """Times of different settings are different times."""
    before, now = planned(artifact("fp32")), planned(artifact("fp32"), **changes)
    stored = report_of(before, launches_for(before, launch_of, fp32=1000))
    assert stored_pairs(report_of(now, launches_for(now, launch_of, fp32=1000)), stored, LABELS) == []


def test_a_cell_that_could_not_be_measured_is_no_pair(artifact, launch_of, report_of: ReportMaker) -> None:
    """Now or then: it has no launches."""
    plan = planned(artifact("fp32"), artifact("int8"))
    whole = report_of(plan, launches_for(plan, launch_of, fp32=1000, int8=1000))
    part = report_of(plan, launches_for(plan, launch_of, fp32=1000))
    assert len(stored_pairs(whole, whole, LABELS)) == 2
    assert len(stored_pairs(part, whole, LABELS)) == 1
    assert len(stored_pairs(whole, part, LABELS)) == 1


def test_stored_times_are_by_picture(artifact, launch_of, report_of: ReportMaker) -> None:
    """A batch of eight in eight microseconds is one microsecond a picture."""
    plan = planned(artifact("fp32"), batches=[8])
    report = report_of(plan, launches_for(plan, launch_of, fp32=8000))
    (pair,) = stored_pairs(report, report, LABELS)
    assert np.log([1e-6, 2e-6]) == pytest.approx(pair.candidate_log_s)


def test_stored_answers_count_only_on_the_same_pictures(artifact, launch_of, report_of: ReportMaker) -> None:
    """Decisions on other pictures cannot be paired, however many they are."""
    before, now = planned(artifact("fp32", b"old")), planned(artifact("fp32"))
    was, wrong = bytes([0, 1, 2, 3]), bytes([0, 0, 0, 0])
    stored = report_of(before, launches_for(before, launch_of, fp32=1000), answers={before.reference: was})
    report = report_of(now, launches_for(now, launch_of, fp32=1000), answers={now.reference: wrong})
    (pair,) = stored_pairs(report, stored, LABELS)
    assert pair.answers is not None
    assert (pair.answers.candidate.tobytes(), pair.answers.baseline.tobytes()) == (wrong, was)
    other = replace(stored, data=replace(stored.data, sha256="0" * 64))
    (pair,) = stored_pairs(report, other, LABELS)
    assert pair.answers is None
    (pair,) = stored_pairs(report, stored, None)
    assert pair.answers is None
