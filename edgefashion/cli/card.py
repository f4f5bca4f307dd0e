"""`edgefashion card`."""

from pathlib import Path
from typing import TYPE_CHECKING

from edgefashion.cli.options import RunArgument

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.records import BenchReport, Parity, Quantization, TrainingReport, VerifyReport
    from edgefashion.report.card import Card, CardModel, Trained


def card(run: RunArgument = None) -> None:
    """Write a run's model card.

    README.md in the run's folder, as Hugging Face reads it: metrics of every model in its front matter, then sizes,
    accuracy, F1 of each class, parity, latency, limits, how to use it, and the command that makes every file again,
    byte for byte. Nothing is measured: all of it is what train.json, verify.json, bench.json and the models themselves
    say, and a card is refused where they do not belong together or where parity does not hold.
    """
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.files import atomic_write
    from edgefashion.report.card import to_card

    folder = runs.find_run(run)
    console.note(f"written: {atomic_write(folder / runs.CARD, to_card(gather(folder)))}")


def gather(folder: Path) -> "Card":
    """Everything that is stored about the models of a run, if it is about these very files.

    Raises:
        BadInput: Something is missing or damaged, or belongs to other files than those that are here.
        CheckFailed: A model does not pass its verification.
    """
    from edgefashion import runs
    from edgefashion.artifact import open_artifact
    from edgefashion.errors import BadInput
    from edgefashion.records import TrainingReport
    from edgefashion.report.card import Card

    training = TrainingReport.load(folder / runs.TRAINING)
    checkpoint = open_artifact(folder / runs.CHECKPOINT)
    if checkpoint.sha256 != training.checkpoint_sha256:
        raise BadInput(f"{checkpoint.path} is not what {folder / runs.TRAINING} describes: train again")
    artifacts = runs.onnx_in(folder)
    if not artifacts:
        raise BadInput(f"{folder} has no exported model: make one with `edgefashion export {folder}`")
    for artifact in artifacts:
        if artifact.manifest.checkpoint_sha256 != checkpoint.sha256:
            raise BadInput(f"{artifact.path} was not exported from {checkpoint.path}: export again, or move it away")
    verification = verification_of(folder, artifacts)
    return Card(
        lineage=lineage(checkpoint.manifest.name, training, near=folder.absolute().parent),
        models=[_model(*each, folder) for each in zip(artifacts, verification.results, strict=True)],
        verification=verification,
        bench=benchmark_of(folder, artifacts),
    )


def verification_of(folder: Path, artifacts: "list[Artifact]") -> "VerifyReport":
    """The stored verification of exactly these models, in their order.

    Raises:
        BadInput: There is none, or it says nothing about one of them as it is now.
    """
    import msgspec

    from edgefashion import runs
    from edgefashion.errors import BadInput
    from edgefashion.records import VerifyReport

    path = folder / runs.VERIFICATION
    if not path.is_file():
        raise BadInput(f"{path} does not exist: make it with `edgefashion verify {folder}`")
    report = VerifyReport.load(path)
    known = {parity.artifact.sha256: parity for parity in report.results}
    for artifact in artifacts:
        if artifact.sha256 not in known:
            raise BadInput(
                f"{path} says nothing about {artifact.path.name} as it is now: run `edgefashion verify {folder}`"
            )
    return msgspec.structs.replace(report, results=[known[each.sha256] for each in artifacts])


def benchmark_of(folder: Path, artifacts: "list[Artifact]") -> "BenchReport | None":
    """The stored benchmark, if there is one and it measured any of these models."""
    from edgefashion import runs
    from edgefashion.cli import console
    from edgefashion.records import BenchReport

    path = folder / runs.BENCHMARK
    if not path.is_file():
        return None
    bench = BenchReport.load(path)
    if {cell.artifact.sha256 for cell in bench.plan.cells}.isdisjoint(each.sha256 for each in artifacts):
        console.note(f"latency is left out: {path} is of other files than those that are here now")
        return None
    return bench


def lineage(name: str, training: "TrainingReport", *, near: Path) -> "list[Trained]":
    """The run and, before it, its teacher, and so on, as far as their reports lie `near` it or in exported/."""
    from edgefashion import runs
    from edgefashion.records import TrainingReport
    from edgefashion.report.card import Trained

    found = [Trained(name, training)]
    if training.teacher is None:
        return found
    for path in (near / training.teacher / runs.TRAINING, runs.EXPORTED / training.teacher / runs.TRAINING):
        if path.is_file():
            teacher = TrainingReport.load(path)
            if teacher.checkpoint_sha256 == training.teacher_sha256:
                return [*lineage(training.teacher, teacher, near=near), *found]
    return found


def scheme_text(quantization: "Quantization") -> str:
    """The scheme as `edgefashion export --scheme` takes it, with those settings that are not its defaults."""
    from edgefashion.quantize.settings import parse, spell

    settings = ",".join(
        f"{name}={str(value).lower() if isinstance(value, bool) else value}"
        for name, value in quantization.settings.items()
    )
    return spell(*parse(f"{quantization.scheme}:{settings}" if settings else quantization.scheme))


def _model(artifact: "Artifact", parity: "Parity", folder: Path) -> "CardModel":
    from edgefashion.errors import BadInput, CheckFailed
    from edgefashion.report.card import CardModel

    if parity.quality is None or parity.decisions is None:
        raise BadInput(
            f"{artifact.path} was compared on golden pictures alone: "
            f"run `edgefashion verify {folder} --reference stored`"
        )
    if not parity.passed:
        raise CheckFailed(f"parity does not hold for {artifact.path}: export it again, or move it away")
    quantization = artifact.manifest.quantization
    return CardModel(
        info=artifact.info,
        manifest=artifact.manifest,
        scheme=scheme_text(quantization) if quantization else "",
        quality=parity.quality,
        accuracy=parity.decisions.accuracy,
    )
