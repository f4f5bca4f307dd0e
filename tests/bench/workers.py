"""Starting one real worker, for tests of what it says and what becomes of it."""

from pathlib import Path

import pytest

from edgefashion.bench.process.launch import Worker, WorkerFailed
from edgefashion.bench.process.worker import Job

LINUX = pytest.mark.skipif(not Path("/proc/self/stat").is_file(), reason="needs Linux")


def started(job: Job) -> Worker:
    """A worker that is ready."""
    return Worker(job, Path(job.outputs).with_name("errors"))


def why_it_fails(job: Job) -> str:
    """The reason of a worker that does not become ready."""
    with pytest.raises(WorkerFailed) as caught:
        started(job)
    return str(caught.value)
