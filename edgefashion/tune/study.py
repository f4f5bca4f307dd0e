"""A study: made or taken up again, searched, reported."""

import re

import msgspec
import optuna
from optuna.study import Study, StudyDirection
from sqlalchemy.engine import URL

from edgefashion import environment
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Recipe
from edgefashion.records.tuning import CostLimits, TuneReport, TuningPlan
from edgefashion.tune.evaluate import Workbench
from edgefashion.tune.objective import Objective, Progress
from edgefashion.tune.results import check_wanted, report_of
from edgefashion.tune.sampler import RepeatableTPE
from edgefashion.tune.search import search
from edgefashion.tune.space import check_searchable
from edgefashion.tune.storage import opened, shown

_PLAN = "edgefashion.plan"
# What decides each part of it.
_OPTIONS = {"recipe": "--recipe and --epochs", "seed": "--seed", "data": "--data", "pictures": "--no-pictures"}
# It becomes the name of folders and recipes.
_NAME = re.compile(r"\w[\w.-]*")


def tune(
    data: Dataset,
    *,
    recipe: Recipe,
    study: str,
    url: URL,
    trials: int,
    progress: Progress,
    limits: CostLimits | None = None,
    budget_s: float | None = None,
    measure_s: float = 5.0,
    seed: int = 0,
    threads: int | None = None,
    pictures: bool = True,
    wanted: int | None = None,
) -> TuneReport:
    """Search until the study has `trials` trials; the same call takes an interrupted study up again.

    With one worker and `measure_s` 0 the same data, recipe, seed and threads give the same trials, interrupted or not.

    Args:
        data: Validation pictures decide; test pictures are not looked at.
        recipe: Where nothing is searched it is what is trained, for its number of epochs.
        study: Name of the study; workers that name the same one in the same storage share it.
        url: Address of the storage, from `read_url`.
        trials: How many the study shall have, complete or pruned.
        progress: Is told what happens.
        limits: What a model may cost; networks beyond it are not trained.
        budget_s: Seconds after which no trial begins.
        measure_s: Seconds for measuring the latency of each network; 0 measures none, and latency is no objective.
        seed: Of every training, and of what is drawn.
        threads: torch's threads; all usable cores by default.
        pictures: Whether golden pictures travel inside the int8 files, and count among their bytes.
        wanted: Number of the trial to pick, instead of the most accurate within the limits.

    Raises:
        UsageError: The name, the recipe or the limits make no sense, the study was begun with something else, or there
            is no trial `wanted`.
        BadInput: The storage is damaged, or holds a study of that name that was not made here.
        NotAvailable: The storage's driver is not installed.
        CannotWrite: The storage cannot be reached or written.
    """
    limits = limits or CostLimits()
    _check(study, recipe, limits, measure_s=measure_s)
    chosen_on = data.for_choosing()
    plan = TuningPlan(
        recipe=recipe,
        seed=seed,
        data=chosen_on.identity,
        machine=environment.describe() if measure_s else None,
        pictures=pictures,
    )
    workbench = Workbench(chosen_on, seed=seed, threads=threads, measure_s=measure_s, pictures=pictures)
    with opened(url) as storage:
        found = begin(storage, study, plan)
        check_wanted(found, wanted)
        interrupted = search(Objective(found, plan, limits, workbench, progress), trials=trials, budget_s=budget_s)
        return report_of(found, plan, limits, storage=shown(url), wanted=wanted, interrupted=interrupted)


def begin(storage: optuna.storages.BaseStorage, name: str, plan: TuningPlan) -> Study:
    """The study of that name, made if it is not there.

    Raises:
        UsageError: It was begun with another plan, or on a machine whose latencies are not comparable.
        BadInput: It was not made here.
    """
    costs = 2 if plan.machine else 1
    study = optuna.create_study(
        storage=storage,
        study_name=name,
        directions=[StudyDirection.MAXIMIZE, *[StudyDirection.MINIMIZE] * costs],
        sampler=RepeatableTPE(plan.seed),
        load_if_exists=True,
    )
    if _PLAN not in study.user_attrs:
        if study.get_trials(deepcopy=False):
            raise BadInput(f"the study {name} was not made by edgefashion: name another one with --study")
        study.set_user_attr(_PLAN, msgspec.to_builtins(plan))
    _check_same(msgspec.convert(study.user_attrs[_PLAN], TuningPlan), plan, name)
    return study


def _check(name: str, recipe: Recipe, limits: CostLimits, *, measure_s: float) -> None:
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} is no name for a study: expected letters, digits, '_', '-' and '.'")
    check_searchable(recipe)
    if limits.latency_s is not None and not measure_s:
        raise UsageError("a limit on latency needs latency to be measured: not with --measure 0")


def _check_same(begun: TuningPlan, wanted: TuningPlan, name: str) -> None:
    remedy = f"or name another study than {name} with --study"
    for part, option in _OPTIONS.items():
        if getattr(begun, part) != getattr(wanted, part):
            raise UsageError(
                f"the study was begun with a different choice of {part}: go on with the same {option}, {remedy}"
            )
    if (begun.machine is None) != (wanted.machine is None):
        was = "with" if begun.machine else "without"
        raise UsageError(f"the study was begun {was} latency as an objective: give the same --measure, {remedy}")
    if begun.machine and wanted.machine:
        differing = environment.differences(begun.machine, wanted.machine)
        if differing:
            raise UsageError(
                f"latencies of this machine are not comparable with the study's: {'; '.join(differing)}; "
                f"go on where it was begun, {remedy}"
            )
