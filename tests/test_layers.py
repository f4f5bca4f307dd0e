"""What may import what: the architecture as data, checked against the syntax trees."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgefashion

ROOT = Path(edgefashion.__file__).parent
TESTS = Path(__file__).parent

# Imports go only to rooms further up.
ROOMS = (
    "errors",
    "files",
    "registry",
    "protobuf",
    "records",
    "tensors",
    "stats",
    "environment",
    "artifact",
    "subjects",
    "runs",
    "data",
    "recipes",
    "models",
    "runtimes",
    "verify",
    "train",
    "quantize",
    "web",
    "export",
    "emulate",
    "bench",
    "kit",
    "sensitivity",
    "selftest",
    "pick",
    "tune",
    "report",
    "cli",
    "__main__",
)

# Rooms that may import less than their row allows. A report draws: it can neither measure nor judge.
ONLY = {
    "report": {"errors", "files", "recipes", "records", "runs"},
    "__main__": {"cli"},
}

# Where a heavy library may be imported: a room, a room within it, or one file.
HEAVY = {
    "torch": {
        "models",
        "train",
        "export",
        "runtimes/pytorch.py",
        "runtimes/torch_compile.py",
        "runtimes/pytorch_channels_last.py",
        "runtimes/aotinductor.py",
        "runtimes/executorch.py",
        "data/torchvision_shim.py",
        "verify/locate/modules.py",
        "verify/search/ascent.py",
        "selftest/faults.py",
    },
    "torchvision": {"data/torchvision_shim.py"},
    "onnx": {
        "artifact.py",
        "export",
        "quantize",
        "models",
        "verify/keep.py",
        "verify/contract/network.py",
        "verify/locate",
        "verify/search/ascent.py",
        "sensitivity",
        "selftest",
    },
    "onnxscript": set[str](),
    "openvino": {"runtimes/openvino.py"},
    "ai_edge_litert": {"runtimes/litert.py", "export", "kit/runner/litert.py"},
    "ai_edge_quantizer": {"export"},
    "litert_torch": {"export"},
    "tflite_micro": {"runtimes/tflite_micro.py"},
    "executorch": {"runtimes/executorch.py", "export"},
    "torchao": {"export"},
    "ncnn": {"runtimes/ncnn.py"},
    "pnnx": {"export"},
    "emx_onnx_cgen": {"export"},
    "playwright": {"runtimes/chromium.py"},
    "optuna": {"tune"},
    "sqlalchemy": {"tune"},
    "onnxruntime": {
        "runtimes/ort.py",
        "runtimes/plug_ins.py",
        "quantize",
        "bench/profiling/child.py",
        "kit/runner/ort.py",
        "verify/locate/running.py",
    },
    "mlperf_loadgen": {"bench/points/loadgen/child.py"},
    "scipy": {"stats", "verify/quality.py", "verify/contract/fitting.py", "verify/contract/readouts.py"},
    "sklearn": {"verify/quality.py"},
    "matplotlib": {"report"},
    "jinja2": {"report"},
    "rich": {"report", "cli"},
    "typer": {"cli"},
    "PIL": {"data/picture.py"},
    "psutil": {"environment/__init__.py", "bench"},
    "pynvml": {"bench/machine/energy.py"},
    "safetensors": {"tensors.py"},
    "filelock": {"files.py"},
}

# Libraries that a device does without, or that cost a second to load: never at the top of a file.
ONLY_INSIDE_FUNCTIONS = {
    "onnx",
    "onnxruntime",
    "openvino",
    "ai_edge_litert",
    "ai_edge_quantizer",
    "litert_torch",
    "tflite_micro",
    "executorch",
    "torchao",
    "ncnn",
    "pnnx",
    "emx_onnx_cgen",
    "playwright",
    "mlperf_loadgen",
    "scipy",
    "sklearn",
    "torchvision",
    "psutil",
    "pynvml",
    "filelock",
    "safetensors",
}

FILES = sorted(ROOT.rglob("*.py"))


def name_of(path: Path) -> str:
    """A file's path inside the package, for messages and for HEAVY."""
    return path.relative_to(ROOT).as_posix()


