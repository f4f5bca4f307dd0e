"""Whether a candidate may replace its baseline: no slower beyond a margin, and no worse on the same pictures.

A check FAILs where a one-sided test at 2.5 % shows that the tolerated limit is exceeded, and PASSes where the 95 %
interval ends below that limit; anything else is INCONCLUSIVE. Launches are paired by generation, decisions by
picture.
"""

from edgefashion.bench.gate.judge import judge
from edgefashion.bench.gate.pair import Answers, Pair

__all__ = ["Answers", "Pair", "judge"]
