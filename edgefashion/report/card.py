"""A run's model card: README.md as Hugging Face reads it, from what is stored beside the models.

The front matter follows the Hub's specification of model cards, modelcard.md in the repository huggingface/hub-docs:
its `model-index` has one result a model, each with task, data set and metrics. Where the figures are of the bundled
sample there is no such index: they are no results on the test split that others report on.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from edgefashion import __version__
from edgefashion.recipes import recipe_text
from edgefashion.records import BenchReport, ClassScore, TrainingReport, VerifyReport
from edgefashion.report import format as fmt
from edgefashion.report.card_command import Trained, digests_to_check, recipe_files, reproduction
from edgefashion.report.card_grids import (
    CardModel,
    accuracy_words,
    card_latency_grid,
    classes_grid,
    models_grid,
    training_facts_grid,
)
from edgefashion.report.format import clean
from edgefashion.report.grids import Grid, parity_grid
from edgefashion.report.markdown_grid import escape, grid_markdown
from edgefashion.report.words import data_notes
from edgefashion.runs import CHECKPOINT

__all__ = ["Card", "CardModel", "Trained", "to_card"]

_MOST_CONFUSED = 3
_NO_BACKTICK = "'"


@dataclass(frozen=True)
class Card:
    """Everything that a card says.

    Attributes:
        lineage: The run, and before it its teachers as far as they are known.
        models: Those of the run, float32 first.
        verification: Of exactly these models.
        bench: Where there is one.
    """

    lineage: Sequence[Trained]
    models: Sequence[CardModel]
    verification: VerifyReport
    bench: BenchReport | None = None

    @property
    def training(self) -> TrainingReport:
        """How the run's checkpoint came to be."""
        return self.lineage[-1].report

    @property
    def name(self) -> str:
        """What the run is called."""
        return self.lineage[-1].name

    @property
    def shipped(self) -> CardModel:
        """The model to start from: the smallest that was calibrated, as others in int8 are slow on x86; or float32."""
        calibrated = [each for each in self.models if (of := each.manifest.quantization) and of.calibration_images]
        return min(calibrated, key=lambda each: each.info.size_bytes, default=self.models[0])

    @property
    def hardest(self) -> ClassScore:
        """The class that this model classifies worst."""
        return self.shipped.quality.worst


def to_card(card: Card) -> str:
    """README.md: YAML between two lines of three dashes, then Markdown; ends with one line break."""
    jinja = Environment(  # noqa: S701 - Markdown: texts are escaped by the filters below
        loader=PackageLoader("edgefashion.report"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Callable[..., str]] = {"quoted": quoted, "md": _text, "code": _code, "grid": _grid}
    jinja.filters |= filters
    manifest, data = card.shipped.manifest, card.verification.data
    return jinja.get_template("card.md.j2").render(
        card=card,
        training=card.training,
        data=data,
        notes=data_notes(data),
        tags=_tags(card),
        shipped=card.shipped,
        hardest=card.hardest,
        hardest_index=data.labels.index(card.hardest.label),
        f1_of_hardest=lambda model: next(
            each.f1 for each in model.quality.per_class if each.label == card.hardest.label
        ),
        manifest=manifest,
        row_shape=", ".join(map(str, manifest.input.shape[1:])),
        labels=json.dumps([clean(label) for label in manifest.labels], ensure_ascii=False),
        accuracy=accuracy_words,
        count=fmt.count,
        score=fmt.score,
        confusions=_confusions(card),
        models_grid=models_grid(card.models, hardest=card.hardest.label),
        classes_grid=classes_grid(card.models),
        parity_grid=parity_grid(card.verification),
        latency_grid=card_latency_grid(card.bench, card.models) if card.bench else None,
        training_grid=training_facts_grid(card.training, teachers=[each.report for each in card.lineage[:-1]]),
        command=" &&\n".join(_commands(card)),
        recipe_files={name: recipe_text(recipe).decode() for name, recipe in recipe_files(card.lineage).items()},
        digests=digests_to_check(card.name, _digests(card)),
        versions=card.training.environment.versions,
        # Sources that differed from their commit are not to be found by it.
        commit=None if card.training.environment.git_dirty else card.training.environment.git_commit,
        pictures=_has_pictures(card),
        version=__version__,
    )


def quoted(text: str) -> str:
    """`text` in double quotes, as YAML, JSON and Python all read it; what cannot be printed is replaced."""
    return json.dumps(clean(text), ensure_ascii=False)


def _grid(grid: Grid) -> str:
    return grid_markdown(grid).rstrip()


def _text(text: str) -> str:
    return escape(clean(text))


def _code(text: str) -> str:
    """`text` between backticks, where nothing else is markup."""
    return f"`{clean(text).replace('`', _NO_BACKTICK)}`"


def _tags(card: Card) -> list[str]:
    precisions = dict.fromkeys(str(each.info.precision) for each in card.models)
    return ["onnx", "onnxruntime", *precisions, "edge", "fashion-mnist", "edgefashion"]


def _commands(card: Card) -> list[str]:
    schemes = [each.scheme for each in card.models if each.scheme]
    opset = card.models[0].manifest.opset
    return reproduction(card.lineage, schemes=schemes, opset=opset, pictures=_has_pictures(card))


def _has_pictures(card: Card) -> bool:
    golden = card.models[0].manifest.golden
    return golden is None or golden.has_pictures


def _digests(card: Card) -> dict[str, str]:
    digests = {CHECKPOINT: card.training.checkpoint_sha256}
    return digests | {each.info.file: each.info.sha256 for each in card.models}


def _confusions(card: Card) -> str:
    """What the model takes the hardest class for most often, in words."""
    labels = card.verification.data.labels
    index = labels.index(card.hardest.label)
    row = card.shipped.quality.confusion[index]
    others = sorted((other for other in range(len(labels)) if other != index), key=lambda other: -row[other])
    return ", ".join(f"{fmt.count(row[other])} for {clean(labels[other])}" for other in others[:_MOST_CONFUSED])
