"""Run folders and which run is meant."""

import os
from pathlib import Path

import msgspec
import pytest

from edgefashion import runs
from edgefashion.artifact import stamp_checkpoint
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Manifest
from edgefashion.subjects import ForeignModel


@pytest.fixture(autouse=True)
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty `exported` folder in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "exported"
    folder.mkdir()
    return folder


def finished_run(folder: Path, *, age_s: int = 0) -> Path:
    """A folder that looks like a finished run of that age."""
    folder.mkdir(parents=True)
    for name in (runs.CHECKPOINT, runs.TRAINING):
        (folder / name).touch()
    os.utime(folder / runs.TRAINING, (1_000_000 - age_s, 1_000_000 - age_s))
    return folder


def add_model(folder: Path, manifest: Manifest, *, variant: str, precision: str) -> None:
    """A stand-in for an exported model: only its manifest is looked at."""
    own = msgspec.structs.replace(manifest, variant=variant, precision=precision)
    (folder / f"{variant}.onnx").write_bytes(stamp_checkpoint({}, own))


def test_newest_run_is_meant(root: Path) -> None:
    """Without a name the run that finished last is meant, unfinished ones never."""
    finished_run(root / "a", age_s=20)
    newest = finished_run(root / "b", age_s=10)
    finished_run(root / "c", age_s=30)
    (root / "d").mkdir()
    (root / "d" / runs.CHECKPOINT).touch()
    assert newest == runs.find_run(root=root)


def test_name_or_path(root: Path) -> None:
    """A run is found by its name under the root, and by its path anywhere."""
    named = finished_run(root / "mine")
    elsewhere = finished_run(root.parent / "elsewhere" / "theirs")
    assert named == runs.find_run("mine", root=root)
    assert elsewhere == runs.find_run(elsewhere, root=root)
    assert elsewhere == runs.find_run(str(elsewhere), root=root)


def test_absent_runs(root: Path) -> None:
    """A run that is not there, and no run at all, are refused with what to do."""
    with pytest.raises(BadInput, match="make one with `edgefashion train`"):
        runs.find_run(root=root)
    with pytest.raises(BadInput, match="no run 'mine': expected a folder, or a name under"):
        runs.find_run("mine", root=root)
    (root / "mine").mkdir()
    with pytest.raises(BadInput, match=r"mine holds no checkpoint\.safetensors"):
        runs.find_run("mine", root=root)


def test_finished_means_reported(root: Path) -> None:
    """A run counts as finished when its report is there, which is written last."""
    run = finished_run(root / "mine")
    assert runs.is_finished(run)
    (run / runs.TRAINING).unlink()
    assert not runs.is_finished(run)


def test_new_run_takes_the_first_free_name(root: Path) -> None:
    """Runs of the same name are numbered from two, and no existing folder is reused."""
    assert root / "seed" == runs.new_run("seed", resume=False, root=root)
    (root / "seed").mkdir()
    assert root / "seed-2" == runs.new_run("seed", resume=False, root=root)
    finished_run(root / "seed-2")
    assert root / "seed-3" == runs.new_run("seed", resume=False, root=root)


def test_resume_finds_the_unfinished_run(root: Path) -> None:
    """Resuming goes on with the run that has a state and no report."""
    finished_run(root / "seed")
    (root / "seed" / runs.RESUME).touch()
    (root / "seed-2").mkdir()
    with pytest.raises(UsageError, match="no unfinished run of 'seed'"):
        runs.new_run("seed", resume=True, root=root)
    (root / "seed-2" / runs.RESUME).touch()
    assert root / "seed-2" == runs.new_run("seed", resume=True, root=root)


def test_float32_comes_first(root: Path, manifest: Manifest) -> None:
    """A run's models are listed with float32 first, then by variant."""
    run = finished_run(root / "seed")
    for variant, precision in (("int8-static", "int8"), ("zz", "float32"), ("fp16", "float16")):
        add_model(run, manifest, variant=variant, precision=precision)
    assert [found.manifest.variant for found in runs.artifacts_in(run)] == ["zz", "fp16", "int8-static"]


