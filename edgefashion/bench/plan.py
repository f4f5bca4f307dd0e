"""What will be measured: every artifact with every provider, thread count and batch size."""

from collections.abc import Sequence
from itertools import product

from edgefashion.artifact import Artifact
from edgefashion.environment import usable_cpus
from edgefashion.errors import UsageError
from edgefashion.records import Cell, Plan, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import RUNTIMES, resolve_provider

DUPLICATE_MARK = " (A/A)"

_ROUNDS = 6
_BLOCK_S = 0.03
_MAX_GENERATIONS = 30


def make_plan(
    artifacts: Sequence[Artifact],
    *,
    providers: Sequence[str],
    threads: Sequence[int],
    batches: Sequence[int],
    reference: str | None,
    budget_s: float,
    seed: int,
) -> Plan:
    """Cells, and the reference measured twice.

    Args:
        artifacts: Models and checkpoints; each goes to the runtime that opens its format.
        providers: Names as a person writes them; a runtime that knows none of them is left out only if
            another one knows each.
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
    specs = {artifact.path: _specs(artifact, providers, threads) for artifact in artifacts}
    several = len({artifact.manifest.name for artifact in artifacts}) > 1
    cells = [
        Cell(label=_label(artifact, spec, batch, with_name=several), artifact=artifact.info, session=spec, batch=batch)
        for artifact in artifacts
        for spec, batch in product(specs[artifact.path], batches)
    ]
    if not cells:
        raise UsageError("there is nothing to measure: no artifact fits the runtimes and providers asked for")
    labels = [cell.label for cell in cells]
    if len(set(labels)) < len(labels):
        raise UsageError("an artifact is named twice: measure each once")
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
    if budget_s <= 0:
        raise UsageError(f"a budget of {budget_s} s was asked for: expected more than 0")


def _specs(artifact: Artifact, providers: Sequence[str], threads: Sequence[int]) -> list[SessionSpec]:
    runtime = "onnxruntime" if artifact.manifest.format == "onnx" else "pytorch"
    known = RUNTIMES.load(runtime).PROVIDERS
    # "openvino" means nothing to PyTorch and is no mistake; a name that means nothing to onnxruntime is one.
    wanted = [name for name in providers if runtime == "onnxruntime" or name.lower() in known]
    return [
        SessionSpec(runtime=runtime, provider=resolve_provider(runtime, name), threads=count)
        for name, count in product(wanted, threads)
    ]


def _label(artifact: Artifact, spec: SessionSpec, batch: int, *, with_name: bool) -> str:
    variant = f"{artifact.manifest.name}/{artifact.manifest.variant}" if with_name else artifact.manifest.variant
    provider = spec.provider.removesuffix("ExecutionProvider")
    return f"{variant} | {spec.runtime} {provider} | {spec.threads} thread{'s'[: spec.threads - 1]} | batch {batch}"


def _find_reference(cells: Sequence[Cell], name: str | None) -> Cell:
    if name is None:
        onnx = [cell for cell in cells if cell.session.runtime == "onnxruntime"]
        full = [cell for cell in onnx if cell.artifact.precision == "float32"]
        return (full or onnx or list(cells))[0]
    for cell in cells:
        if name in (cell.label, cell.artifact.variant, cell.artifact.file):
            return cell
    raise UsageError(unknown("reference", name, tuple(dict.fromkeys(cell.artifact.variant for cell in cells))))
