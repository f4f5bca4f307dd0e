"""Gates are seen to fire, and to be silent; a gate that does not fire is found out."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgefashion.data import Dataset
from edgefashion.records import FaultResult, Gate, SelftestReport

pytest.importorskip("torch")

from edgefashion import selftest
from edgefashion.selftest import clean, damage, faults
from edgefashion.selftest.clean import CLEAN
from edgefashion.selftest.damage import NotApplicable
from edgefashion.selftest.faults import FAULTS, Fault, Outcome
from edgefashion.selftest.subject import Subject

QUICK = [fault for fault in FAULTS if fault.gate != "bench --baseline"]


@pytest.fixture(scope="module")
def subject(sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    """The committed run, judged by the bundled sample."""
    run = Path(__file__).parents[2] / "exported" / "seed-reference"
    return Subject.of(run, sample, tmp_path_factory.mktemp("faults"))


@pytest.mark.parametrize("fault", QUICK, ids=lambda fault: f"{fault.name}: {fault.gate}")
def test_every_fault_is_caught(fault: Fault, subject: Subject) -> None:
    """The gate that stands against it fires and says something."""
    outcome = fault.inject(subject)
    assert outcome.verdict == "caught", outcome.evidence
    assert outcome.evidence


@pytest.mark.parametrize("gate", [name for name in CLEAN if name != "bench --baseline"])
@pytest.mark.parametrize("seed", [0, 1])
def test_gates_are_silent_on_sound_models(gate: str, seed: int, subject: Subject) -> None:
    """Whatever half of the pictures judges."""
    assert clean.try_gate(CLEAN[gate], subject, seed) is None


@pytest.mark.slow
def test_a_slowdown_is_caught_and_a_copy_is_not(subject: Subject) -> None:
    """Eleven inferences beside ten are 10 % more; ten beside ten are none."""
    (slower,) = [fault for fault in FAULTS if fault.gate == "bench --baseline"]
    assert slower.inject(subject).verdict == "caught"
    assert clean.try_gate(CLEAN["bench --baseline"], subject, 0) is None


def blind(parity: Any) -> Any:
    """A verification whose limits were lost."""
    return msgspec.structs.replace(parity, checks=[])


@pytest.mark.parametrize("fault", [fault for fault in QUICK if fault.gate.startswith("verify: ")], ids=lambda f: f.name)
def test_a_gate_that_went_blind_is_found_out(fault: Fault, subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its checks verify lets each of its faults pass, and the self-test says so."""
    judge: Callable[..., Any] = Subject.judge
    monkeypatch.setattr(Subject, "judge", lambda *args, **kwargs: blind(judge(*args, **kwargs)))
    outcome = fault.inject(subject)
    assert outcome.verdict == "missed"
    assert outcome.evidence == "every check passed"


