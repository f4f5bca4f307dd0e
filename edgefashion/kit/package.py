"""The runner's package as it lies in a kit: sources of edgefashion under the name `edgefashion_kit`.

A device measures with the very files that edgefashion measures with. They import one another and the standard library,
so that all they need is another name; what else they import is inside functions that the runner does not call.
"""

import re
from importlib import resources

from edgefashion.records.kit import KitRuntime

PACKAGE = "edgefashion_kit"

_RUNNER = "edgefashion.kit.runner"
_CARRIED = (
    "edgefashion.errors",
    "edgefashion.files",
    "edgefashion.environment.cgroup",
    "edgefashion.environment.processor",
    "edgefashion.environment.reading",
    "edgefashion.environment.system",
    "edgefashion.bench.machine.canary",
    "edgefashion.bench.process.isolation",
    "edgefashion.bench.process.sampling",
)
_OF_RUNTIMES: dict[KitRuntime, str] = {"onnxruntime": "ort", "ai-edge-litert": "litert"}


def package_files(runtime: KitRuntime) -> dict[str, bytes]:
    """Every file of the package by its name in the kit; of the runtimes' modules only the one for `runtime`."""
    left_out = {module for name, module in _OF_RUNTIMES.items() if name != runtime}
    runner = sorted(
        entry.name.removesuffix(".py") for entry in resources.files(_RUNNER).iterdir() if entry.name.endswith(".py")
    )
    modules = [f"{_RUNNER}.{name}" for name in runner if name not in left_out]
    files = {_name(module): _renamed(_source(module)) for module in (*modules, *_CARRIED)}
    # Nothing looks at the first file that runs; in one without content no byte can be wrong.
    return {**files, f"{PACKAGE}/__init__.py": b""}


def _name(module: str) -> str:
    return f"{PACKAGE}/{module.rpartition('.')[2]}.py"


def _source(module: str) -> str:
    package, _, name = module.rpartition(".")
    return (resources.files(package) / f"{name}.py").read_text(encoding="utf-8")


def _renamed(source: str) -> bytes:
    for module in _CARRIED:
        source = re.sub(rf"\b{re.escape(module)}\b", f"{PACKAGE}.{module.rpartition('.')[2]}", source)
    return source.replace(_RUNNER, PACKAGE).encode()
