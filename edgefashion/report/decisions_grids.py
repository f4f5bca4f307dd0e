"""The tables behind a verification's verdict: who is right, in which class, how surely, and what cannot flip."""

from dataclasses import replace

from edgefashion.records import Check, Interval, Parity, VerifyReport
from edgefashion.records.decisions import Certificate, ClassDrop, Confidence, Coverage, Decisions
from edgefashion.report import format as fmt
from edgefashion.report.format import MINUS, MISSING, clean
from edgefashion.report.grids import Grid, Row
from edgefashion.report.names import variant_names
from edgefashion.report.words import data_notes


def overview_grids(report: VerifyReport) -> list[Grid]:
    """Decisions, confidence, coverage and certificate, one table each; none where golden outputs were all there was."""
    names = variant_names(parity.artifact for parity in report.results)
    judged = [(names[each.artifact.sha256], each.decisions) for each in report.results if each.decisions]
    certified = [(names[each.artifact.sha256], each.certificate) for each in report.results if each.certificate]
    grids = [_decisions_grid(judged), _confidence_grid(judged), _coverage_grid(judged)] if judged else []
    grids += [_certificate_grid(certified)] if certified else []
    return [replace(grid, notes=(*grid.notes, *data_notes(report.data))) for grid in grids]


def class_drops_grid(parity: Parity, decisions: Decisions) -> Grid:
    """F1 of each class before and after; the class that lost most for certain is strong."""
    worst = decisions.most_damaged
    return Grid(
        title=f"{clean(parity.artifact.variant)}: F1 of each class beside the reference",
        columns=("class", "images", "before", "after", "drop, points", "p", "at least"),
        rows=tuple(_class_row(each, worst=each is worst) for each in decisions.classes),
        notes=(
            "drop: with both ends of its own 95 % interval; p: one-sided for “drops”, adjusted after Holm",
            f"at least: the drops of all {len(decisions.classes)} classes are above this in 95 % of samples, in points",
        ),
    )


def checks_grid(report: VerifyReport) -> Grid:
    """Every figure that was held against a limit, with its verdict."""
    names = variant_names(parity.artifact for parity in report.results)
    return Grid(
        title="Checks",
        columns=("variant", "check", "figure", "limit", "verdict"),
        rows=tuple(
            _check_row(names[parity.artifact.sha256], check) for parity in report.results for check in parity.checks
        ),
        words=frozenset({0, 1, 4}),
        notes=tuple(data_notes(report.data)),
    )


def _decisions_grid(judged: list[tuple[str, Decisions]]) -> Grid:
    return Grid(
        title="Decisions",
        columns=("variant", "accuracy before", "accuracy after", "lost", "gained", "McNemar p", "drop, points"),
        rows=tuple(Row((name, *_decisions_cells(decisions))) for name, decisions in judged),
        notes=(
            "before: the reference; after: the artifact, on the same pictures; all intervals are 95 % ones",
            "lost: pictures that only the reference gets right; gained: that only the artifact gets right",
            "McNemar p: exact and two-sided, for “as many are lost as are gained”",
        ),
    )


def _decisions_cells(decisions: Decisions) -> tuple[str, ...]:
    return (
        _accuracy(decisions.reference_accuracy),
        _accuracy(decisions.accuracy),
        fmt.count(decisions.lost),
        fmt.count(decisions.gained),
        fmt.probability(decisions.mcnemar_p),
        fmt.points_range(decisions.accuracy_drop),
    )


def _accuracy(interval: Interval) -> str:
    return f"{100 * interval.value:.2f} ({100 * interval.low:.2f} to {100 * interval.high:.2f}) %"


