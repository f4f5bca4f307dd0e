"""What the documents say is what happens."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgefashion.environment import installed

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """The fenced blocks of one language in the README."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder with what a fresh clone has beside the code."""
    shutil.copytree(ROOT / "exported" / "seed-reference", tmp_path / "exported" / "seed-reference")
    return tmp_path


def lines_of(name: str) -> list[str]:
    """The commands of a document."""
    text = (ROOT / "docs" / f"{name}.md").read_text()
    return "".join(re.findall(r"^```sh\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)).splitlines()


def shell(command: str, place: Path, *, absent_is_fine: bool = False) -> None:
    """Run one documented command on the sample, with budgets that suit a test; exit code 5 may mean a skipped test."""
    arguments = command.split()
    if "--budget" in arguments:
        arguments[arguments.index("--budget") + 1] = "0.5"
    elif "bench" in arguments:
        arguments += ["--budget", "0.5"]
    # The seed's batches are larger than the sample can fill; everything after training is the same.
    arguments = ["seed-sample" if each == "seed" else each for each in arguments]
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=place,
        env={**os.environ, "EDGEFASHION_DATA": "sample"},
        capture_output=True,
        text=True,
        check=False,
    )
    # Half a second, or a noisy machine, may be too little for a gate to decide; it must not find what is not there.
    expected = {0, 3} if {"--baseline", "selftest"} & set(arguments) else {0}
    if absent_is_fine and done.returncode == 5:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.returncode in expected, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_first_two_blocks_are_the_whole_set_up() -> None:
    """One line each: install and start, install and test."""
    assert blocks("sh")[:2] == ["pip install -e '.[train]' && edgefashion quickstart\n", "pip install nox && nox\n"]


def test_the_commands_for_a_fresh_clone_work(place: Path) -> None:
    """Verify, measure, report and predict with the committed run, before any training."""
    for command in blocks("sh")[2].splitlines():
        shell(command, place)
    assert (place / "exported/seed-reference/report.html").is_file()


def test_the_plan_and_the_profile_work(place: Path) -> None:
    """What the README says of measuring, as far as it takes seconds."""
    plan, *_, profile = blocks("sh")[4].splitlines()
    assert "--plan" in plan
    assert "--profile" in profile
    shell(plan, place)
    shell(profile, place)
    assert (place / "exported/seed-reference/plots/roofline-1.png").is_file()


@pytest.mark.slow
def test_the_gate_and_the_operating_points_work(place: Path) -> None:
    """The other commands of the same section."""
    for command in blocks("sh")[4].splitlines()[1:-1]:
        shell(command, place)


def test_the_released_models_can_be_picked_and_looked_at(place: Path) -> None:
    """What the README shows of the small models, on the files of the repository."""
    for run in ("large", "micro", "released", "tiny", "edge"):
        shutil.copytree(ROOT / "exported" / run, place / "exported" / run)
    for command in blocks("sh")[6].splitlines():
        shell(command, place)
    assert (place / "missed.png").is_file()


@pytest.mark.slow
def test_the_other_places_can_be_reached(place: Path) -> None:
    """What the README shows of runtimes and devices, as far as what it needs is installed."""
    shutil.copytree(ROOT / "exported" / "edge", place / "exported" / "edge")
    for command in blocks("sh")[7].splitlines():
        if "--runtime openvino" in command and installed("openvino") is None:
            continue
        shell(command, place)
    assert (place / "edge-int8-static-kit" / "kit.json").is_file()


def test_the_whole_line_works_by_hand(place: Path) -> None:
    """Each command takes up where the one before it left off."""
    pytest.importorskip("torch")
    shutil.rmtree(place / "exported")
    for command in blocks("sh")[3].splitlines():
        shell(command, place)
    assert {"bench.json", "fp32.onnx", "int8-dynamic.onnx", "int8-static.onnx", "verify.json"} <= {
        path.name for path in (place / "exported/seed-sample").iterdir()
    }


def test_the_example_in_python_works(place: Path) -> None:
    """Eight lines, from data to report."""
    pytest.importorskip("torch")
    (code,) = blocks("python")
    assert len([line for line in code.splitlines() if line]) <= 8
    done = subprocess.run([sys.executable, "-c", code], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "True" in done.stdout
    assert (place / "exported/example/report.html").is_file()


def test_the_quickstart_ends_with_a_report(place: Path) -> None:
    """On the sample, with two epochs: every file of a run, and the path of the report as the last line."""
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "edgefashion", "quickstart", "--data", "sample", "--budget", "0.5"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    page = Path(done.stdout.strip().splitlines()[-1].removeprefix("Report: "))
    assert page.is_file()
    assert "bundled sample" in page.read_text()
    assert "bundled sample" in done.stdout


def test_the_committed_run_is_whole() -> None:
    """Its files are sound, belong together, and say what the README says."""
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.records import TrainingReport

    run = ROOT / "exported" / "seed-reference"
    checkpoint = open_artifact(run / runs.CHECKPOINT)
    report = TrainingReport.load(run / runs.TRAINING)
    assert checkpoint.sha256 == report.checkpoint_sha256
    assert not report.data.is_sample
    assert report.test.accuracy >= 0.86
    assert report.test.weighted_f1 >= 0.86
    models = runs.artifacts_in(run)
    assert [model.manifest.variant for model in models] == ["fp32", "int8-dynamic", "int8-static"]
    assert {checkpoint.sha256} == {model.manifest.checkpoint_sha256 for model in models}


def test_the_changelog_has_the_version_or_unreleased() -> None:
    """Whoever changes the version writes what changed."""
    from edgefashion import __version__

    changelog = (ROOT / "CHANGELOG.md").read_text()
    assert f"## [{__version__}]" in changelog or "## [Unreleased]" in changelog


@pytest.mark.parametrize("document", ["README.md", "CONTRIBUTING.md", "docs/architecture.md"])
def test_every_link_between_documents_leads_somewhere(document: str) -> None:
    """Relative links name files that exist."""
    folder = (ROOT / document).parent
    for target in re.findall(r"\]\(([^)#]+)\)", (ROOT / document).read_text()):
        if "://" not in target:
            assert (folder / target).exists(), target


@pytest.mark.slow
@pytest.mark.parametrize("name", ["verifying", "quantizing"])
def test_the_commands_of_the_other_documents_work(name: str, place: Path) -> None:
    """Each is run on the committed run, with short budgets; what a device computed is the golden file itself."""
    pytest.importorskip("torch")
    shutil.copytree(ROOT / "exported" / "edge", place / "edge")
    run = place / "exported" / "seed-reference"
    for line in lines_of(name):
        command = line.partition("#")[0].replace(" int8-static.onnx", f" {run / 'int8-static.onnx'}")
        command = command.replace("--search 30", "--search 1").replace("--seeds 5", "--seeds 2")
        command = command.replace("device.csv", "golden.npz")
        command = command.replace("exported/edge", "edge")
        if "sensitivity" in command:
            command += " --budget 1"
        shell(command, place)


@pytest.mark.slow
def test_the_commands_of_tuning_work(place: Path) -> None:
    """With few trials and one epoch; an installation and a database server are not for this test."""
    pytest.importorskip("optuna")
    here = [line for line in lines_of("tuning") if line.startswith("edgefashion") and "--storage" not in line]
    assert len(here) == 2
    for command in here:
        # No network of the sample keeps a limit that was made for the whole data set.
        short = command.replace("--trials 60", "--trials 4 --epochs 1").replace("--epochs 40", "--epochs 1")
        shell(short.replace("60us", "10ms").replace("36kB", "1MB"), place)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["runtimes", "microcontroller", "kit", "web"])
def test_the_commands_of_the_other_places_work(name: str, place: Path) -> None:
    """Each line of a document, where what it needs is here; what runs on the device runs in the kit's folder."""
    pytest.importorskip("torch")
    run = place / "exported" / "edge"
    shutil.copytree(ROOT / "exported" / "edge", run)
    for line in lines_of(name):
        command = line.partition("#")[0].replace("RUN", "exported/edge").replace("/media/stick", str(place / "stick"))
        if command.startswith(("pip", "nox")) or "web.build" in command:
            continue
        if command.startswith("make") or "edgefashion_kit" in command:
            arguments = (
                ["make", "-C", str(run / "c-int8"), "test"]
                if command.startswith("make")
                else [sys.executable, *command.split()[1:]]
            )
            if '"Pi' in arguments:  # a shell would take both words for one name
                arguments = [sys.executable, "-m", "edgefashion_kit", "bench", "--name", "Pi 5"]
            folder = run / "edge-int8-static-kit" if "edgefashion_kit" in command else place
            done = subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            continue
        if "--device" in command:
            result = run / "edge-int8-static-kit" / "kit-result.json"
            command = f"edgefashion report exported/edge --device {result}"
        shell(command, place, absent_is_fine=True)


@pytest.mark.slow
def test_the_proofs_work(place: Path) -> None:
    """What the README says of proving, the self-test last."""
    pytest.importorskip("torch")
    for command in blocks("sh")[5].splitlines():
        shell(command, place)
    assert (place / "exported/seed-reference/drift/fp32/drift.json").is_file()
