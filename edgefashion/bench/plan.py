"""What will be measured: every model with every provider, thread count, batch size and scenario."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import msgspec

from edgefashion.bench.request import Request, Subject
from edgefashion.bench.scenarios import BATCH, CLOSED, period_s, sort_out
from edgefashion.environment import usable_cpus
from edgefashion.errors import UsageError
from edgefashion.records import ArtifactInfo, Cell, Plan, Role, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import RUNTIMES, is_installed, knows_provider, load_runtime, resolve_provider, runtimes_for
from edgefashion.subjects import open_model

NULL_MODEL = Path(__file__).parent / "null.onnx"

ON_CPU = ("CPUExecutionProvider", "cpu")
"""Own names of the providers that compute on the processor."""

_ROUNDS = 6
_BLOCK_S = 0.03
_MIN_GENERATIONS = 10
_MAX_GENERATIONS = 1000  # the budget ends a run; this only bounds its size
_PRECISION = 0.01
_LONGEST_WARMUP_S, _WARMUP_SHARE = 10.0, 0.3
_BATCHES = (1, 8, 64)  # of the scenario "batch"
_MARKS: Mapping[Role, str] = {"duplicate": " (A/A)", "naive call": " (naive call)", "baseline": " (baseline)"}


def make_plan(request: Request) -> Plan:
    """Cells, the reference measured twice, and what it costs to call anything at all.

    Raises:
        UsageError: There is nothing to measure, too few cores, an unknown scenario, or no such reference.
        NotAvailable: No runtime knows one of the providers.
    """
    _check_settings(request)
    subjects = _cells(request, request.models, role="subject")
    baselines = _cells(request, request.baselines, role="baseline")
    if not subjects:
        raise UsageError("there is nothing to measure: no model fits the runtimes and providers asked for")
    measured = {cell.artifact.sha256 for cell in subjects}
    for model in request.models:
        # A checkpoint is added unasked beside its exports, and left out where its runtime is.
        if model.sha256 not in measured and model.format != "safetensors":
            counts = " or ".join(map(str, request.threads))
            raise UsageError(
                f"{model.path} fits none of the runtimes and providers asked for with {counts} threads: name other "
                "models, or leave options out"
            )
    if baselines and not any(is_same_setting(one, other) for one in subjects for other in baselines):
        known = ", ".join(dict.fromkeys(cell.artifact.variant for cell in baselines))
        raise UsageError(f"the baseline has no model of the same variant and setting: it has {known}")
    reference = _find_reference(baselines or subjects, request.reference)
    every = [*baselines, *subjects]
    cells = [_referring(cell, reference, every) for cell in every]
    cells.append(_copy_of(reference, "duplicate"))
    if request.overhead_cells and reference.session.runtime == "onnxruntime":
        cells += _overhead_cells(reference)
    return Plan(
        cells=cells,
        reference=reference.label,
        duplicate=next(cell.label for cell in cells if cell.role == "duplicate"),
        budget_s=request.budget_s,
        min_generations=_MIN_GENERATIONS,
        max_generations=_MAX_GENERATIONS,
        rounds=_ROUNDS,
        block_s=_BLOCK_S,
        precision=_PRECISION,
        warmup_cap_s=min(_LONGEST_WARMUP_S, _WARMUP_SHARE * request.budget_s / len(cells)),
        seed=request.seed,
    )


def cores_for(cell: Cell) -> list[int]:
    """The processors of a cell, one a thread: the last ones, as the first serve most interrupts."""
    return usable_cpus()[-cell.session.threads :]


def estimate_s(plan: Plan) -> float:
    """Seconds that the least number of generations takes, from what interpreters and runtimes usually need to start."""
    return plan.min_generations * sum(_launch_estimate_s(plan, cell) for cell in plan.cells)


def _launch_estimate_s(plan: Plan, cell: Cell) -> float:
    start_s: float = getattr(load_runtime(cell.session.runtime), "START_S", 1.0)
    pace_s = period_s(cell.scenario)
    block_s = plan.block_s if pace_s is None else 8 * pace_s
    return start_s + 0.25 + plan.rounds * block_s


def _check_settings(request: Request) -> None:
    cores = len(usable_cpus())
    for count in request.threads:
        if not 1 <= count <= cores:
            raise UsageError(f"{count} threads were asked for: this process may use 1 to {cores} cores")
    for batch in request.batches:
        if batch < 1:
            raise UsageError(f"a batch of {batch} was asked for: expected at least 1 picture")
    if not 0 < request.budget_s < math.inf:
        raise UsageError(f"a budget of {request.budget_s} s was asked for: expected more than 0 and an end")
    sort_out(request.scenarios)
    for name in request.options:
        if not any(_is_meant(name, runtime, own) for runtime in _runtimes(request) for own in _own(request, runtime)):
            raise UsageError(f"options for {name!r}: expected the name of a runtime or provider that is measured")
    for name in request.pythons:
        if name not in _runtimes(request):
            raise UsageError(f"an interpreter for {name!r}, which is not measured: add --runtime {name}")
    _check_providers(_runtimes(request), request.providers)


def _check_providers(runtimes: Sequence[str], providers: Sequence[str]) -> None:
    for provider in providers:
        if not any(knows_provider(runtime, provider) for runtime in runtimes):
            for runtime in runtimes:
                resolve_provider(runtime, provider)


def _runtimes(request: Request) -> Sequence[str]:
    if request.runtimes is not None:
        return request.runtimes
    taking_part = [name for name in RUNTIMES.names() if not getattr(load_runtime(name), "OPT_IN", False)]
    return [name for name in taking_part if name in request.pythons or is_installed(name)]


def _cells(request: Request, models: Sequence[Subject], *, role: Literal["subject", "baseline"]) -> list[Cell]:
    """Every combination that makes sense; each refers to itself until references are known."""
    unique = list({model.sha256: model for model in models}.values())
    names = _names([model.info for model in unique])
    found: dict[str, Cell] = {}
    for model in unique:
        for spec, (scenario, batch) in product(_specs(model, request), _operating_points(request, model)):
            label = _label(names[model.sha256], spec, batch, scenario) + _MARKS.get(role, "")
            found[label] = Cell(
                label=label,
                artifact=model.info,
                session=spec,
                batch=batch,
                reference=label,
                role=role,
                scenario=scenario,
            )
    return list(found.values())


def _operating_points(request: Request, model: Subject) -> list[tuple[str, int]]:
    points: list[tuple[str, int]] = []
    # A call brings its own input: another batch would be the same call under another name.
    sizes = [1] if model.format == "python" else request.batches
    for scenario in sort_out(request.scenarios).planned:
        batches = [*sizes, *_BATCHES] if scenario == BATCH and model.format != "python" else sizes
        points += [(CLOSED if scenario == BATCH else scenario, batch) for batch in batches]
    return list(dict.fromkeys(points))


def _specs(model: Subject, request: Request) -> list[SessionSpec]:
    found = []
    for runtime in runtimes_for(model):
        if runtime in _runtimes(request):
            found += [
                SessionSpec(
                    runtime=runtime,
                    provider=provider,
                    threads=count,
                    spinning=request.spinning,
                    options=_options(request, runtime, provider),
                    allow_partial=request.allow_partial,
                )
                for provider, count in product(_own(request, runtime), dict.fromkeys(request.threads))
                if count <= getattr(load_runtime(runtime), "MAX_THREADS", count)
            ]
    return found


def _own(request: Request, runtime: str) -> list[str]:
    """The runtime's own names of those providers that it knows."""
    known = [resolve_provider(runtime, name) for name in request.providers if knows_provider(runtime, name)]
    return list(dict.fromkeys(known))


