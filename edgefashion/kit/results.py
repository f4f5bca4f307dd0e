"""Results that came back from devices: checked against what they claim to be of, and set beside this machine's own."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

import numpy as np

from edgefashion.bench.analyse import launch_medians
from edgefashion.errors import BadInput
from edgefashion.kit.runner.bench import MODEL
from edgefashion.records import ArtifactInfo, BenchReport, Interval
from edgefashion.records.kit import DeviceRow, DeviceTable, KitResult
from edgefashion.stats import Floats, difference_of_means, exponential

_MIN_FOR_INTERVAL = 2
# Distributions that kits run on, by the names of edgefashion's own runtimes.
_RUNTIMES_HERE = {"onnxruntime": "onnxruntime", "ai-edge-litert": "litert"}


def load_results(paths: Sequence[Path], *, expected: Sequence[ArtifactInfo]) -> list[KitResult]:
    """What devices wrote, in the order given.

    Args:
        paths: Files that `python -m edgefashion_kit bench` made.
        expected: The models they may be about.

    Raises:
        BadInput: A file is missing, damaged, of another kind, of another model, or its device failed the self-test.
    """
    known = {artifact.sha256 for artifact in expected}
    return [_checked(KitResult.load(path), path, known) for path in paths]


def _checked(result: KitResult, path: Path, known: set[str]) -> KitResult:
    artifact = result.artifact
    if artifact.sha256 not in known:
        raise BadInput(
            f"{path} is about {artifact.name}/{artifact.variant} with SHA-256 {artifact.sha256[:12]}…, which is none "
            "of the models here: name the run that its kit was made of"
        )
    if not result.selftest.passed:
        raise BadInput(f"{path} was measured where the model answers wrongly: run the kit's selftest there")
    return result


def beside_host(results: Sequence[KitResult], host: BenchReport | None) -> DeviceTable:
    """Each device's result with its ratio to what `host` measured of the same file, threads and batch.

    The two were never measured side by side, so the ratio is that of independent samples (Welch's interval on the log
    scale): it says how two machines differ, and nothing about two models.
    """
    rows = [DeviceRow(result, _to_host(result, host), _canary_drift(result)) for result in results]
    compared = host is not None and any(row.to_host for row in rows)
    return DeviceTable(rows, host.environment.cpu if host is not None and compared else None)


def _to_host(result: KitResult, host: BenchReport | None) -> Interval | None:
    here = _host_medians_s(result, host) if host else np.array([])
    there = np.array(
        [
            float(np.median(np.concatenate(launch.blocks_ns))) / launch.calls_per_sample / 1e9
            for launch in result.launches
            if launch.cell == MODEL
        ]
    )
    if min(len(here), len(there)) < _MIN_FOR_INTERVAL:
        return None
    return exponential(difference_of_means(np.log(there), np.log(here)).interval())


def _host_medians_s(result: KitResult, host: BenchReport) -> Floats:
    """Median seconds of each launch of the same file on the host, in the same runtime and setting; empty without."""
    medians = launch_medians(host.plan, host.launches)
    runtime = _RUNTIMES_HERE.get(result.runtime.partition(" ")[0])
    wanted = (result.artifact.sha256, result.threads, result.batch, "closed", "subject", runtime)
    for cell in host.plan.cells:
        session = cell.session
        found = (cell.artifact.sha256, session.threads, cell.batch, cell.scenario, cell.role, session.runtime)
        if found == wanted and session.provider.upper().startswith("CPU") and cell.label in medians:
            return np.array(list(medians[cell.label].values()))
    return np.array([])


def _canary_drift(result: KitResult) -> float:
    spins = [median(canary.spins_ns) for canary in result.canaries]
    return max(spins) / min(spins) - 1
