"""Which layers quantization damages, and which assignment of int8 and float32 keeps the accuracy at the least cost.

    report = sensitivity.analyse(fp32, split, max_drop=0.002, budget_s=30)
    report.chosen and report.assignments[report.chosen].float_layers

Everything here is decided on the validation pictures; test pictures only prove what was chosen, when it is kept.
"""

from edgefashion.sensitivity.analysis import analyse
from edgefashion.sensitivity.keeping import keep, limits_for

__all__ = ["analyse", "keep", "limits_for"]
