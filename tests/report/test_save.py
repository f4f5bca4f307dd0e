"""The choice of a format, by name or by suffix, and what importing the room costs."""

import subprocess
import sys
from pathlib import Path

import cases
import pytest

from edgefashion import report
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import BenchReport

STARTS = {
    "html": "<!DOCTYPE html>",
    "md": "# Benchmark report",
    "csv": "cell,",
    "json": "{",
    "junit": "<?xml",
    "pyperf": '{"version": "1.0"',
    "benchmark-action": "[",
}


@pytest.mark.parametrize("file_format", report.FORMATS)
def test_every_format_is_written(tmp_path: Path, bench: BenchReport, file_format: str) -> None:
    """Each format can be named, and its file begins as one of its kind does."""
    path = tmp_path / f"result{report.FORMATS[file_format]}"
    assert path == report.save(bench, path, file_format=file_format)
    assert path.read_text(encoding="utf-8").startswith(STARTS[file_format])


@pytest.mark.parametrize("name", ["a.md", "a.csv", "a.CSV", "a.json", "a.xml"])
def test_suffix_chooses_the_format(tmp_path: Path, bench: BenchReport, name: str) -> None:
    """The suffix names the format, in small or capital letters, JSON being our own; folders are made."""
    path = tmp_path / "new" / name
    assert path == report.save(bench, path)
    wanted = {".xml": "junit"}.get(path.suffix, path.suffix.lower()[1:])
    assert path.read_text(encoding="utf-8").startswith(STARTS[wanted])


def test_json_can_be_loaded_again(tmp_path: Path, bench: BenchReport) -> None:
    """JSON is the sealed document with every raw sample."""
    loaded = BenchReport.load(report.save(bench, tmp_path / "bench.json"))
    assert bench.launches == loaded.launches


@pytest.mark.parametrize("name", ["report.pdf", "report", ".html"])
def test_other_suffixes_are_refused(tmp_path: Path, bench: BenchReport, name: str) -> None:
    """Another suffix is a usage error, and nothing is written."""
    with pytest.raises(UsageError, match=r"expected a name that ends in one of \.html"):
        report.save(bench, tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_format_and_suffix_must_agree(tmp_path: Path, bench: BenchReport) -> None:
    """A name that promises another format is refused."""
    with pytest.raises(UsageError, match=r"a\.html is no name for pyperf: expected one that ends in \.json"):
        report.save(bench, tmp_path / "a.html", file_format="pyperf")


def test_unknown_format(tmp_path: Path, bench: BenchReport) -> None:
    """A format that does not exist is a usage error that lists those that do."""
    with pytest.raises(UsageError, match="'pdf': expected html, md, csv"):
        report.save(bench, tmp_path / "a.pdf", file_format="pdf")


def test_nothing_is_written_where_there_is_nothing_to_export(tmp_path: Path) -> None:
    """An export that fails leaves no file."""
    with pytest.raises(BadInput):
        report.save(cases.nothing_measured(), tmp_path / "a.json", file_format="pyperf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "make", [cases.gated, cases.foreign, cases.invalid, cases.alone, cases.without_evidence, cases.nothing_measured]
)
@pytest.mark.parametrize("file_format", ["md", "csv", "json", "junit"])
def test_every_state_can_be_written(make, file_format: str) -> None:
    """Whatever state a measurement is in, each format for people and programs can show it."""
    assert report.render(make(), file_format)


def test_importing_the_room_is_light() -> None:
    """The room loads no drawing library before it draws, and never a machine-learning one."""
    heavy = {"matplotlib", "jinja2", "rich", "torch", "onnx", "onnxruntime", "sklearn"}
    code = f"import sys, edgefashion.report; print(sorted({heavy!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_text_formats_draw_nothing(tmp_path: Path, bench: BenchReport) -> None:
    """What has no pictures is written without the drawing library."""
    stored = report.save(bench, tmp_path / "bench.json")
    code = (
        "import sys; from pathlib import Path; from edgefashion import report, records\n"
        f"bench = records.BenchReport.load(Path({str(stored)!r}))\n"
        "for each in report.FORMATS.keys() - {'html'}: report.render(bench, each)\n"
        "print('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_drawing_loads_no_machine_learning() -> None:
    """All of the room's files together load no machine-learning library."""
    heavy = {"torch", "onnx", "onnxruntime", "sklearn", "matplotlib.pyplot"}
    code = (
        "import sys, edgefashion.report.html, edgefashion.report.junit, edgefashion.report.tables;"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