def _options(request: Request, runtime: str, provider: str) -> dict[str, str]:
    """The settings under the runtime's name, then those under the provider's."""
    merged = dict(request.options.get(runtime, {}))
    for name, settings in request.options.items():
        if name != runtime and _is_meant(name, runtime, provider):
            merged |= settings
    return merged


def _is_meant(name: str, runtime: str, provider: str) -> bool:
    """Whether a person who writes `name` means this runtime, or this provider of it."""
    return name == runtime or (knows_provider(runtime, name) and resolve_provider(runtime, name) == provider)


def _names(models: Sequence[ArtifactInfo]) -> dict[str, str]:
    """A name for each digest: the variant, with as much before and after it as tells the models apart."""
    variants = {model.sha256: model.variant for model in models}
    if len({model.name for model in models}) > 1:
        variants = {
            model.sha256: model.variant if model.name == model.variant else f"{model.name}/{model.variant}"
            for model in models
        }
    taken = Counter(variants.values())
    return {digest: name if taken[name] == 1 else f"{name} {digest[:8]}" for digest, name in variants.items()}


def _label(name: str, spec: SessionSpec, batch: int, scenario: str) -> str:
    provider = spec.provider.removesuffix("ExecutionProvider")
    if spec.options:
        provider += " " + ",".join(f"{key}={value}" for key, value in sorted(spec.options.items()))
    threads = "1 thread" if spec.threads == 1 else f"{spec.threads} threads"
    spinning = " spinning" if spec.spinning else ""
    point = "" if scenario == CLOSED else f" | {scenario}"
    return f"{name} | {spec.runtime} {provider} | {threads}{spinning} | batch {batch}{point}"


