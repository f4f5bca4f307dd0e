"""The tables of a self-test: fault, gate, caught; and the false alarms."""

from edgefashion.records import SelftestReport
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, Row, Tone
from edgefashion.report.words import data_notes

_LONGEST = 160
_TONES: dict[str, Tone] = {"caught": "good", "missed": "bad"}


def faults_grid(report: SelftestReport) -> Grid:
    """One row a fault: the gate that must see it, what it said, and whether it did."""
    rows = [
        Row(
            (each.fault, each.gate, clean(each.evidence, _LONGEST), each.verdict),
            _TONES.get(each.verdict, "doubtful"),
        )
        for each in report.faults
    ]
    return Grid(
        title=f"Faults injected into {clean(report.artifact.name)}",
        columns=("fault", "gate", "what it said", "verdict"),
        rows=tuple(rows),
        words=frozenset({0, 1, 2, 3}),
        notes=tuple(data_notes(report.data)),
    )


def clean_grid(report: SelftestReport) -> Grid:
    """One row a gate: how often it was asked about sound models, and how often it fired."""
    rows = [
        Row(
            (each.gate, str(each.repetitions), str(len(each.alarms)), "silent" if not each.alarms else "ALARM"),
            "bad" if each.alarms else "good",
        )
        for each in report.clean
    ]
    return Grid(
        title="The same gates on sound models",
        columns=("gate", "times", "alarms", "verdict"),
        rows=tuple(rows),
        words=frozenset({0, 3}),
        notes=tuple(clean(alarm, _LONGEST) for alarm in report.alarms),
    )
