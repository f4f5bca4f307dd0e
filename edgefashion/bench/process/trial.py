"""Opening what nothing is known about, in a process of its own, before anything is measured.

A foreign model or a Python call that cannot be opened or fed would fail in every launch: that is bad input, said at
once. It is never opened in the parent: a file of some hundred bytes can ask for more memory than there is.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgefashion.bench.process import child, isolation
from edgefashion.bench.process.worker import Job
from edgefashion.records import Failure, Plan

if TYPE_CHECKING:
    from edgefashion.bench.request import Subject

_TIMEOUT_S = 60.0


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
    failures: list[Failure] = []
    for cell in strangers:
        job = jobs[cell.label]
        try:
            child.ask("trial", job, python=job.python, threads=job.session.threads, cpus=job.cpus, timeout_s=_TIMEOUT_S)
        except child.Crashed as crash:
            failures.append(Failure(cell=cell.label, reason=str(crash)))
    return failures


def main() -> None:
    """Open and feed the model of the job on stdin."""
    child.answer(_open)


def _open(question: bytes) -> bytes:
    job = msgspec.json.decode(question, type=Job)
    if job.memory_limit_bytes is not None:
        isolation.limit_memory(job.memory_limit_bytes)
    from edgefashion.bench.inputs import made_for
    from edgefashion.runtimes import open_session
    from edgefashion.subjects import open_model

    with open_session(open_model(Path(job.artifact)), job.session) as session:
        made_for(session, batch=job.batch, seed=job.seed, count=1)
    return b""
