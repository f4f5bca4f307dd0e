"""Running the command line in the tests' own process."""

import sys
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from edgefashion.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left."""

    code: int
    out: str
    err: str

    @property
    def error_lines(self) -> list[str]:
        """The error itself, without the notes before it."""
        lines = self.err.splitlines()
        starts = [number for number, line in enumerate(lines) if line.startswith("edgefashion: ")]
        return lines[starts[-1] :] if starts else []


def in_this_process(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Outcome]:
    """What runs a command, given its arguments, on the bundled sample."""
    monkeypatch.setenv("EDGEFASHION_DATA", "sample")
    monkeypatch.setattr("signal.signal", lambda *_: None)

    def invoke(*arguments: object) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["edgefashion", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as leaving:
            code = int(leaving.code or 0)
        captured = capsys.readouterr()
        return Outcome(code, captured.out, captured.err)

    return invoke
