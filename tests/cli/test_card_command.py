"""`edgefashion card`: from a real run's documents, and only where they are about its own files."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from edgefashion.cli.card import gather, lineage, scheme_text
from edgefashion.files import sha256
from edgefashion.records import BenchReport, Quantization, Recipe, TrainingReport, VerifyReport
from edgefashion.report.card_command import Trained, reproduction

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the committed run, without plots."""
    return Path(shutil.copytree(COMMITTED, tmp_path / "seed-reference", ignore=shutil.ignore_patterns("plots", "*.md")))


def block(card: str, language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", card, re.DOTALL | re.MULTILINE)
    return found


def change(path: Path, kind: type, **changes: object) -> None:
    """Write a document again with other values."""
    msgspec.structs.replace(kind.load(path), **changes).save(path)


def test_the_committed_run_has_its_card(run: Callable, folder: Path) -> None:
    """README.md is written, speaks of all models, and lists the digest of each file as it lies there."""
    outcome = run("card", folder)
    assert (outcome.code, outcome.out) == (0, "")
    card = (folder / "README.md").read_text()
    assert card.startswith("---\nlicense: mit\n")
    lines = [line.split("  ") for line in block(card, "sh").splitlines() if "  again/" in line]
    models = sorted(path.name for path in folder.glob("*.onnx"))
    assert {Path(name).name for _, name in lines} == {"checkpoint.safetensors", *models}
    assert all(digest == sha256((folder / Path(name).name).read_bytes()) for digest, name in lines)


def test_the_example_runs_where_the_models_lie(run: Callable, folder: Path) -> None:
    """Five lines of Python that need numpy and onnxruntime, and print a class."""
    run("card", folder)
    example = block((folder / "README.md").read_text(), "python")
    assert len(example.splitlines()) == 5
    done = subprocess.run([sys.executable, "-c", example], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() in {f"[{label!r}]" for label in VerifyReport.load(folder / "verify.json").data.labels}


# What does not belong together is refused


def lack_proof(folder: Path) -> None:
    (folder / "verify.json").unlink()


def prove_another_file(folder: Path) -> None:
    (folder / "int8-static.onnx").write_bytes((folder / "int8-dynamic.onnx").read_bytes())
    results = VerifyReport.load(folder / "verify.json").results
    kept = [each for each in results if each.artifact.variant != "int8-dynamic"]
    change(folder / "verify.json", VerifyReport, results=kept)


def prove_on_golden_pictures(folder: Path) -> None:
    results = VerifyReport.load(folder / "verify.json").results
    bare = [msgspec.structs.replace(each, quality=None, decisions=None) for each in results]
    change(folder / "verify.json", VerifyReport, results=bare)


def fail_a_check(folder: Path) -> None:
    first, *others = VerifyReport.load(folder / "verify.json").results
    checks = [msgspec.structs.replace(each, limit=-1.0, relation="≤") for each in first.checks]
    change(folder / "verify.json", VerifyReport, results=[msgspec.structs.replace(first, checks=checks), *others])


def describe_another_checkpoint(folder: Path) -> None:
    change(folder / "train.json", TrainingReport, checkpoint_sha256="0" * 64)


def export_nothing(folder: Path) -> None:
    for path in folder.glob("*.onnx"):
        path.unlink()


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (lack_proof, 4, "verify.json does not exist"),
        (prove_another_file, 4, "says nothing about int8-dynamic.onnx as it is now"),
        (prove_on_golden_pictures, 4, "on golden pictures alone"),
        (fail_a_check, 1, "parity does not hold for"),
        (describe_another_checkpoint, 4, "is not what"),
        (export_nothing, 4, "has no exported model"),
    ],
)
def test_no_card_without_evidence(
    run: Callable, folder: Path, damage: Callable[[Path], None], code: int, words: str
) -> None:
    """One line says what is missing, and nothing is written."""
    damage(folder)
    outcome = run("card", folder)
    assert (code, True) == (outcome.code, words in outcome.error_lines[0])
    assert not (folder / "README.md").exists()


def test_a_model_of_another_checkpoint_is_refused(run: Callable, folder: Path, sealed_files: dict[str, bytes]) -> None:
    """A stray file in the folder is not the run's."""
    (folder / "stray.onnx").write_bytes(sealed_files["fp32.onnx"])
    outcome = run("card", folder)
    assert (outcome.code, "was not exported from" in outcome.error_lines[0]) == (4, True)


