"""The command line as a whole: help, start-up, exit codes, streams."""

import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgefashion import __version__
from edgefashion.cli.app import COMMANDS
from edgefashion.records import BenchReport, TrainingReport

HEAVY = ("torch", "torchvision", "onnx", "onnxruntime", "scipy", "sklearn", "matplotlib", "numpy", "rich", "jinja2")


def test_help_imports_nothing_heavy() -> None:
    """`edgefashion --help` must not pay for what it does not use."""
    code = (
        "import sys; sys.argv = ['edgefashion', '--help']\n"
        "from edgefashion.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.endswith("HEAVY []\n")


def cpu_seconds(*arguments: str) -> float:
    """What the interpreter uses of processor time to run `arguments`."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_costs_at_most_twice_what_typer_costs() -> None:
    """Its floor; both are taken in turns, and the least of each counts, because other work on the machine only adds."""
    turns = [
        (cpu_seconds("-m", "edgefashion", "--help"), cpu_seconds("-c", "import typer, typer.main")) for _ in range(7)
    ]
    ours, floor = (min(used) for used in zip(*turns, strict=True))
    assert ours <= 2 * floor


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_command_explains_itself(run, command) -> None:
    """A sentence, more than a sentence, and a word on every option."""
    outcome = run(command.__name__, "--help")
    assert outcome.code == 0
    assert len((command.__doc__ or "").strip().splitlines()) > 1
    assert len(outcome.out.split("Options:")[0]) > 150


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.__name__)
def test_every_command_stands_in_the_readme(command) -> None:
    """Whoever adds a command documents it."""
    readme = Path(__file__).parents[2] / "README.md"
    assert f"edgefashion {command.__name__}" in readme.read_text()


def test_the_version_is_printed(run) -> None:
    """`--version` names the package and its version."""
    assert f"edgefashion {__version__}\n" == run("--version").out


def test_an_unknown_command_is_a_usage_error(run) -> None:
    """Exit code 2 and the name."""
    outcome = run("fly")
    assert outcome.code == 2
    assert "fly" in outcome.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("train", "--recipe", "sead"), "did you mean 'seed'"),
        (("train", "--augment", "flop"), "did you mean 'flip'"),
        (("train", "--device", "tpu"), "unknown device 'tpu'"),
        (("train", "--resume"), "start one without --resume"),
        (("export", "--scheme", "statik"), "did you mean 'static'"),
        (("bench", "RUN", "--runtime", "tensorflow"), "unknown runtime"),
        (("bench", "RUN", "--reference", "fp31"), "did you mean 'fp32'"),
        (("verify", "RUN", "--reference", "goldn"), "did you mean 'golden'"),
        (("predict", "RUN", "1000"), "expected 0 to 999"),
    ],
)
def test_a_request_that_makes_no_sense_exits_with_2(run, tiny_run, tmp_path, monkeypatch, arguments, said) -> None:
    """One line with the value and what is known, and nothing is created."""
    monkeypatch.chdir(tmp_path)
    outcome = run(*(tiny_run if argument == "RUN" else argument for argument in arguments))
    assert outcome.code == 2
    assert said in outcome.error_lines[0]
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("provider", ["qnn", "QNNExecutionProvider", "kuda"])
@pytest.mark.parametrize("command", ["bench", "verify", "predict"])
def test_a_provider_that_is_not_here_exits_with_5(run, tiny_run, command, provider) -> None:
    """Absent or misspelt, it is an error and never the CPU in disguise."""
    pictures = ("0",) if command == "predict" else ()
    outcome = run(command, tiny_run / "fp32.onnx", *pictures, "--provider", provider)
    assert outcome.code == 5
    assert provider.removesuffix("ExecutionProvider").lower() in outcome.error_lines[0].lower()


def test_a_bug_exits_with_70_and_says_how_to_report_it(run, monkeypatch) -> None:
    """No traceback unless it is asked for."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("edgefashion.environment.describe", broken)
    outcome = run("doctor")
    assert outcome.code == 70
    assert "a bug in edgefashion: ZeroDivisionError: oops" in outcome.error_lines[0]
    assert "Traceback" not in outcome.err


def test_debug_shows_the_traceback(process) -> None:
    """With --debug the error keeps its history."""
    outcome = process("--debug", "verify", "nothing.onnx")
    assert outcome.code == 4
    assert "Traceback" in outcome.err
    assert "BadInput" in outcome.err


def test_training_without_torch_names_the_remedy(run, monkeypatch) -> None:
    """Before any work: what is missing and the command that installs it."""
    monkeypatch.setattr("edgefashion.environment.find_spec", lambda _: None)
    for command in ("train", "export", "quickstart"):
        outcome = run(command)
        assert outcome.code == 5
        assert "pip install 'edgefashion[train]'" in outcome.error_lines[0]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_an_interrupted_training_leaves_nothing_half_written(launched, process, tmp_path, number, code) -> None:
    """The signal's exit code, no temporary file, and --resume finishes what was begun."""
    pytest.importorskip("torch")
    # So many epochs that the last is not over before the signal arrives, however busy the machine is.
    arguments = ("train", "--recipe", "seed-sample", "--epochs", "20", "--threads", "1", "--out", "run")
    child = launched(*arguments)
    while not (tmp_path / "run" / "resume.safetensors").exists():
        assert child.poll() is None, child.communicate()
        time.sleep(0.01)
    child.send_signal(number)
    _, err = child.communicate(timeout=60)
    assert code == child.returncode
    assert "Traceback" not in err
    assert list((tmp_path / "run").glob(".*.tmp")) == []
    assert not (tmp_path / "run" / "train.json").exists()
    assert process(*arguments, "--resume").code == 0
    assert len(TrainingReport.load(tmp_path / "run" / "train.json").history) == 20


def test_a_benchmark_that_is_interrupted_leaves_no_worker(launched, tiny_run, tmp_path) -> None:
    """Ctrl-C while workers run: exit code 130, no process left, and what was measured is kept, marked partial."""
    import psutil

    # A budget that other work on the machine does not use up before the second generation.
    options = ("--out", tmp_path / "out", "--runtime", "onnxruntime", "--budget", "600")
    child = launched("bench", tiny_run / "fp32.onnx", *options)
    line = ""
    while "generation 2" not in line:
        line = child.stderr.readline()
        assert line, "the benchmark ended before its second generation"
    workers: list[psutil.Process] = []
    while not workers:
        workers = psutil.Process(child.pid).children()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    # They are compared by their start as well: another process may have got the number of one that ended.
    assert psutil.wait_procs(workers, timeout=20)[1] == []
    assert "partial" in out
    result = BenchReport.load(tmp_path / "out" / "bench.json")
    assert result.partial
    assert {2} <= {each.launches for each in result.results}


def test_a_terminal_that_knows_only_ascii_gets_no_traceback(process) -> None:
    """Characters it cannot show become question marks."""
    outcome = process("doctor", PYTHONIOENCODING="ascii")
    assert outcome.code == 0
    assert "Traceback" not in outcome.err


def test_a_pipe_gets_no_colours_and_no_bars(process) -> None:
    """What is piped into a file is text."""
    outcome = process("data")
    assert outcome.code == 0
    assert "\x1b" not in outcome.out + outcome.err


def test_a_reader_that_leaves_is_no_bug(launched) -> None:
    """`edgefashion doctor | head -0` must not print a traceback."""
    child = launched("doctor")
    child.stdout.close()
    err = child.stderr.read()
    child.wait(timeout=60)
    assert "Traceback" not in err
    assert "bug" not in err


def test_two_commands_in_one_folder_do_not_overwrite_each_other(run, own_run) -> None:
    """The second one exits with 6 and says who holds the folder."""
    from edgefashion.files import locked

    script = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from edgefashion.files import locked\n"
        "with locked(Path(sys.argv[1])):\n"
        "    print('held', flush=True)\n"
        "    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(own_run)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout.readline() == "held\n"
        outcome = run("verify", own_run, "--reference", "golden")
        assert outcome.code == 6
        assert f"process {holder.pid}" in outcome.error_lines[0]
    finally:
        holder.kill()
        holder.wait()
    with locked(own_run):
        pass


def test_golden_outputs_are_each_models_own(run, own_run) -> None:
    """Without torch and the full reference, every model answers its own golden pictures exactly as when it was made."""
    for name in ("checkpoint.safetensors", "reference.safetensors"):
        (own_run / name).rename(own_run / f"{name}.away")
    models = [own_run / f"{variant}.onnx" for variant in ("fp32", "int8-dynamic", "int8-static")]
    outcome = run("verify", *models, "--json")
    assert outcome.code == 0
    assert [each["max_abs"] for each in json.loads(outcome.out)["results"]] == [0.0, 0.0, 0.0]


def test_files_named_one_by_one_leave_the_runs_proof_alone(run, own_run) -> None:
    """Only verifying the run itself writes its verify.json."""
    assert run("verify", own_run, "--min-agreement", "0.5", "--max-accuracy-drop", "1").code == 0
    proof = (own_run / "verify.json").read_bytes()
    assert run("verify", own_run / "fp16.onnx", "--reference", "golden").code == 0
    assert proof == (own_run / "verify.json").read_bytes()


def test_a_trial_does_not_replace_a_larger_proof(run, tmp_path) -> None:
    """The committed run's proof on 10,000 pictures survives a verification on the sample."""
    import shutil

    own = Path(shutil.copytree(Path(__file__).parents[2] / "exported" / "seed-reference", tmp_path / "own"))
    before = (own / "verify.json").read_bytes()
    outcome = run("verify", own, "--reference", "golden")
    assert outcome.code == 0
    assert "keeps its proof on more pictures than these" in outcome.err
    assert before == (own / "verify.json").read_bytes()


def test_a_checkpoint_is_no_exported_model(run, own_run) -> None:
    """There is nothing to compare it with: the sentence says what was expected."""
    outcome = run("verify", own_run / "checkpoint.safetensors")
    assert outcome.code == 4
    assert "expected a model exported from one" in outcome.error_lines[0]


def test_overwriting_leaves_nothing_of_the_old_run(run, own_run) -> None:
    """Models of other weights beside a new checkpoint would be measured as its own."""
    pytest.importorskip("torch")
    arguments = ("train", "--recipe", "seed-sample", "--epochs", "1", "--out", own_run)
    assert run(*arguments).code == 2
    assert run(*arguments, "--resume", "--overwrite").code == 2
    assert (own_run / "fp32.onnx").exists()
    assert run(*arguments, "--overwrite").code == 0
    assert list(own_run.glob("*.onnx")) == []
    assert not (own_run / "verify.json").exists()


def test_json_is_one_document(run, own_run) -> None:
    """With --json, stdout is JSON and nothing else."""
    commands = {
        "data": (),
        "doctor": (),
        "predict": (own_run / "fp32.onnx", "0"),
        "verify": (own_run / "fp32.onnx", "--reference", "golden"),
        "bench": (own_run / "fp32.onnx", "--runtime", "onnxruntime", "--budget", "0.1"),
    }
    for command, arguments in commands.items():
        outcome = run(command, *arguments, "--json")
        assert outcome.code == 0, outcome.err
        json.loads(outcome.out)
    document = json.loads(outcome.out)
    assert all(block for launch in document["launches"] for block in launch["blocks_ns"])


def test_errors_of_the_system_exit_with_6(run, tiny_run, tmp_path) -> None:
    """A result that cannot be written: the place and the reason, and nothing left behind."""
    (tmp_path / "file").write_text("in the way")
    outcome = run("bench", tiny_run / "fp32.onnx", "--runtime", "onnxruntime", "--out", tmp_path / "file" / "x")
    assert outcome.code == 6
    assert os.fspath(tmp_path / "file") in outcome.error_lines[0]
