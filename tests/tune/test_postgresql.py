"""Several workers share a study in a real PostgreSQL server, and one of them is killed."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("optuna")
pytest.importorskip("psycopg")

import worker

from edgefashion.records.tuning import CostLimits
from edgefashion.tune.results import report_of
from edgefashion.tune.storage import opened, read_url
from edgefashion.tune.study import begin

pytestmark = pytest.mark.slow

TRIALS, EPOCHS = 4, 2


def find_programs() -> Path:
    """The folder of PostgreSQL's programs, which Debian keeps out of the path."""
    here = shutil.which("initdb")
    folders = [Path(here).resolve().parent] if here else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    if not folders:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    return folders[-1]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Address of a server of its own, reached through a socket in a folder that is removed afterwards."""
    programs = find_programs()
    # It refuses to run as root. pytest's own folders are closed to other users.
    other: dict[str, Any] = {"user": "nobody", "group": "nogroup"} if os.getuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="edgefashion-pg-") as name:
        folder = Path(name)
        if other:
            shutil.chown(folder, **other)
        cluster = folder / "cluster"
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **other}
        initdb = [programs / "initdb", "-D", cluster, "-U", "tuner", "-A", "trust", "--no-sync"]
        subprocess.run(initdb, check=True, timeout=120, **quiet)
        options = ["-c", "listen_addresses=", "-c", f"unix_socket_directories={folder}"]
        with subprocess.Popen([programs / "postgres", "-D", cluster, *options], **quiet) as running:
            try:
                wait_for(folder / ".s.PGSQL.5432", running)
                yield f"postgresql://tuner@/postgres?host={folder}"
            finally:
                running.send_signal(signal.SIGINT)  # stops without waiting for clients


def wait_for(socket: Path, running: "subprocess.Popen[bytes]") -> None:
    """Return once the server listens."""
    end_s = time.monotonic() + 60
    while not socket.exists():
        assert running.poll() is None, "the server did not start"
        assert time.monotonic() < end_s, "the server does not listen"
        time.sleep(0.1)


def start(url: str, *more: str) -> "subprocess.Popen[str]":
    """A worker of the study."""
    command = [sys.executable, worker.__file__, url, str(TRIALS), str(EPOCHS), *more]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_workers_share_a_study_in_postgresql(server: str) -> None:
    """Three workers begin at once on an empty database; one is killed in training, and the others do its work too.

    Each trial is done once, by one worker; what the killed one had begun is tried again by another.
    """
    victim, *others = [start(server, "hang"), start(server), start(server)]
    assert victim.stdout is not None
    for line in victim.stdout:
        if line.startswith("epoch"):
            number = int(line.split()[1])
            break
    victim.kill()
    victim.communicate()
    said = []
    for each in others:
        out, err = each.communicate(timeout=600)
        assert (each.returncode, err) == (0, "")
        said.append({int(line.split()[1]) for line in out.splitlines() if line.startswith("ended")})
    plan = worker.plan_of(EPOCHS)
    with opened(read_url(server)) as storage:
        report = report_of(begin(storage, worker.STUDY, plan), plan, CostLimits(), storage="server")
    done = [each for each in report.trials if each.state in {"complete", "pruned"}]
    # Two workers may begin the last trial at the same moment.
    assert TRIALS <= len(done) <= TRIALS + 1
    assert said[0] | said[1] == {each.number for each in done}
    assert not said[0] & said[1]
    assert report.trial(number).state == "failed"
    (again,) = [each for each in done if number in each.repeats]
    lost, found = report.trial(number).recipe, again.recipe
    assert lost is not None
    assert found is not None
    assert (lost.architecture, lost.learning_rate) == (found.architecture, found.learning_rate)
    assert report.picked is not None
