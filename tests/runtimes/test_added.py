"""Runtimes that other packages add: found by their entry point, and named when they are broken."""

import dataclasses
from pathlib import Path

import pytest

from edgefashion import runtimes
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import RUNTIMES, Availability, is_installed, load_runtime, resolve_provider

SOUND = """
from edgefashion.runtimes import Availability

PROVIDERS = {"cpu": "TinyCpu"}
PACKAGE = "tinyrt"
FORMATS = ("onnx",)

def available(provider=None):
    return Availability("tinyrt", "1.0", {"TinyCpu": ""})

def open_session(model, spec):
    raise NotImplementedError
"""


def add(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch, *, name: str) -> None:
    """Install a distribution `name` 1.0 whose module of that name is a runtime of that name."""
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[edgefashion.runtimes]\n{name} = {name}\n")
    (folder / f"{name}.py").write_text(code)
    monkeypatch.syspath_prepend(folder)


def test_sound_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that another package adds takes part as if it were built in."""
    add(tmp_path, SOUND, monkeypatch, name="tinyrt")
    assert RUNTIMES.names()[-1] == "tinyrt"
    assert is_installed("tinyrt")
    assert resolve_provider("tinyrt", "CPU") == "TinyCpu"
    assert Availability("tinyrt", "1.0", {"TinyCpu": ""}) == load_runtime("tinyrt").available()


@pytest.mark.parametrize("attribute", ["PROVIDERS", "PACKAGE", "FORMATS", "available", "open_session"])
def test_lacking_something(attribute: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that lacks what every runtime offers is named, with its module and what it lacks."""
    name = f"lacks_{attribute.lower()}"
    add(tmp_path, f"{SOUND}\ndel {attribute}\n", monkeypatch, name=name)
    with pytest.raises(UsageError, match=f"the runtime '{name}' is broken: its module {name} lacks {attribute};"):
        load_runtime(name)


def test_that_cannot_be_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime whose own imports fail is named, with what is missing."""
    add(tmp_path, "import no_such_module_at_all", monkeypatch, name="unimportable")
    with pytest.raises(NotAvailable, match=r"'unimportable', which another package adds, .* 'no_such_module_at_all'"):
        load_runtime("unimportable")


def test_built_in_ones_are_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """A built-in runtime that cannot be imported is a bug of edgefashion's and not called anybody else's."""
    built_in = {"ours": "edgefashion.runtimes.no_such_file"}
    monkeypatch.setattr(runtimes, "RUNTIMES", dataclasses.replace(RUNTIMES, built_in=built_in))
    with pytest.raises(ImportError, match="no_such_file"):
        load_runtime("ours")


def test_unknown_one() -> None:
    """A misspelt runtime is answered with the nearest."""
    with pytest.raises(UsageError, match="unknown runtime 'torch-compil': did you mean 'torch-compile'"):
        load_runtime(SessionSpec("torch-compil", "cpu").runtime)
