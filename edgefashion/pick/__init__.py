"""Which model to ship: the one on the measured Pareto front that keeps given limits. Pure functions on a benchmark.

constraints = limits(max_size="100kB", min_accuracy="93%", max_p99="200us")
choice = pick(bench, select(bench, batch=1), constraints)
"""

from edgefashion.pick.choice import pick
from edgefashion.pick.front import Point, dominators
from edgefashion.pick.limits import limits
from edgefashion.pick.selection import select

__all__ = ["Point", "dominators", "limits", "pick", "select"]
