"""Names that stand for modules."""

import sys
from pathlib import Path

import pytest

from edgefashion.errors import UsageError
from edgefashion.registry import Registry, unknown

COLOURS = Registry(kind="colour", group="edgefashion.colours", built_in={"red": "no.such.module", "json": "json"})


@pytest.fixture
def plugin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed distribution that adds `blue`, and tries to replace `json`."""
    info = tmp_path / "paint-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: paint\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[edgefashion.colours]\nblue = paint_blue\njson = paint_blue\n")
    (tmp_path / "paint_blue.py").write_text("SHADE = 'navy'\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "paint_blue", raising=False)


def test_listing_imports_nothing() -> None:
    """Names are listed although the modules behind them could not be imported."""
    assert COLOURS.names() == ("red", "json")


def test_load_imports_the_module() -> None:
    """A name gives the module that it stands for."""
    assert sys.modules["json"] is COLOURS.load("json")


def test_unknown_name_suggests() -> None:
    """A misspelt name is answered with the nearest known one and the list of all."""
    with pytest.raises(UsageError, match=r"unknown colour 'rad': did you mean 'red'\? known are red, json"):
        COLOURS.load("rad")


def test_distant_name_gets_no_suggestion() -> None:
    """Nothing is suggested where nothing is near."""
    assert unknown("colour", "xyz", ("red", "json")) == "unknown colour 'xyz': known are red, json"


@pytest.mark.usefixtures("plugin")
def test_other_packages_add_entries() -> None:
    """An installed package's entry point is listed after the built-in names, and loads."""
    assert COLOURS.names() == ("red", "json", "blue")
    assert COLOURS.load("blue").SHADE == "navy"


@pytest.mark.usefixtures("plugin")
def test_built_in_entries_cannot_be_replaced() -> None:
    """An installed package cannot put itself in the place of a built-in name."""
    assert COLOURS.load("json").__name__ == "json"