def test_a_reader_that_trusts_every_file_is_found_out(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """If damaged files are opened, the flipped bits count as missed."""
    monkeypatch.setattr(faults, "open_artifact", lambda path: path)
    (flipped,) = [fault for fault in FAULTS if fault.gate == "seal"]
    outcome = flipped.inject(subject)
    assert outcome.verdict == "missed"
    assert "0 of 32" in outcome.evidence


def test_a_session_that_falls_back_in_silence_is_found_out(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a provider that computes nothing is opened all the same, it counts as missed."""
    from edgefashion.runtimes import default_spec, open_session

    monkeypatch.setattr(faults, "open_session", lambda model, _: open_session(model, default_spec(model)))
    (fallback,) = [fault for fault in FAULTS if fault.gate == "placement"]
    assert fallback.inject(subject).verdict == "missed"


def test_the_report_counts_what_was_missed_and_every_alarm(sample: Dataset) -> None:
    """One fault that nobody sees and one that another gate stops: both are missed, and the run is left as it was."""
    from edgefashion.errors import BadInput

    def stopped(_: Subject) -> Outcome:
        raise BadInput("somebody else")

    run = Path(__file__).parents[2] / "exported" / "seed-reference"
    before = {path: path.read_bytes() for path in run.glob("*.*") if path.is_file()}
    report = selftest.run(
        run,
        sample,
        clean=0,
        faults=[
            Fault("unseen", "none", lambda _: Outcome("missed", "every check passed")),
            Fault("stopped", "none", stopped),
            Fault("seen", "some", lambda _: Outcome("caught", "no")),
        ],
    )
    assert report.missed == ["unseen (none)", "stopped (none)"]
    assert not report.passed
    assert "somebody else" in report.faults[1].evidence
    assert before == {path: path.read_bytes() for path in run.glob("*.*") if path.is_file()}


def test_a_provider_that_is_not_here_proves_nothing(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where onnxruntime lacks the provider that leaves all to the CPU, its refusal is not the placement check's."""
    monkeypatch.setattr("onnxruntime.get_available_providers", lambda: ["CPUExecutionProvider"])
    (fallback,) = [fault for fault in FAULTS if fault.gate == "placement"]
    with pytest.raises(NotApplicable, match="is not here"):
        fallback.inject(subject)


def test_a_graph_without_the_part_to_spoil_is_left_out(subject: Subject) -> None:
    """Other names and another last layer are no reason to stop, and nothing is counted as caught."""
    import onnx

    model = onnx.load_model_from_string(subject.fp32.content)
    for node in model.graph.node:
        node.name = node.name.replace("/", "_")
    with pytest.raises(NotApplicable, match="preprocessing"):
        damage.normalise_twice(model)
    model.graph.node[-1].op_type = "MatMul"
    with pytest.raises(NotApplicable, match="fully connected"):
        damage.swap_classes(model, 0, 1)


def test_a_gate_that_cannot_tell_is_neither_right_nor_wrong(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """An inconclusive latency gate is tried with more time, and then called undecided."""
    budgets = []

    def gate_on(*_: Any, budget_s: float, **__: Any) -> Gate:
        budgets.append(budget_s)
        return Gate("INCONCLUSIVE", paired=True, margin=0.02, latency=[], quality=[], reasons=["too noisy"])

    monkeypatch.setattr(faults, "gate_on", gate_on)
    (slower,) = [fault for fault in FAULTS if fault.gate == "bench --baseline"]
    assert slower.inject(subject) == Outcome("undecided", "too noisy")
    assert budgets == [12.0, 40.0]


def test_an_alarm_on_a_sound_model_is_reported(subject: Subject, monkeypatch: pytest.MonkeyPatch) -> None:
    """With limits that nothing meets, a repetition on the sound model names the check that fired."""
    from edgefashion.verify import Limits, compare

    def strict(self: Subject, candidate: Any, **_: Any) -> Any:
        return compare(candidate, self.reference, self.data, limits=Limits(max_error_ulps=0))

    monkeypatch.setattr(Subject, "judge", strict)
    assert "largest logit difference" in (clean.try_gate(CLEAN["verify, float32"], subject, 0) or "")


def test_a_report_passes_only_without_misses_and_alarms(manifest: Any) -> None:
    """Both tables must be clean."""
    from edgefashion import environment
    from edgefashion.records import ArtifactInfo, CleanResult

    info = ArtifactInfo("a", "fp32", "fp32.onnx", "0" * 64, 1, "float32", None)
    sound = SelftestReport(
        artifact=info,
        data=manifest.training_data,
        faults=[FaultResult("f", "g", "caught", evidence="e", wall_s=0.1)],
        clean=[CleanResult("g", 1, [])],
        environment=environment.describe(),
    )
    assert sound.passed
    assert not msgspec.structs.replace(sound, clean=[CleanResult("g", 1, ["wolf"])]).passed
    assert msgspec.structs.replace(sound, clean=[CleanResult("g", 1, ["wolf"])]).alarms == ["g: wolf"]
