"""Measure latency so that it can be believed, and quality beside it.

    result = bench.measure([checkpoint, fp32, int8], split, budget_s=20)

The vocabulary: a *call* is one timed inference; a *block* is about 30 ms of calls; a *launch* is one worker
process of one cell, with several blocks; a *generation* is one launch of every cell, their blocks interleaved
in a random order. A *cell* is an artifact in a runtime with every setting that changes its speed.

The launch is the unit of replication: calls within a launch share its luck (memory layout, neighbours), so
their number says nothing about the next launch. Ratios pair the launches of one generation, which cancels the
machine's drift. One line goes through the files: plan → schedule (→ worker) → analyse → verdict.
"""

from edgefashion.bench.suite import Progress, measure

__all__ = ["Progress", "measure"]
