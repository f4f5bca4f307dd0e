"""`edgefashion doctor`."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgefashion.cli.options import JsonOption


def doctor(*, as_json: JsonOption = False) -> None:
    """Say what is here, what is missing and why.

    Machine, packages, runtimes and their execution providers, data.
    """
    import msgspec
    from rich.table import Table
    from rich.text import Text

    from edgefashion import environment
    from edgefashion.bench.machine.energy import find_meter
    from edgefashion.cli import console
    from edgefashion.data import cache_folder, load_present
    from edgefashion.errors import EdgefashionError
    from edgefashion.report import format as fmt
    from edgefashion.report.grids import environment_grid
    from edgefashion.runtimes import RUNTIMES

    runtimes = [offer_of(name) for name in RUNTIMES.names()]
    machine = environment.describe()  # after the runtimes: torch, once loaded, knows the accelerators' names
    meters = {"CPU energy": find_meter()} | ({"GPU energy": find_meter(device="gpu")} if machine.accelerators else {})
    energy = {name: meter if isinstance(meter, str) else meter.source for name, meter in meters.items()}
    missing = {
        extra: [package for package in packages if environment.installed(package) is None]
        for extra, packages in environment.EXTRAS.items()
    }
    notes: list[str] = []
    try:
        data = load_present(note=notes.append)
        found = f"{data.identity.name} from {data.origin}"
    except EdgefashionError as error:
        found = f"not usable: {error}"
    if as_json:
        content = {
            "environment": machine,
            "energy": energy,
            "runtimes": runtimes,
            "missing": missing,
            "data": {"found": found, "notes": notes},
            "cache": str(cache_folder()),
        }
        console.show_json(msgspec.json.encode(content))
        return

    rows = [row.cells for row in environment_grid(machine).rows]
    rows += energy.items()
    for extra, packages in missing.items():
        remedy = f"missing {', '.join(packages)}: pip install 'edgefashion[{extra}]'" if packages else "complete"
        rows.append((f"extra [{extra}]", remedy))
    rows.append(("data", found))
    rows += (("", text) for text in notes)
    here = Table(title="machine", show_header=False)
    for row in rows:
        here.add_row(*map(Text, row))  # Text and not str: names of extras stand in brackets, as markup does

    columns = ("runtime", "version", "on disk", "opens", "provider", "state", "why, and what helps")
    offered = Table(*columns, title="runtimes and execution providers")
    for each in runtimes:
        size = fmt.size(each.size_bytes) if each.size_bytes else ""
        for number, (provider, reason) in enumerate(each.providers.items()):
            state = "absent" if each.version is None else "unusable" if reason else "present"
            why = each.remedy if each.version is None else reason
            about = ("",) * 4 if number else (each.name, each.version or "", size, ", ".join(each.formats))
            offered.add_row(*map(Text, (*about, provider, state, why)))
    console.show(here, offered)


@dataclass(frozen=True)
class Offer:
    """What a runtime is here.

    Attributes:
        name: In the registry.
        version: None where it is not installed.
        providers: Own name of each provider to "" where it works, or why it does not.
        remedy: What would make an absent runtime present.
        formats: What it opens.
        size_bytes: On disk, of what a device needs of it; None where it is not known.
    """

    name: str
    version: str | None
    providers: Mapping[str, str]
    remedy: str
    formats: tuple[str, ...]
    size_bytes: int | None


def offer_of(name: str) -> Offer:
    """What a runtime is here; a broken one of another package is named as broken, and hides no other."""
    from edgefashion.environment import disk_bytes
    from edgefashion.errors import EdgefashionError
    from edgefashion.runtimes import distributions_of, load_runtime, version_of

    try:
        module = load_runtime(name)
        found = module.available()
        version = version_of(name) or None
        size = disk_bytes(distributions_of(name)) if version else None
    except Exception as error:  # noqa: BLE001 - what is broken is what doctor is for
        why = str(error) if isinstance(error, EdgefashionError) else f"broken: {type(error).__name__}: {error}"
        return Offer(name, None, {"": why}, why, (), None)
    return Offer(name, version, found.providers, found.remedy, module.FORMATS, size)