def room_of(path: Path) -> str:
    """The room that a file belongs to; the package's own `__init__.py` belongs to none."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(tree: ast.AST, *, everywhere: bool = True) -> Iterator[str]:
    """Dotted names that a file imports, `TYPE_CHECKING` aside; with `everywhere` also inside functions."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        elif everywhere or not isinstance(node, ast.FunctionDef):
            yield from imports(node, everywhere=everywhere)


def parse(path: Path) -> ast.Module:
    """The syntax tree of a file."""
    return ast.parse(path.read_text())


each_file = pytest.mark.parametrize("path", FILES, ids=name_of)


def test_every_room_has_a_place() -> None:
    """A new room is written into the table before anything is put into it."""
    assert set(ROOMS) == {room_of(path) for path in FILES} - {"__init__"}


@each_file
def test_imports_go_upwards(path: Path) -> None:
    """A file imports its own room and rooms above it; the package itself imports none of them."""
    room = room_of(path)
    used = {name.split(".")[1] for name in imports(parse(path)) if name.startswith("edgefashion.")}
    used -= {room, "__version__"}
    allowed = set() if room == "__init__" else ONLY.get(room, set(ROOMS[: ROOMS.index(room)]))
    assert set() == used - allowed


@each_file
def test_heavy_libraries_stay_in_their_rooms(path: Path) -> None:
    """A heavy library is imported only where the table says so."""
    used = {name.split(".")[0] for name in imports(parse(path))} & HEAVY.keys()
    misplaced = {library for library in used if not HEAVY[library] & _places(path)}
    assert set() == misplaced


@each_file
def test_some_libraries_are_imported_late(path: Path) -> None:
    """What a device may lack, or what is slow to load, is imported by the function that needs it."""
    used = {name.split(".")[0] for name in imports(parse(path), everywhere=False)}
    assert set() == used & ONLY_INSIDE_FUNCTIONS


def test_table_has_no_dead_rows() -> None:
    """Each place in the table of heavy libraries really imports its library."""
    used = {(name.split(".")[0], place) for path in FILES for name in _with_types(path) for place in _places(path)}
    listed = {(library, place) for library, places in HEAVY.items() for place in places}
    assert set() == listed - used


def _with_types(path: Path) -> set[str]:
    """Every import of a file, those for type checkers included."""
    found = set()
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
    return found


def _places(path: Path) -> set[str]:
    """What the table may call a file: its room, a room within, or the file alone."""
    inside = path.relative_to(ROOT)
    return {room_of(path), inside.as_posix(), *(parent.as_posix() for parent in inside.parents)} - {"."}


# What importing really loads


def loaded_by(statement: str) -> set[str]:
    """Heavy libraries in memory after a statement in a new process."""
    code = f"{statement}; import sys; print(*sorted({{name.split('.')[0] for name in sys.modules}}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split()) & {*HEAVY, "numpy", "msgspec"}


def test_importing_the_package_is_free() -> None:
    """`import edgefashion` loads nothing but itself."""
    assert set() == loaded_by("import edgefashion")


def test_importing_the_device_s_rooms_is_light() -> None:
    """Every room that a device needs is imported without torch, onnx, or anything slow."""
    rooms = ("artifact", "runs", "environment", "data", "recipes", "runtimes", "verify", "quantize", "bench", "stats")
    statement = "; ".join(f"import edgefashion.{room}" for room in rooms)
    assert {"numpy", "msgspec"} == loaded_by(statement)


def test_a_worker_is_light_until_it_has_its_job() -> None:
    """What a worker imports is timed as part of a cold start: nothing that only the harness needs may be in it."""
    assert {"numpy", "msgspec"} == loaded_by("import edgefashion.bench.process.worker")


def test_asking_for_help_is_light() -> None:
    """The command line starts without loading a numeric or drawing library."""
    heavy = loaded_by("import edgefashion.cli") - {"typer", "rich"}
    assert set() == heavy - {"numpy", "msgspec"}


# Tests are sentences


def test_every_test_states_a_behaviour() -> None:
    """Each test has a docstring that is a sentence."""
    silent = [
        f"{path.relative_to(TESTS)}:{node.lineno} {node.name}"
        for path in sorted(TESTS.rglob("test_*.py"))
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not (ast.get_docstring(node) or "").endswith(".")
    ]
    assert silent == []
