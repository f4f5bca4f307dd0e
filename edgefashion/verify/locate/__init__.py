"""Find the node where an artifact departs from its reference.

    drift = locate(candidate, reference, images)
    drift.first, drift.worst
    if drift.first: save_segment(candidate, reference, images, drift.first, folder)

A *cut point* is a tensor of the candidate whose reference value is known: from PyTorch's modules for a float32 export,
from the float32 graph for a quantized one. Cut points divide the graph into segments. The candidate runs once as a
whole, which shows the accumulated error, and each segment runs alone on reference values, which shows its own: only
there can a bug be told from what it does to the nodes behind it.
"""

from edgefashion.verify.locate.measuring import locate
from edgefashion.verify.locate.saving import replay, save_segment

__all__ = ["locate", "replay", "save_segment"]
