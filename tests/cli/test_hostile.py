"""Every command given files that are truncated, flipped, missing or of the wrong kind: exit 4, nothing lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefashion.data.dataset import SAMPLE_FOLDER


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 16
    path.write_bytes(content)


def remove(path: Path) -> None:
    path.unlink()


def empty(path: Path) -> None:
    path.write_bytes(b"")


def replace_by_a_picture(path: Path) -> None:
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(path, format="PNG")


def replace_by_json(path: Path) -> None:
    path.write_text('{"kind": "benchmark", "launches": [NaN]}')


DAMAGE: tuple[Callable[[Path], None], ...] = (
    truncate,
    flip_a_bit,
    remove,
    empty,
    replace_by_a_picture,
    replace_by_json,
)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    """An ONNX model that edgefashion did not make, alone in its folder."""
    onnx = pytest.importorskip("onnx")
    helper, element = onnx.helper, onnx.TensorProto.FLOAT
    x, y = (helper.make_tensor_value_info(name, element, ["n", 64]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Sigmoid", ["x"], ["y"])], "g", [x], [y])
    (tmp_path / "foreign").mkdir()
    path = tmp_path / "foreign" / "net.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8), path)
    return path


MODEL_COMMANDS = {
    "verify": ("verify", "FILE"),
    "bench": ("bench", "FILE", "--budget", "0.1", "--runtime", "onnxruntime"),
    "predict": ("predict", "FILE", "0"),
}


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not path.name.startswith(".lock")
    }


def check_refused(outcome, folder: Path, before: dict[str, bytes]) -> None:
    """Exit 4, an error of one or two lines, no traceback, and every file as it was."""
    assert outcome.code == 4, outcome.err
    assert 1 <= len(outcome.error_lines) <= 2
    assert "Traceback" not in outcome.err
    assert before == contents(folder)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("command", MODEL_COMMANDS)
def test_a_damaged_model_is_refused(run, own_run, command, damage) -> None:
    """Before any parser of ONNX sees it."""
    damage(own_run / "fp32.onnx")
    before = contents(own_run)
    arguments = [own_run / "fp32.onnx" if each == "FILE" else each for each in MODEL_COMMANDS[command]]
    check_refused(run(*arguments), own_run, before)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_model_in_a_run_is_refused(run, own_run, damage) -> None:
    """A run with one bad model is not verified in part; a missing one is simply not there."""
    damage(own_run / "int8-static.onnx")
    before = contents(own_run)
    if damage is remove:
        assert run("verify", own_run, "--reference", "golden", "--min-agreement", "0.5").code == 0
    else:
        check_refused(run("verify", own_run), own_run, before)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_not_exported(run, own_run, damage) -> None:
    """And the models exported before stay."""
    pytest.importorskip("torch")
    damage(own_run / "checkpoint.safetensors")
    before = contents(own_run)
    check_refused(run("export", own_run), own_run, before)


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, replace_by_a_picture, replace_by_json])
def test_a_damaged_reference_is_refused(run, own_run, damage) -> None:
    """Stored logits are evidence: they are checked like everything else."""
    damage(own_run / "reference.safetensors")
    before = contents(own_run)
    check_refused(run("verify", own_run, "--reference", "stored"), own_run, before)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_result_is_not_reported(run, tmp_path, measured, damage) -> None:
    """A flipped digit in bench.json is not drawn."""
    measured.save(tmp_path / "bench.json", indent=0)
    damage(tmp_path / "bench.json")
    before = contents(tmp_path)
    check_refused(run("report", tmp_path / "bench.json", "--format", "html"), tmp_path, before)


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("baseline", ["bench.json", "fp32.onnx", "checkpoint.safetensors"])
def test_a_damaged_baseline_is_not_compared_with(run, own_run, measured, baseline, damage) -> None:
    """Whatever is judged by it would be judged by damage: nothing is measured."""
    measured.save(own_run / "bench.json", indent=0)
    damage(own_run / baseline)
    before = contents(own_run)
    candidate = own_run / "int8-static.onnx"
    check_refused(run("bench", candidate, "--baseline", own_run / baseline, "--budget", "0.1"), own_run, before)


@pytest.mark.parametrize("damage", [truncate, remove, empty, replace_by_a_picture, replace_by_json])
def test_a_damaged_foreign_model_is_refused(run, foreign, damage) -> None:
    """It has no seal, so a flipped bit makes another model of it; but what is none is refused."""
    damage(foreign)
    before = contents(foreign.parent)
    check_refused(run("bench", foreign, "--budget", "0.1"), foreign.parent, before)


def test_a_folder_of_results_can_be_reported(run, tmp_path, measured) -> None:
    """A folder that holds bench.json is enough, whether or not a model lies beside it."""
    measured.save(tmp_path / "bench.json", indent=0)
    outcome = run("report", tmp_path, "--format", "csv")
    assert outcome.code == 0
    assert "fp32" in outcome.out


@pytest.mark.parametrize("damage", [truncate, flip_a_bit, empty, replace_by_a_picture, replace_by_json])
def test_a_damaged_resume_state_is_refused(run, own_run, damage) -> None:
    """Going on from a damaged state would train something else."""
    pytest.importorskip("torch")
    (own_run / "train.json").unlink()
    (own_run / "resume.safetensors").write_bytes((own_run / "checkpoint.safetensors").read_bytes())
    damage(own_run / "resume.safetensors")
    before = contents(own_run)
    check_refused(run("train", "--resume", "--out", own_run), own_run, before)


@pytest.mark.parametrize("damage", [*DAMAGE[:2], *DAMAGE[3:]])
@pytest.mark.parametrize("command", ["data", "train"])
def test_damaged_data_are_refused(run, tmp_path, command, damage) -> None:
    """A folder that is named must hold the published files, every byte of them."""
    if command == "train":
        pytest.importorskip("torch")
    folder = tmp_path / "data"
    folder.mkdir()
    for path in SAMPLE_FOLDER.glob("*.gz"):
        (folder / path.name).write_bytes(path.read_bytes())
    damage(folder / "t10k-labels-idx1-ubyte.gz")
    before = contents(tmp_path)
    check_refused(
        run(command, "--data", folder, *(["--out", tmp_path / "x"] if command == "train" else [])), tmp_path, before
    )


def test_data_that_are_missing_are_refused(run, tmp_path) -> None:
    """A folder that does not exist, and one with nothing in it."""
    check_refused(run("data", "--data", tmp_path / "nowhere"), tmp_path, {})
    check_refused(run("data", "--data", tmp_path), tmp_path, {})


@pytest.mark.parametrize("damage", [truncate, remove, empty, replace_by_json])
def test_damaged_pictures_are_refused(run, own_run, tmp_path, damage) -> None:
    """A picture that is none, or half of one."""
    picture = tmp_path / "picture.png"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(picture)
    damage(picture)
    before = contents(own_run)
    check_refused(run("predict", own_run / "fp32.onnx", picture), own_run, before)


@pytest.mark.parametrize("command", ["export", "verify", "bench", "report"])
def test_a_run_that_does_not_exist_is_refused(run, tmp_path, monkeypatch, command) -> None:
    """By name, and when none was ever made."""
    if command == "export":
        pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    check_refused(run(command, "nowhere"), tmp_path, {})
    check_refused(run(command), tmp_path, {})
