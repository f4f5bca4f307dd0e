"""Measure latency so that it can be believed, and quality beside it.

    result = bench.measure(bench.Request([checkpoint, fp32, int8], budget_s=20), split)

    def make_call():                      # at the top level of a file: a fresh process must find it
        model = ...
        return lambda: model.run(picture)

    result = bench.measure(bench.Request([bench.PythonCall.of(make_call), fp32]), split)

The vocabulary: a *call* is one timed inference; a *block* is about 30 ms of calls; a *launch* is one worker
process of one cell, with several blocks; a *generation* is one launch of every cell, their blocks interleaved
in a random order. A *cell* is a model in a runtime with every setting that changes its speed.

The launch is the unit of replication: calls within a launch share its luck (memory layout, neighbours), so
their number says nothing about the next launch. Ratios pair the launches of one generation, which cancels the
machine's drift.

One line goes through the files: request → plan → truth → schedule → analyse → verdict → results, put together by
`suite`. `process` is one launch, `machine` what it ran on, `gate` the judgement beside a baseline; `points` and
`profiling` are measured afterwards, one cell at a time.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from edgefashion.bench.request import Request
from edgefashion.subjects import PythonCall

if TYPE_CHECKING:
    from edgefashion.bench.suite import Progress
    from edgefashion.data import Dataset
    from edgefashion.records import BenchReport

__all__ = ["PythonCall", "Request", "measure"]


def measure(
    request: Request,
    data: "Dataset | None" = None,
    *,
    stored: "BenchReport | None" = None,
    logs: Path | None = None,
    started_s: float | None = None,
    reserve_s: float = 0.0,
    progress: "Progress | None" = None,
) -> "BenchReport":
    """Quality and latency of every model in every setting, side by side; see `edgefashion.bench.suite.measure`."""
    # A worker imports this package too, and is timed while it does.
    from edgefashion.bench import suite

    return suite.measure(
        request, data, stored=stored, logs=logs, started_s=started_s, reserve_s=reserve_s, progress=progress
    )
