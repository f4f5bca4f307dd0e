"""The command that makes a run again, byte for byte, from what its documents say."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from edgefashion.recipes import RECIPES, SUFFIX
from edgefashion.records import Recipe, TrainingReport

# Nothing that exists is in the way there. The last part of each path is the run's own name, which its files contain.
_FOLDER = "again"


@dataclass(frozen=True)
class Trained:
    """A finished training, by the name that its checkpoint carries."""

    name: str
    report: TrainingReport


def reproduction(
    lineage: Sequence[Trained], *, schemes: Sequence[str], opset: int | None, pictures: bool = True
) -> list[str]:
    """The commands that train the runs of `lineage` and export the last of them, to be joined by "&&".

    Args:
        lineage: Each run's teacher before it; the teacher of the first, if it has one, is looked for in exported/.
        schemes: Of the quantized models, as `--scheme` takes them.
        opset: Of the models; None for the default.
        pictures: Whether golden pictures travel inside the models.
    """
    commands = [_train(each, teachers=lineage[:place]) for place, each in enumerate(lineage)]
    last = lineage[-1]
    words = ["edgefashion", "export", f"{_FOLDER}/{last.name}", *_data_words(last.report)]
    words += ["--opset", str(opset)] if opset is not None else []
    for scheme in schemes:
        words += ["--scheme", scheme]
    words += [] if pictures else ["--no-pictures"]
    return [*commands, shlex.join(words)]


def digests_to_check(name: str, digests: dict[str, str]) -> str:
    """Lines for `sha256sum --check`: the digest of each file of the run that the commands make."""
    return "\n".join(f"{digest}  {_FOLDER}/{name}/{file}" for file, digest in digests.items())


def recipe_files(lineage: Sequence[Trained]) -> dict[str, Recipe]:
    """By file name each recipe that no preset is, whatever its number of epochs: the commands expect them as files."""
    return {f"{each.name}{SUFFIX}": each.report.recipe for each in lineage if _preset_words(each.report.recipe) is None}


def _train(trained: Trained, *, teachers: Sequence[Trained]) -> str:
    report = trained.report
    recipe = _preset_words(report.recipe) or ["--recipe", f"{trained.name}{SUFFIX}"]
    words = ["edgefashion", "train", *recipe, *_teacher_words(report, teachers)]
    words += ["--seed", str(report.seed), "--threads", str(report.threads)]
    words += ["--device", report.device, "--precision", report.precision, *_data_words(report)]
    return shlex.join([*words, "--out", f"{_FOLDER}/{trained.name}"])


def _preset_words(recipe: Recipe) -> list[str] | None:
    """The options that mean this recipe; None where no preset comes to it."""
    preset = RECIPES.get(recipe.name)
    if preset == recipe:
        return ["--recipe", recipe.name]
    if preset and msgspec.structs.replace(preset, epochs=recipe.epochs) == recipe:
        return ["--recipe", recipe.name, "--epochs", str(recipe.epochs)]
    return None


def _teacher_words(report: TrainingReport, teachers: Sequence[Trained]) -> list[str]:
    if report.teacher is None:
        return []
    made = any(each.report.checkpoint_sha256 == report.teacher_sha256 for each in teachers)
    return ["--teacher", f"{_FOLDER if made else 'exported'}/{report.teacher}"]


def _data_words(report: TrainingReport) -> list[str]:
    return ["--data", "sample"] if report.data.is_sample else []