def test_latency_is_told_only_of_these_files(run: Callable, folder: Path, measured: BenchReport) -> None:
    """A benchmark of the run's own model has a section; one of files that are no more is left out, with a note."""
    measured.save(folder / "bench.json")
    assert "latency is left out" not in run("card", folder).err
    assert "## Latency" in (folder / "README.md").read_text()
    cells = [
        msgspec.structs.replace(each, artifact=msgspec.structs.replace(each.artifact, sha256="0" * 64))
        for each in measured.plan.cells
    ]
    change(folder / "bench.json", BenchReport, plan=msgspec.structs.replace(measured.plan, cells=cells))
    assert "latency is left out" in run("card", folder).err
    assert "## Latency" not in (folder / "README.md").read_text()


# Reproduction


@pytest.mark.parametrize(
    ("scheme", "settings", "text"),
    [
        ("float16", {}, "float16"),
        ("static", {"method": "minmax", "percentile": 99.999, "per_channel": True}, "static"),
        ("static", {"method": "mse", "per_channel": False}, "static:method=mse,per_channel=false"),
        ("mixed", {"float_layers": "a.0+b"}, "mixed:float_layers=a.0+b"),
        ("dynamic", {"weights": "uint8", "per_channel": False}, "dynamic:weights=uint8"),
    ],
)
def test_a_scheme_is_spelled_as_export_takes_it(scheme: str, settings: dict[str, object], text: str) -> None:
    """With those of its settings that are not the default."""
    assert text == scheme_text(Quantization(scheme, settings))


def test_teachers_are_found_beside_the_run(tmp_path: Path, training_report: TrainingReport) -> None:
    """By name and digest, and their own teachers before them; one of another digest is another one."""
    change_of = msgspec.structs.replace
    first = change_of(training_report, checkpoint_sha256="1" * 64)
    second = change_of(training_report, checkpoint_sha256="2" * 64, teacher="first", teacher_sha256="1" * 64)
    third = change_of(training_report, teacher="second", teacher_sha256="2" * 64)
    for name, report in (("first", first), ("second", second)):
        (tmp_path / name).mkdir()
        report.save(tmp_path / name / "train.json")
    found = lineage("third", third, near=tmp_path)
    assert [each.name for each in found] == ["first", "second", "third"]
    stranger = change_of(third, teacher_sha256="3" * 64)
    assert lineage("third", stranger, near=tmp_path) == [Trained("third", stranger)]


def test_the_command_trains_the_same_bytes(
    run: Callable, tiny_run: Path, tiny_recipe: Recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint that the first command makes is the run's own, down to its last bit."""
    pytest.importorskip("torch")
    # The same object is the table of presets everywhere.
    monkeypatch.setitem(sys.modules["edgefashion.recipes"].RECIPES, tiny_recipe.name, tiny_recipe)
    report = TrainingReport.load(tiny_run / "train.json")
    monkeypatch.chdir(tmp_path)
    train, _ = reproduction([Trained("tiny", report)], schemes=[], opset=None)
    assert run(*shlex.split(train)[1:]).code == 0
    again = sha256((tmp_path / "again" / "tiny" / "checkpoint.safetensors").read_bytes())
    assert report.checkpoint_sha256 == again


@pytest.mark.slow
def test_the_whole_command_proves_itself(tmp_path: Path) -> None:
    """Train with a teacher, export, verify and describe a run; its card's command makes each file again."""
    pytest.importorskip("torch")
    tool = tmp_path / "bin" / "edgefashion"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m edgefashion "$@"\n')
    tool.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tool.parent}:{os.environ['PATH']}", "EDGEFASHION_DATA": "sample"}

    def shell(script: str) -> str:
        done = subprocess.run(
            ["/bin/sh", "-ec", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return done.stdout

    shell("""
        edgefashion train --recipe micro --epochs 1 --threads 1 --out boss
        edgefashion train --recipe seed-sample --epochs 4 --teacher boss --threads 1 --out pupil
        edgefashion export pupil --scheme static:method=mse
        edgefashion verify pupil
        edgefashion card pupil
    """)
    lines = shell(block((tmp_path / "pupil" / "README.md").read_text(), "sh")).splitlines()
    checked = [f"again/pupil/{name}: OK" for name in ("checkpoint.safetensors", "fp32.onnx", "int8-static-mse.onnx")]
    assert checked == lines[-3:]
    assert len(gather(tmp_path / "pupil").lineage) == 2