def _confidence_grid(judged: list[tuple[str, Decisions]]) -> Grid:
    bins = judged[0][1].confidence.ece_bins
    return Grid(
        title="Confidence",
        columns=("variant", "Brier before", "Brier after", "rise, thousandths", "ECE before", "ECE after"),
        rows=tuple(Row((name, *_confidence_cells(decisions.confidence))) for name, decisions in judged),
        notes=(
            "Brier: squared distance of the probabilities from the truth, summed over the classes; less is better",
            f"ECE: expected calibration error over {bins} bins of equal width; less is better",
        ),
    )


def _confidence_cells(confidence: Confidence) -> tuple[str, ...]:
    rise = confidence.brier_rise
    low, high = _thousandths(rise.low), _thousandths(rise.high)
    return (
        f"{confidence.reference_brier:.4f}",
        f"{confidence.brier:.4f}",
        f"{_thousandths(rise.value)} ({low} to {high})",
        f"{confidence.reference_ece:.4f}",
        f"{confidence.ece:.4f}",
    )


def _thousandths(value: float) -> str:
    return fmt.points(10 * value)  # a change of a fraction in hundredths, of ten times the value


def _coverage_grid(judged: list[tuple[str, Decisions]]) -> Grid:
    return Grid(
        title="Coverage at risk",
        columns=(
            "variant",
            "risk at most",
            "confidence from",
            "coverage before",
            "coverage after",
            "risk before",
            "risk after",
        ),
        rows=tuple(
            Row((name, *_coverage_cells(each))) for name, decisions in judged for each in decisions.confidence.coverages
        ),
        notes=(
            "an application acts on the pictures whose confidence reaches a threshold, and errs on some: the risk",
            "the threshold is the lowest that keeps the reference to the risk; the artifact is held to the same one",
        ),
    )


def _coverage_cells(coverage: Coverage) -> tuple[str, ...]:
    wanted = fmt.share(coverage.max_risk)
    if coverage.threshold is None:
        return (wanted, "none", *[MISSING] * 4)
    shares = (coverage.reference_coverage, coverage.coverage, coverage.reference_risk, coverage.risk)
    return (wanted, f"{coverage.threshold:.4f}", *map(fmt.percent, shares))


def _certificate_grid(certified: list[tuple[str, Certificate]]) -> Grid:
    shares = dict.fromkeys(f"{100 * each.margin_share:g} %" for _, each in certified)
    return Grid(
        title="Margin certificate",
        columns=("variant", "largest error", "certified", "at least", "flips among them", "tolerance"),
        rows=tuple(Row((name, *_certificate_cells(each))) for name, each in certified),
        notes=(
            "an error of ε in the logits cannot flip a picture whose two highest logits are more than 2 ε apart",
            "certified: share of such pictures for the largest error seen; at least: of pictures like these, 95 %",
            f"tolerance: half the margin that {', '.join(shares)} of the pictures exceed",
        ),
    )


def _certificate_cells(certificate: Certificate) -> tuple[str, ...]:
    return (
        fmt.small(certificate.epsilon),
        fmt.percent(certificate.certified.value),
        fmt.percent(certificate.certified.low),
        fmt.count(certificate.certified_flips),
        fmt.small(certificate.tolerance),
    )


def _class_row(each: ClassDrop, *, worst: bool) -> Row:
    cells = (
        clean(each.label),
        fmt.count(each.images),
        fmt.score(each.reference_f1),
        fmt.score(each.f1),
        fmt.points_range(each.drop),
        fmt.probability(each.p_drop),
        fmt.points(each.lower_bound),
    )
    return Row(cells, "strong" if worst else "plain")


def _check_row(name: str, check: Check) -> Row:
    limit = f"{check.relation} {_figure(check.limit)}"
    cells = (name, clean(check.name), _figure(check.value), limit, "PASS" if check.passed else "FAIL")
    return Row(cells, "good" if check.passed else "bad")


def _figure(value: float) -> str:
    """Whole numbers as such, others in four digits: three would make agreements of 99.96 % one."""
    text = fmt.count(int(abs(value))) if float(value).is_integer() else f"{abs(value):.4g}"
    return MINUS + text if value < 0 else text
