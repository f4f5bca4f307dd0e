"""Estimates, intervals and tests: frozen values and pure functions on arrays, every method with its source.

Means and ratios of launches are in `means`, what follows from the order of values in `ranks`, shares in `proportions`,
and how much worse a second model answers the same questions in `drops`.
"""

from edgefashion.stats.drops import PairedDrop, Resampled, class_f1, class_f1_drops, worst_class_f1_drop
from edgefashion.stats.means import (
    Floats,
    Mean,
    difference_of_means,
    exponential,
    log_interval,
    mean_of,
    paired_ratio,
    t_interval,
)
from edgefashion.stats.proportions import mcnemar_exact, wilson
from edgefashion.stats.ranks import hodges_lehmann, holm, percentile, smallest_sample_for, wilcoxon_p

__all__ = [
    "Floats",
    "Mean",
    "PairedDrop",
    "Resampled",
    "class_f1",
    "class_f1_drops",
    "difference_of_means",
    "exponential",
    "hodges_lehmann",
    "holm",
    "log_interval",
    "mcnemar_exact",
    "mean_of",
    "paired_ratio",
    "percentile",
    "smallest_sample_for",
    "t_interval",
    "wilcoxon_p",
    "wilson",
    "worst_class_f1_drop",
]
