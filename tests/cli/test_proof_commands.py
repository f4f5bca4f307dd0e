"""What `verify` does beside verifying, and the commands around quantization."""

import json
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.cli.options import parse_share
from edgefashion.errors import UsageError

pytest.importorskip("torch")


def test_a_device_s_outputs_come_back_as_they_went(run: Any, tiny_run: Path, tmp_path: Path) -> None:
    """Golden pictures and logits are written; the same logits pass, inverted pictures are named, exit code 1."""
    golden = tmp_path / "golden.npz"
    assert run("verify", tiny_run / "fp32.onnx", "--save-golden", golden).code == 0
    stored = np.load(golden)
    assert stored["pixels"].shape == (10, 28, 28)
    same = tmp_path / "same.csv"
    np.savetxt(same, stored["logits"], delimiter=",", fmt="%.9g")
    assert run("verify", tiny_run / "fp32.onnx", "--outputs", same).code == 0

    from edgefashion.artifact import open_artifact
    from edgefashion.runtimes import default_spec, open_session, run_all

    artifact = open_artifact(tiny_run / "fp32.onnx")
    with open_session(artifact, default_spec(artifact)) as session:
        wrong = run_all(session, 255 - stored["pixels"])
    inverted = tmp_path / "inverted.csv"
    np.savetxt(inverted, wrong, delimiter=",", fmt="%.9g")
    outcome = run("verify", tiny_run / "fp32.onnx", "--outputs", inverted, "--json")
    assert outcome.code == 1
    contract = json.loads(outcome.out)["contract"]
    assert "inverted" in contract["hypotheses"][0]["fault"]
    assert contract["conclusion"] == "explained"


def test_golden_pictures_are_one_artifact_s(run: Any, tiny_run: Path, tmp_path: Path) -> None:
    """A whole run is refused, and the message lists what to choose from."""
    outcome = run("verify", tiny_run, "--save-golden", tmp_path / "golden.npz")
    assert outcome.code == 2
    assert "fp32.onnx" in outcome.error_lines[0]


def test_locate_and_search_leave_their_evidence_in_the_run(run: Any, own_run: Path) -> None:
    """Drift by tensor, worst inputs and their picture; the next verify answers the kept inputs again."""
    for path in own_run.glob("int8-*.onnx"):
        path.unlink()
    (own_run / "fp16.onnx").unlink()
    outcome = run("verify", own_run, "--search", "0.2", "--locate")
    assert outcome.code == 0, outcome.err
    assert "no node departs" in outcome.out
    assert {"drift", "regressions.safetensors", "verify.json"} <= {path.name for path in own_run.iterdir()}
    assert (own_run / "drift" / "fp32" / "drift.json").is_file()
    assert (own_run / "plots" / "worst_inputs-fp32.png").is_file()
    again = json.loads(run("verify", own_run, "--json").out)
    assert again["searches"] == []
    (recheck,) = again["rechecks"]
    assert recheck["cases"]


@pytest.mark.parametrize(("option", "code"), [(("--locate",), 4), (("--search", "0"), 5)])
def test_what_was_asked_for_and_could_not_be_done_is_no_success(
    run: Any, tiny_run: Path, tmp_path: Path, option: tuple[str, ...], code: int
) -> None:
    """A model alone is verified by its golden outputs; without what it comes from there is nothing else to compare."""
    alone = Path(shutil.copy(tiny_run / "int8-static.onnx", tmp_path / "alone.onnx"))
    outcome = run("verify", alone, *option)
    assert outcome.code == code
    assert "PASS" in outcome.out
    assert run("verify", alone).code == 0


def test_a_damaged_regression_file_stops_verify(run: Any, own_run: Path) -> None:
    """What an earlier search kept is not silently forgotten."""
    (own_run / "regressions.safetensors").write_bytes(b"not a file of tensors")
    outcome = run("verify", own_run / "fp32.onnx")
    assert outcome.code == 4
    assert "regressions.safetensors" in outcome.error_lines[0]


