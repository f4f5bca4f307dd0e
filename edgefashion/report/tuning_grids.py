"""The table of a study: the front, and what became of all trials."""

from itertools import chain

from edgefashion.records import Recipe
from edgefashion.records.tuning import CostLimits, TunedTrial, TuneReport
from edgefashion.report import format as fmt
from edgefashion.report.format import MISSING, clean
from edgefashion.report.grids import Grid, Row, Tone
from edgefashion.report.words import data_notes


def front_grid(report: TuneReport) -> Grid:
    """One row a trial that no other dominates, the smallest model first; the picked one is green."""
    front = sorted(
        (each for each in report.trials if each.on_front or each.number == report.picked),
        key=lambda each: each.worth.size_bytes if each.worth else 0,
    )
    timed = report.plan.machine is not None
    return Grid(
        title=f"{clean(report.study)}: the Pareto front",
        columns=(
            "trial",
            "network",
            "augment",
            "learning rate",
            "smoothing",
            "average",
            "accuracy",
            "size",
            *(["latency"] if timed else []),
            "standing",
        ),
        rows=tuple(_row(each, report, timed=timed) for each in front),
        words=frozenset({1, 2, 9 if timed else 8}),
        notes=tuple(_notes(report)),
    )


def network_words(recipe: Recipe) -> str:
    """Layers and their width, stage by stage: "1×16, 3×32"."""
    settings = recipe.architecture.settings
    widths, depths = settings.get("widths"), settings.get("depths")
    if not (isinstance(widths, list) and isinstance(depths, list)):
        return clean(recipe.architecture.name)
    return ", ".join(f"{depth}×{width}" for width, depth in zip(widths, depths, strict=True))


def limits_words(limits: CostLimits) -> str:
    """The limits that are given: "size ≤ 36 kB, latency ≤ 40 µs"; empty without any."""
    size, latency = limits.size_bytes, limits.latency_s
    found = [
        *([f"size ≤ {fmt.size(round(size))}"] if size is not None else []),
        *([f"latency ≤ {fmt.duration(latency)}"] if latency is not None else []),
    ]
    return ", ".join(found)


def trials_words(report: TuneReport) -> str:
    """How many trials there are, and what became of them."""
    pruned = [each for each in report.trials if each.state == "pruned"]
    repeated = set(chain.from_iterable(each.repeats for each in report.trials))
    failed = [each for each in report.trials if each.state == "failed"]
    counts = {
        "complete": sum(each.state == "complete" for each in report.trials),
        "not trained": sum(not each.validation_accuracies for each in pruned),
        "stopped in training": sum(bool(each.validation_accuracies) for each in pruned),
        "cut short and tried again": sum(each.number in repeated for each in failed),
        "cut short": sum(each.number not in repeated for each in failed),
        "running elsewhere": sum(each.state == "running" for each in report.trials),
        "waiting to be tried again": sum(each.state == "waiting" for each in report.trials),
    }
    words = ", ".join(f"{count} {what}" for what, count in counts.items() if count)
    return f"{len(report.trials)} trials: {words}" if words else "no trials"


def _row(trial: TunedTrial, report: TuneReport, *, timed: bool) -> Row:
    recipe, latency = trial.recipe, trial.costs.latency if trial.costs else None
    settings = ("", "", "", "", "")
    if recipe:
        shares = (f"{recipe.label_smoothing:g}", f"{recipe.average:g}")
        settings = (network_words(recipe), clean("+".join(recipe.augment)), f"{recipe.learning_rate:g}", *shares)
    cells = (
        str(trial.number),
        *settings,
        MISSING if trial.accuracy is None else fmt.percent(trial.accuracy.value),
        MISSING if trial.worth is None else fmt.size(trial.worth.size_bytes),
        *([fmt.duration_interval(latency) if latency else MISSING] if timed else []),
        _standing(trial, report),
    )
    return Row(cells, _tone(trial, report))


def _standing(trial: TunedTrial, report: TuneReport) -> str:
    kept = ("kept" if trial.keeps(report.limits) else "not kept") if limits_words(report.limits) else ""
    return ", ".join(filter(None, [kept, "picked" if trial.number == report.picked else ""]))


def _tone(trial: TunedTrial, report: TuneReport) -> Tone:
    if trial.number == report.picked:
        return "good"
    return "plain" if trial.keeps(report.limits) else "quiet"


def _notes(report: TuneReport) -> list[str]:
    plan, limits = report.plan, limits_words(report.limits)
    base, pictures = clean(plan.recipe.name), fmt.count(plan.data.validation_images)
    notes = [
        trials_words(report),
        f"each trained for {plan.recipe.epochs} epochs with seed {plan.seed}; the rest is the recipe {base}'s",
        f"accuracy: of the int8 model on {pictures} validation pictures; the best of many looks better than it is",
    ]
    if plan.machine:
        noise = sorted({each.costs.noise for each in report.trials if each.costs and each.costs.noise})
        notes.append(
            "latency: of one call of one picture, measured once for each network before it was trained, on "
            f"{clean(plan.machine.cpu)}; machine {' or '.join(noise) or 'unknown'}"
        )
    if limits:
        notes.append(f"limits: {limits}" + (", kept by a whole 95 % interval" if report.limits.latency_s else ""))
    return [*notes, *data_notes(plan.data)]
