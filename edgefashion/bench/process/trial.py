"""Opening what nothing is known about, in a process of its own, before anything is measured.

A foreign model or a Python call that cannot be opened or fed would fail in every launch: that is bad input, said at
once. It is never opened in the parent: a file of some hundred bytes can ask for more memory than there is.
"""

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgefashion.bench.process import isolation
from edgefashion.bench.process.worker import Broken, Job
from edgefashion.errors import BadInput, EdgefashionError, ExitCode, NotAvailable, UsageError
from edgefashion.records import Failure, Plan

if TYPE_CHECKING:
    from edgefashion.bench.request import Subject

_TIMEOUT_S = 60.0
_ERRORS = {int(error.exit_code): error for error in (BadInput, NotAvailable, UsageError)}


def open_strangers(plan: Plan, models: "Mapping[str, Subject]", jobs: Mapping[str, Job]) -> list[Failure]:
    """Open every model of the plan that is no artifact of ours.

    Returns:
        Those that crash or hang, which are not measured.

    Raises:
        BadInput: One cannot be opened or fed.
        NotAvailable: Its provider is absent, or did not get every node.
        UsageError: Its batch is fixed at another size.
    """
    from edgefashion.artifact import Artifact

    strangers = [
        cell
        for cell in plan.cells
        if cell.role in ("subject", "baseline") and not isinstance(models[cell.artifact.sha256], Artifact)
    ]
    found = [(cell.label, _open_in_child(jobs[cell.label])) for cell in strangers]
    return [Failure(cell=label, reason=reason) for label, reason in found if reason]


def _open_in_child(job: Job) -> str:
    """Empty if the model can be opened and fed, else how the process ended."""
    with isolation.pinned(job.cpus):
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-c", "from edgefashion.bench.process.trial import main; main()"],
                input=msgspec.json.encode(job),
                capture_output=True,
                timeout=_TIMEOUT_S,
                check=False,
                env=isolation.worker_environment(job.session.threads),
            )
        except subprocess.TimeoutExpired:
            return f"it could not be opened within {_TIMEOUT_S:.0f} s"
    if done.returncode == 0:
        return ""
    try:
        broken = msgspec.json.decode(done.stderr.splitlines()[-1], type=Broken)
    except (IndexError, msgspec.DecodeError):
        return f"opening it ended with {done.returncode}"
    if broken.code in _ERRORS:
        raise _ERRORS[broken.code](broken.error)
    return broken.error


def main() -> None:
    """Open and feed the model of the job on stdin; what goes wrong is the last line on stderr."""
    isolation.die_with_parent()
    job = msgspec.json.decode(sys.stdin.buffer.read(), type=Job)
    try:
        _open(job)
    except EdgefashionError as error:
        broken = Broken(error=str(error), code=error.exit_code)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent must hear of it
        broken = Broken(error=f"{type(error).__name__}: {error}", code=ExitCode.CHECK_FAILED)
    else:
        return
    sys.stderr.write(f"\n{msgspec.json.encode(broken).decode()}\n")
    sys.exit(broken.code)


def _open(job: Job) -> None:
    if job.memory_limit_bytes is not None:
        isolation.limit_memory(job.memory_limit_bytes)
    from edgefashion.bench.inputs import made_for
    from edgefashion.runtimes import open_session
    from edgefashion.subjects import open_model

    with open_session(open_model(Path(job.artifact)), job.session) as session:
        made_for(session, batch=job.batch, seed=job.seed, count=1)