@pytest.mark.parametrize("more", [("--search", "1"), ("--locate",), ("--max-flips", "3")])
def test_a_device_s_outputs_are_compared_alone(run: Any, tiny_run: Path, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Options that would be ignored are refused."""
    outcome = run("verify", tiny_run / "fp32.onnx", "--save-golden", tmp_path / "golden.npz", *more)
    assert outcome.code == 2
    assert not (tmp_path / "golden.npz").exists()


def test_golden_outputs_do_not_replace_a_proof_on_more_pictures(run: Any, own_run: Path) -> None:
    """Ten pictures say nothing about accuracy: the file with all of them stays, and limits on accuracy are refused."""
    lenient = ("--min-agreement", "0.5", "--max-accuracy-drop", "1", "--max-class-f1-drop", "1")
    assert run("verify", own_run, *lenient, "--max-brier-rise", "2").code == 0
    before = (own_run / "verify.json").read_bytes()
    outcome = run("verify", own_run, "--reference", "golden")
    assert outcome.code == 0, outcome.err
    assert "keeps its proof" in outcome.err
    assert before == (own_run / "verify.json").read_bytes()
    outcome = run("verify", own_run, "--reference", "golden", "--max-brier-rise", "1")
    assert outcome.code == 2
    assert "--max-brier-rise cannot be checked on golden pictures" in outcome.err


def test_each_run_keeps_what_is_its_own(run: Any, own_run: Path, tmp_path: Path) -> None:
    """Two runs verified together: neither file holds the other's results or searches."""
    for path in own_run.glob("*.onnx"):
        if path.stem != "fp32":
            path.unlink()
    other = Path(shutil.copytree(own_run, tmp_path / "other"))
    spoiled = (other / "checkpoint.safetensors").read_bytes()
    assert run("export", other, "--opset", "19").code == 0
    assert spoiled == (other / "checkpoint.safetensors").read_bytes()
    assert run("verify", own_run, other, "--search", "0").code == 0
    for folder in (own_run, other):
        report = json.loads((folder / "verify.json").read_text())
        assert [len(report["results"]), len(report["searches"])] == [1, 1]
        assert report["results"][0]["artifact"]["sha256"] == report["searches"][0]["artifact"]["sha256"]


def test_a_model_that_gives_no_number_hides_no_other(run: Any, own_run: Path, tmp_path: Path) -> None:
    """It fails in its own run's file, the others are verified, and --locate names the layer where the numbers end."""
    import onnx
    from onnx import numpy_helper

    from edgefashion.artifact import open_artifact, stamp_onnx

    for path in own_run.glob("int8-*.onnx"):
        path.unlink()
    sound = Path(shutil.copytree(own_run, tmp_path / "sound"))
    fp32 = open_artifact(own_run / "fp32.onnx")
    model = onnx.load_model_from_string(fp32.content)
    weights = next(each for each in model.graph.initializer if "hidden.weight" in each.name)
    values = numpy_helper.to_array(weights).copy()
    values.flat[0] = np.nan
    weights.CopyFrom(numpy_helper.from_array(values, weights.name))
    (own_run / "fp32.onnx").write_bytes(stamp_onnx(model, fp32.manifest))
    outcome = run("verify", own_run, "--locate")
    assert outcome.code == 1
    assert "not finite" in outcome.error_lines[0]
    assert "fp16" in outcome.out
    drift = json.loads((own_run / "drift" / "fp32" / "drift.json").read_text())
    broken = [point for point in drift["points"] if point["own"]["not_finite"]]
    assert broken[0]["layer"] == "hidden"
    assert run("verify", sound, own_run).code == 1
    in_each = [json.loads((folder / "verify.json").read_text())["broken"] for folder in (sound, own_run)]
    assert [[model["artifact"]["variant"] for model in found] for found in in_each] == [[], ["fp32"]]


def test_a_mixed_model_is_exported_within_the_drop(run: Any, own_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence says what was chosen and what it cost; the choice is kept beside the others."""
    monkeypatch.setattr("edgefashion.cli.export._SEARCH_BUDGET_S", 0.0)
    outcome = run("export", own_run, "--max-drop", "20%", "--min-agreement", "0.5", "--max-accuracy-drop", "0.5")
    assert outcome.code == 0, outcome.err
    assert "changes accuracy by" in outcome.err or "everything stays float32" in outcome.err
    report = json.loads((own_run / "sensitivity.json").read_text())
    assert report["max_drop"] == 0.2


def test_sensitivity_shows_both_tables(run: Any, own_run: Path) -> None:
    """Layers, assignments and a plot; without a budget no latency."""
    outcome = run("sensitivity", own_run, "--budget", "0", "--max-drop", "0.05")
    assert outcome.code == 0, outcome.err
    assert "each layer alone in int8" in outcome.out
    assert "Assignments of layers" in outcome.out
    assert (own_run / "plots" / "assignments.png").is_file()


def test_stability_does_not_rank_what_overlaps(run: Any, own_run: Path) -> None:
    """Two calibrations of the same scheme on a few hundred pictures cannot be told apart, and that is said."""
    outcome = run("stability", own_run, "--scheme", "static", "--seeds", 2, "--size", 200, "--size", 400)
    assert outcome.code == 0, outcome.err
    assert "can be told apart: their order means nothing" in outcome.out
    assert (own_run / "stability.json").is_file()


@pytest.mark.parametrize("command", ["sensitivity", "stability"])
def test_without_an_export_there_is_nothing_to_quantize(run: Any, own_run: Path, command: str) -> None:
    """The message says how to make one."""
    (own_run / "fp32.onnx").unlink()
    outcome = run(command, own_run)
    assert outcome.code == 4
    assert "edgefashion export" in outcome.error_lines[0]


@pytest.mark.parametrize(("text", "share"), [("0.2%", 0.002), (".002", 0.002), ("1%", 0.01), ("0.5", 0.5)])
def test_a_share_is_a_fraction_or_a_percentage(text: str, share: float) -> None:
    """Both spellings mean the same."""
    assert parse_share(text, "--max-drop") == pytest.approx(share)


@given(st.text(max_size=8))
def test_anything_else_is_a_usage_error(text: str) -> None:
    """Never a traceback, never a share outside of 0 and 1."""
    with suppress(UsageError):
        share = parse_share(text, "--max-drop")
        assert share is not None
        assert 0 < share < 1


@pytest.mark.parametrize("text", ["", "0", "1", "100%", "-1%", "nan", "inf", "much"])
def test_what_is_no_share_is_named(text: str) -> None:
    """The message holds the option, the value, and how to write it."""
    with pytest.raises(UsageError, match=r"--max-drop .*expected a share"):
        parse_share(text, "--max-drop")
