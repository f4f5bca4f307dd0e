"""What a person asks to be measured."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from edgefashion.subjects import AnyModel

Subject: TypeAlias = "AnyModel"


@dataclass(frozen=True)
class Request:
    """What a person asks to be measured; the plan is what becomes of it.

    Attributes:
        models: Artifacts, foreign ONNX models, and calls in Python files; each goes to every runtime that opens its
            format.
        baselines: Models that a gate compares with, matched by variant.
        runtimes: Names of runtimes; all that are installed and take part by default.
        providers: Names as a person writes them. A runtime may lack a provider that another one has.
        options: Settings by the name of the runtime or execution provider that they are for, in its own spelling.
        threads: Intra-op thread counts.
        batches: Pictures a call.
        scenarios: closed, paced:N or batch.
        reference: Label of a cell or name of a variant; the first float32 ONNX model by default.
        spinning: Whether idle pool threads may burn a core.
        allow_partial: Whether a provider may leave nodes to another one.
        profile: Whether to show where the time goes, operator by operator, after everything is timed.
        energy: Whether to measure joules a picture after everything is timed, about six seconds a model.
        overhead_cells: Whether the null model and the naive call are measured beside the rest.
        budget_s: Seconds that the measurement may take.
        pythons: Interpreters by the name of the runtime that is measured in them: for runtimes that cannot share an
            environment with the rest. This one by default.
        seed: Decides inputs, and the order of launches and blocks.
    """

    models: Sequence[Subject]
    baselines: Sequence[Subject] = ()
    runtimes: Sequence[str] | None = None
    providers: Sequence[str] = ("cpu",)
    options: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    threads: Sequence[int] = (1,)
    batches: Sequence[int] = (1,)
    scenarios: Sequence[str] = ("closed",)
    reference: str | None = None
    spinning: bool = False
    allow_partial: bool = False
    profile: bool = False
    energy: bool = False
    overhead_cells: bool = True
    budget_s: float = 60.0
    pythons: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
