"""Tables of layers, of assignments, and of calibrations."""

from collections.abc import Sequence

from edgefashion.records import Assignment, CalibrationSpread, Interval, SensitivityReport, StabilityReport
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.words import data_notes

_FIGURES = ("size", "mean |Δ logit|", "agreement", "accuracy change, points", "latency / float32")


def layers_grid(report: SensitivityReport) -> Grid:
    """One row a layer that alone is int8, the most damaging first."""
    return Grid(
        title=f"{clean(report.artifact.name)}: each layer alone in int8",
        columns=("int8 layer", *_FIGURES),
        rows=tuple(Row((clean(", ".join(each.int8_layers)), *_figures(each))) for each in report.alone),
        notes=("layers are ranked by the noise that they bring into the logits", *data_notes(report.data)),
    )


def assignments_grid(report: SensitivityReport) -> Grid:
    """One row an assignment, from all int8 to all float32; the one that was chosen is strong."""
    rows = [
        Row(
            (
                clean(each.words),
                *_figures(each),
                "yes" if each.on_front else "",
                MISSING if each.p_beyond is None else fmt.probability(each.p_beyond),
            ),
            "strong" if index == report.chosen else "plain",
        )
        for index, each in enumerate(report.assignments)
    ]
    return Grid(
        title="Assignments of layers",
        columns=("assignment", *_FIGURES, "on the front", "p"),
        rows=tuple(rows),
        notes=(
            clean(report.sentence),
            *_noise(report),
            "on the front: no other has less logit noise at no more latency, or less latency at no more noise",
            "p: of the test against a drop at or beyond the limit, adjusted after Holm",
        ),
    )


def stability_grid(report: StabilityReport) -> Grid:
    """One row a scheme and number of calibration pictures: means over seeds with their spread."""
    return Grid(
        title=f"{clean(report.artifact.name)}: the same scheme, calibrated on other pictures",
        columns=(
            "scheme",
            "calibration pictures",
            "seeds",
            "accuracy, least to most",
            "change, points, 95 %",
            "agreement, least to most",
        ),
        rows=tuple(map(_spread, report.spreads)),
        notes=(*map(clean, report.sentences), *data_notes(report.data)),
    )


def _noise(report: SensitivityReport) -> list[str]:
    if report.noise is None:
        return []
    nothing = ": latency could not be measured, and sizes stand in its place" if report.noise == "invalid" else ""
    return [f"machine {report.noise} while latency was measured{nothing}"]


def _figures(each: Assignment) -> tuple[str, ...]:
    return (
        fmt.size(each.size_bytes),
        fmt.small(each.logit_noise),
        fmt.percent(each.agreement),
        _change(each.accuracy_drop),
        fmt.ratio(each.ratio) if each.ratio else MISSING,
    )


def _spread(each: CalibrationSpread) -> Row:
    return Row(
        (
            clean(each.scheme),
            fmt.count(each.calibration_images),
            str(len(each.seeds)),
            _range(each.accuracies),
            _change(each.accuracy_drop),
            _range(each.agreements),
        )
    )


def _change(drop: Interval) -> str:
    """A drop as a change in points, with its interval."""
    return fmt.points_range(Interval(value=-drop.value, low=-drop.high, high=-drop.low))


def _range(values: Sequence[float]) -> str:
    return f"{fmt.percent(min(values))} to {fmt.percent(max(values))}"
