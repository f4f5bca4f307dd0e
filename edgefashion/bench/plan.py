"""What will be measured: every artifact with every provider, thread count and batch size."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import product

from edgefashion.artifact import Artifact
from edgefashion.environment import usable_cpus
from edgefashion.errors import UsageError
from edgefashion.records import Cell, Plan, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import RUNTIMES, is_installed, resolve_provider, runtimes_for

DUPLICATE_MARK = " (A/A)"

_ROUNDS = 6
_BLOCK_S = 0.03
_MAX_GENERATIONS = 1000  # the budget ends a run; this only bounds its size


def make_plan(
    artifacts: Sequence[Artifact],
    *,
    runtimes: Sequence[str] | None,
    providers: Sequence[str],
    threads: Sequence[int],
    batches: Sequence[int],
    reference: str | None,
    budget_s: float,
    seed: int,
) -> Plan:
    """Cells, and the reference measured twice.

    Args:
        artifacts: Models and checkpoints; each goes to every runtime that opens its format.
        runtimes: Names of runtimes; all that are installed by default.
        providers: Names as a person writes them. A runtime may lack a provider that another one has; one that no
            runtime knows is an error.
        threads: Intra-op thread counts.
        batches: Pictures a call.
        reference: Label of a cell or name of a variant; the first float32 ONNX model by default.
        budget_s: Seconds that measuring may take.
        seed: Decides the order of launches and blocks.

    Raises:
        UsageError: There is nothing to measure, too few cores, or no such reference.
        NotAvailable: No runtime knows one of the providers.
    """
    _check_settings(threads, batches, budget_s)
    chosen_runtimes = [name for name in RUNTIMES.names() if is_installed(name)] if runtimes is None else runtimes
    _check_providers(chosen_runtimes, providers)
    unique = {artifact.sha256: artifact for artifact in artifacts}.values()
    names = _names(list(unique))
    cells = [
        Cell(label=_label(names[artifact.sha256], spec, batch), artifact=artifact.info, session=spec, batch=batch)
        for artifact in unique
        for spec, batch in product(_specs(artifact, chosen_runtimes, providers, threads), dict.fromkeys(batches))
    ]
    if not cells:
        raise UsageError("there is nothing to measure: no artifact fits the runtimes and providers asked for")
    chosen = _find_reference(cells, reference)
    duplicate = Cell(
        label=chosen.label + DUPLICATE_MARK, artifact=chosen.artifact, session=chosen.session, batch=chosen.batch
    )
    return Plan(
        cells=[*cells, duplicate],
        reference=chosen.label,
        duplicate=duplicate.label,
        budget_s=budget_s,
        max_generations=_MAX_GENERATIONS,
        rounds=_ROUNDS,
        block_s=_BLOCK_S,
        seed=seed,
    )


def cores_for(cell: Cell) -> list[int]:
    """The processors of a cell, one a thread: the last ones, as the first serve most interrupts."""
    return usable_cpus()[-cell.session.threads :]


def _check_settings(threads: Sequence[int], batches: Sequence[int], budget_s: float) -> None:
    cores = len(usable_cpus())
    for count in threads:
        if not 1 <= count <= cores:
            raise UsageError(f"{count} threads were asked for: this process may use 1 to {cores} cores")
    for batch in batches:
        if batch < 1:
            raise UsageError(f"a batch of {batch} was asked for: expected at least 1 picture")
    if not 0 < budget_s < math.inf:
        raise UsageError(f"a budget of {budget_s} s was asked for: expected more than 0 and an end")


def _check_providers(runtimes: Sequence[str], providers: Sequence[str]) -> None:
    for provider in providers:
        if not any(_knows(runtime, provider) for runtime in runtimes):
            for runtime in runtimes:
                resolve_provider(runtime, provider)


def _knows(runtime: str, provider: str) -> bool:
    known = RUNTIMES.load(runtime).PROVIDERS
    return provider in known.values() or provider.lower() in known


def _specs(
    artifact: Artifact, runtimes: Sequence[str], providers: Sequence[str], threads: Sequence[int]
) -> list[SessionSpec]:
    found = []
    for runtime in runtimes_for(artifact):
        if runtime in runtimes:
            own = dict.fromkeys(resolve_provider(runtime, name) for name in providers if _knows(runtime, name))
            found += [
                SessionSpec(runtime=runtime, provider=provider, threads=count)
                for provider, count in product(own, dict.fromkeys(threads))
            ]
    return found


def _names(artifacts: Sequence[Artifact]) -> dict[str, str]:
    """A name for each digest: the variant, with as much before and after it as tells the artifacts apart."""
    variants = {artifact.sha256: artifact.manifest.variant for artifact in artifacts}
    full = {artifact.sha256: f"{artifact.manifest.name}/{artifact.manifest.variant}" for artifact in artifacts}
    if len({artifact.manifest.name for artifact in artifacts}) > 1:
        variants = full
    shared = Counter(variants.values())
    return {digest: name if shared[name] == 1 else f"{name} {digest[:8]}" for digest, name in variants.items()}


def _label(name: str, spec: SessionSpec, batch: int) -> str:
    provider = spec.provider.removesuffix("ExecutionProvider")
    threads = "1 thread" if spec.threads == 1 else f"{spec.threads} threads"
    return f"{name} | {spec.runtime} {provider} | {threads} | batch {batch}"


def _find_reference(cells: Sequence[Cell], name: str | None) -> Cell:
    if name is None:
        onnx = [cell for cell in cells if cell.session.runtime == "onnxruntime"]
        full = [cell for cell in onnx if cell.artifact.precision == "float32"]
        return (full or onnx or list(cells))[0]
    for cell in cells:
        if name in (cell.label, cell.artifact.variant, cell.artifact.file):
            return cell
    raise UsageError(unknown("reference", name, tuple(dict.fromkeys(cell.artifact.variant for cell in cells))))
