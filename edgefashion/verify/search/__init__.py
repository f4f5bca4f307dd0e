"""Search for the input on which a candidate disagrees most with its reference, and never forget what was found.

found = search.find_worst(int8, checkpoint, data, budget_s=30)
found.max_abs, found.surest_flip, found.method
search.keep_regressions(run, found)
search.recheck(int8, checkpoint, search.load_regressions(run).of("int8-static"))
"""

from edgefashion.verify.search.answers import reference_for
from edgefashion.verify.search.regressions import KeptCases, keep_regressions, load_regressions, recheck
from edgefashion.verify.search.search import find_worst

__all__ = ["KeptCases", "find_worst", "keep_regressions", "load_regressions", "recheck", "reference_for"]
