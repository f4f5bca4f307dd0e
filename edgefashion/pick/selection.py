"""Which cells of a benchmark are in question."""

from collections.abc import Callable, Collection

from edgefashion.errors import BadInput, UsageError
from edgefashion.records import BenchReport, Cell


def select(
    bench: BenchReport,
    *,
    batch: int = 1,
    threads: int | None = None,
    provider: str | None = None,
    runtime: str | None = None,
    digests: Collection[str] = (),
) -> list[Cell]:
    """The measured models in the settings asked for, in a closed loop, in the plan's order.

    Args:
        bench: A stored benchmark.
        batch: Pictures a call.
        threads: Intra-op threads; None for every number that was measured, each a candidate of its own.
        provider: Name of the execution provider, with or without "ExecutionProvider"; None for all.
        runtime: Name of the runtime; None for all.
        digests: SHA-256 of the files in question; empty for all.

    Raises:
        BadInput: One of these files was not measured.
        UsageError: Nothing was measured in that setting; the message says what was.
    """
    models = [cell for cell in bench.plan.cells if cell.role == "subject" and cell.scenario == "closed"]
    unknown = set(digests) - {cell.artifact.sha256 for cell in models}
    if unknown:
        raise BadInput(
            f"the benchmark holds no model with the SHA-256 {', '.join(sorted(unknown))}: "
            "measure it with `edgefashion bench`"
        )
    wanted: list[tuple[str, str | None, Callable[[Cell], str]]] = [
        ("batch", str(batch), lambda cell: str(cell.batch)),
        ("threads", None if threads is None else str(threads), lambda cell: str(cell.session.threads)),
        ("provider", provider and _short(provider), lambda cell: _short(cell.session.provider)),
        ("runtime", runtime, lambda cell: cell.session.runtime),
    ]
    found = [cell for cell in models if not digests or cell.artifact.sha256 in digests]
    for setting, value, of in wanted:
        known = dict.fromkeys(of(cell) for cell in found)
        found = [cell for cell in found if value is None or of(cell) == value]
        if not found:
            raise UsageError(f"nothing was measured with {setting} {value}: expected {' or '.join(known) or 'a model'}")
    return found


def _short(provider: str) -> str:
    return provider.lower().removesuffix("executionprovider")
