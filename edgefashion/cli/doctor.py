"""`edgefashion doctor`."""

from edgefashion.cli.options import JsonOption


def doctor(*, as_json: JsonOption = False) -> None:
    """Say what is here, what is missing and why.

    Machine, packages, runtimes and their execution providers, data.
    """
    import msgspec
    from rich.table import Table

    from edgefashion import environment
    from edgefashion.cli import console
    from edgefashion.data import cache_folder, load_present
    from edgefashion.errors import EdgefashionError
    from edgefashion.runtimes import RUNTIMES

    runtimes = [RUNTIMES.load(name).available() for name in RUNTIMES.names()]
    machine = environment.describe()  # after the runtimes: torch, once loaded, knows the accelerators' names
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
            "runtimes": [
                {"name": each.runtime, "version": each.version, "providers": dict(each.providers)} for each in runtimes
            ],
            "missing": missing,
            "data": {"found": found, "notes": notes},
            "cache": str(cache_folder()),
        }
        console.show_json(msgspec.json.encode(content))
        return

    here = Table(title="machine", show_header=False)
    here.add_row("CPU", f"{machine.cpu}, {machine.usable_cores} of {machine.cores} cores usable")
    here.add_row("memory", f"{machine.memory_bytes / 2**30:.1f} GiB")
    here.add_row("system", f"{machine.system}{f', in {machine.container}' if machine.container else ''}")
    here.add_row("virtual machine", "yes: expect noise from neighbours" if machine.hypervisor else "no")
    here.add_row("CPU governor", machine.governor or "not told by this system")
    here.add_row("accelerators", ", ".join(machine.accelerators) or "none found")
    here.add_row("python", machine.python)
    here.add_row("packages", ", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    for extra, packages in missing.items():
        remedy = f"missing {', '.join(packages)}: pip install 'edgefashion[{extra}]'" if packages else "complete"
        here.add_row(f"extra [{extra}]", remedy)
    here.add_row("data", found)
    for text in notes:
        here.add_row("", text)

    offered = Table("runtime", "provider", "usable", "why not", title="runtimes and execution providers")
    for each in runtimes:
        version = f"{each.runtime} {each.version or '(not installed)'}"
        for provider, reason in each.providers.items():
            offered.add_row(version, provider, "no" if reason else "yes", reason)
    console.show(here, offered)
