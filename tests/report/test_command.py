"""`edgefashion report`: which format goes where."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from edgefashion.cli.report import report
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import BenchReport


@pytest.fixture
def stored(tmp_path: Path, bench: BenchReport) -> Path:
    return bench.save(tmp_path / "bench.json", indent=0)


def test_table_is_the_default(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without options the terminal shows verdicts and tables."""
    report(str(stored))
    assert capsys.readouterr().out.startswith("machine usable: ")


@pytest.mark.parametrize("file_format", ["md", "csv", "json", "junit", "pyperf", "benchmark-action"])
def test_formats_go_to_stdout(stored: Path, capsys: pytest.CaptureFixture[str], file_format) -> None:
    """A format that programs read, and Markdown, are printed and nothing else is."""
    report(str(stored), file_format=file_format)
    out = capsys.readouterr().out
    if file_format in {"json", "pyperf", "benchmark-action"}:
        assert json.loads(out)
    elif file_format == "junit":
        assert ET.fromstring(out).tag == "testsuites"  # noqa: S314 - our own document
    else:
        assert "int8-static" in out
    assert [stored] == list(stored.parent.iterdir())


def test_page_lies_beside_the_result(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """HTML is a file: report.html beside the stored result, whose path is said."""
    report(str(stored), file_format="html")
    assert str(stored.parent / "report.html") in capsys.readouterr().err.replace("\n", "")
    assert (stored.parent / "report.html").is_file()


@pytest.mark.parametrize(
    ("file_format", "name", "start"),
    [("table", "a.xml", "<?xml"), ("pyperf", "a.json", '{"version"'), ("table", "a.json", "{"), ("md", "a.md", "# ")],
)
def test_out_names_the_file(stored: Path, file_format, name: str, start: str) -> None:
    """The suffix chooses where no format is named; two JSON formats need their name."""
    report(str(stored), file_format=file_format, out=stored.parent / name)
    assert (stored.parent / name).read_text().startswith(start)


def test_stored_result_is_not_overwritten(stored: Path) -> None:
    """An export never takes the place of the samples that it was made from."""
    before = stored.read_bytes()
    with pytest.raises(UsageError, match="is the stored result itself"):
        report(str(stored), file_format="pyperf", out=stored.parent / "." / "bench.json")
    assert before == stored.read_bytes()


def test_format_and_name_must_agree(stored: Path) -> None:
    """A contradiction between the format and the file's name is refused."""
    with pytest.raises(UsageError, match=r"expected one that ends in \.md"):
        report(str(stored), file_format="md", out=stored.parent / "a.html")


def test_folder_of_results(stored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder that holds a result stands for it, whether or not it is a run."""
    report(str(stored.parent), file_format="csv")
    assert capsys.readouterr().out.startswith("cell,")


def test_folder_of_results_by_name(
    stored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Under exported its name is enough, also one that looks like a file's."""
    monkeypatch.chdir(tmp_path)
    place = tmp_path / "exported" / "edge-1.2" / "bench.json"
    place.parent.mkdir(parents=True)
    place.write_bytes(stored.read_bytes())
    report("edge-1.2", file_format="csv")
    assert capsys.readouterr().out.startswith("cell,")
    (tmp_path / "edge-1.2").mkdir()
    with pytest.raises(BadInput, match=r"edge-1\.2 holds no checkpoint"):  # a folder that was named is not another one
        report("edge-1.2", file_format="csv")


def test_nothing_stored(tmp_path: Path) -> None:
    """A run without a benchmark is told how to get one."""
    (tmp_path / "checkpoint.safetensors").write_bytes(b"")
    with pytest.raises(BadInput, match="measure first with `edgefashion bench"):
        report(str(tmp_path))
