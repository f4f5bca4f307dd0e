"""`edgefashion doctor`."""

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
    from edgefashion.report.grids import environment_grid
    from edgefashion.runtimes import RUNTIMES

    runtimes = [RUNTIMES.load(name).available() for name in RUNTIMES.names()]
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
            "runtimes": [
                {"name": each.runtime, "version": each.version, "providers": dict(each.providers)} for each in runtimes
            ],
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

    offered = Table("runtime", "provider", "usable", "why not", title="runtimes and execution providers")
    for each in runtimes:
        version = f"{each.runtime} {each.version or '(not installed)'}"
        for provider, reason in each.providers.items():
            offered.add_row(version, provider, "no" if reason else "yes", reason)
    console.show(here, offered)