def _find_reference(cells: Sequence[Cell], name: str | None) -> Cell:
    if name is None:
        onnx = [cell for cell in cells if cell.session.runtime == "onnxruntime"]
        full = [cell for cell in onnx if cell.artifact.precision == "float32"]
        return (full or onnx or list(cells))[0]
    for cell in cells:
        if name in (cell.label, cell.artifact.variant, cell.artifact.file):
            return cell
    raise UsageError(unknown("reference", name, tuple(dict.fromkeys(cell.artifact.variant for cell in cells))))


def _referring(cell: Cell, reference: Cell, cells: Sequence[Cell]) -> Cell:
    """The cell with what it is compared to: its own baseline, or the reference at its operating point."""
    own_baseline = [each for each in cells if each.role == "baseline" and is_same_setting(each, cell)]
    at_its_point = [
        each
        for each in cells
        if each.artifact == reference.artifact
        and each.role == reference.role
        and _setting(each) == (*_setting(reference)[:-1], cell.scenario)
    ]
    compared = own_baseline if cell.role == "subject" and own_baseline else at_its_point
    return msgspec.structs.replace(cell, reference=(compared or [reference])[0].label)


def is_same_setting(one: Cell, other: Cell) -> bool:
    """Whether two cells differ in nothing but the model behind a variant."""
    return _setting(one) == _setting(other)


def _setting(cell: Cell) -> tuple[str, SessionSpec, int, str]:
    return cell.artifact.variant, cell.session, cell.batch, cell.scenario


def _copy_of(reference: Cell, role: Role) -> Cell:
    return msgspec.structs.replace(
        reference, label=reference.label + _MARKS[role], reference=reference.label, role=role
    )


def _overhead_cells(reference: Cell) -> list[Cell]:
    """What calling costs: a model that does nothing, and the reference through the call that everybody writes."""
    # Other providers take no such node.
    on_cpu = SessionSpec("onnxruntime", resolve_provider("onnxruntime", "cpu"), threads=reference.session.threads)
    null = msgspec.structs.replace(
        reference,
        label=_label("null model", on_cpu, 1, CLOSED),
        artifact=open_model(NULL_MODEL).info,
        session=on_cpu,
        batch=1,
        reference=reference.label,
        role="null model",
        scenario=CLOSED,
    )
    return [_copy_of(reference, "naive call"), null]
