"""Raw samples as seconds of one call."""

import numpy as np
from numpy.typing import NDArray

from edgefashion.records import BenchReport, Canary, Launch

Floats = NDArray[np.float64]


def calls_s(launch: Launch) -> Floats:
    """Every sample of a launch, float64[n]; a sample of several calls is their mean."""
    samples = [sample for block in launch.blocks_ns for sample in block]
    return np.array(samples, dtype=np.float64) * 1e-9 / launch.calls_per_sample


def calls_by_cell_s(bench: BenchReport) -> dict[str, Floats]:
    """Every sample of each cell that has one, by its label."""
    found: dict[str, list[Floats]] = {}
    for launch in bench.launches:
        found.setdefault(launch.cell, []).append(calls_s(launch))
    return {label: samples for label, each in found.items() if len(samples := np.concatenate(each))}


def canary_medians_s(canaries: list[Canary]) -> Floats:
    """The median spin of each entry, float64[n]."""
    return np.array([np.median(canary.spins_ns) for canary in canaries if canary.spins_ns]) * 1e-9