def test_damaged_model_is_not_skipped(root: Path, manifest: Manifest) -> None:
    """A damaged model in a run is reported, never left out."""
    run = finished_run(root / "seed")
    add_model(run, manifest, variant="fp32", precision="float32")
    (run / "int8.onnx").write_bytes(b"damaged")
    with pytest.raises(BadInput, match=r"int8\.onnx"):
        runs.artifacts_in(run)


def test_files_and_runs_in_the_order_given(root: Path, manifest: Manifest) -> None:
    """Files and runs may be mixed; without names the newest run's models are meant."""
    old, new = finished_run(root / "old", age_s=10), finished_run(root / "new")
    for run, variants in ((old, ("a", "b")), (new, ("c",))):
        for variant in variants:
            add_model(run, manifest, variant=variant, precision="int8")
    given = runs.resolve_artifacts([str(new / "c.onnx"), "old"])
    assert [found.manifest.variant for found in given] == ["c", "a", "b"]
    assert [found.manifest.variant for found in runs.resolve_artifacts([])] == ["c"]


def test_run_without_models(root: Path) -> None:
    """A run that was never exported is refused with the command that exports it."""
    run = finished_run(root / "seed")
    with pytest.raises(BadInput, match=f"make one with `edgefashion export {Path('exported') / 'seed'}`"):
        runs.resolve_artifacts(["seed"])
    assert runs.artifacts_in(run) == []


def test_missing_file_is_called_a_file(root: Path) -> None:
    """A name that ends like a file is answered as a missing file, not as a missing run."""
    with pytest.raises(BadInput, match=r"absent\.onnx does not exist"):
        runs.resolve_artifacts([str(root / "absent.onnx")])


def test_run_with_a_dot_in_its_name(root: Path, manifest: Manifest) -> None:
    """A run may be called v1.5 without being taken for a file."""
    run = finished_run(root / "v1.5")
    add_model(run, manifest, variant="fp32", precision="float32")
    assert [found.manifest.variant for found in runs.resolve_artifacts([str(run)])] == ["fp32"]
    assert [found.manifest.variant for found in runs.resolve_artifacts(["v1.5"])] == ["fp32"]


def test_any_model_may_be_named_where_it_is_only_timed(root: Path, sealed_files: dict[str, bytes]) -> None:
    """A foreign file, an artifact and a run, in the order given; a foreign file in a run is damage."""
    run = finished_run(root / "mine")
    (run / "fp32.onnx").write_bytes(sealed_files["fp32.onnx"])
    graph, opset = b"\x3a\x02\x12\x00", b"\x42\x02\x10\x12"
    (root / "net.onnx").write_bytes(graph + opset)
    found = runs.resolve_models([str(root / "net.onnx"), str(run / "fp32.onnx"), "mine"])
    assert [model.info.variant for model in found] == ["net", "fp32", "fp32"]
    assert isinstance(found[0], ForeignModel)
    with pytest.raises(BadInput, match=r"net\.onnx carries no edgefashion seal"):
        runs.resolve_artifacts([str(root / "net.onnx")])
    (root / "net.onnx").rename(run / "net.onnx")
    with pytest.raises(BadInput, match=r"net\.onnx carries no edgefashion seal"):
        runs.resolve_models(["mine"])


def test_without_names_the_newest_run_s_models_are_timed(root: Path, manifest: Manifest) -> None:
    """And what is not there is refused as everywhere else."""
    add_model(finished_run(root / "only"), manifest, variant="fp32", precision="float32")
    assert [model.info.variant for model in runs.resolve_models([])] == ["fp32"]
    with pytest.raises(BadInput, match="there is no run 'other'"):
        runs.resolve_models(["other"])
    with pytest.raises(BadInput, match=r"absent\.onnx does not exist"):
        runs.resolve_models(["absent.onnx"])
