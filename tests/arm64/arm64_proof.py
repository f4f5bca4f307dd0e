"""A program: whether models answer on emulated 64-bit ARM processors as they do here.

python arm64_proof.py MODEL... [--pictures N] [--processor NAME]... [--cache FOLDER] [--to REPORT.json]

The processors of `PROCESSORS` differ in the instructions for products of whole numbers, and a runtime has other kernels
for each: widening multiplication (cortex-a53), dot products (cortex-a76), products of matrices (neoverse-v1), and
everything that the emulator knows, scalable vectors and matrices among it (max).
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import arm64_answers
import arm64_root
import numpy as np
from arm64_answers import About
from arm64_root import Arm64, Note
from numpy.typing import NDArray
from rich.console import Console

from edgefashion import data, environment
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.errors import CheckFailed, EdgefashionError, Inconclusive, NotAvailable, UsageError
from edgefashion.records import Check, Manifest
from edgefashion.records.base import decode
from edgefashion.records.emulated import EmulatedReport, EmulatedResult
from edgefashion.report.emulated_grids import emulated_grid
from edgefashion.report.tables import table
from edgefashion.runtimes import Logits, default_runtime, load_runtime
from edgefashion.verify.parity import default_limits, differences, judge

PROCESSORS = ("cortex-a53", "cortex-a76", "neoverse-v1", "max")
PICTURES = 300

# Schemes that compute a part in float32, where another processor adds in another order.
PARTLY_FLOAT = {"dynamic", "weight-only", "mixed"}


@dataclass(frozen=True)
class Answers:
    """Logits of each model, and who answered."""

    about: About
    logits: list[Logits]


def requirements(models: Sequence[Artifact]) -> list[str]:
    """What the other machine needs to answer: the versions that answer here.

    Raises:
        NotAvailable: A runtime is not installed here, so that there is nothing to compare with.
    """
    packages = {"msgspec", "numpy", *(load_runtime(default_runtime(model)).PACKAGE for model in models)}
    versions = {package: environment.installed(package) for package in sorted(packages)}
    missing = [package for package, version in versions.items() if version is None]
    if missing:
        raise NotAvailable(f"{', '.join(missing)} must be installed here too, for answers to compare with")
    return [f"{package}=={version}" for package, version in versions.items()]


def prove(
    models: Sequence[Path],
    machine: Arm64,
    *,
    pictures: int = PICTURES,
    processors: Sequence[str] = PROCESSORS,
    note: Note = print,
) -> EmulatedReport:
    """Answers of `models` to the first test pictures of the bundled sample, there beside here.

    Raises:
        UsageError: The sample has fewer pictures.
        CheckFailed: A model cannot be run there, or its logits are not finite.
        Inconclusive: The two sides do not have the same versions.
    """
    sample = data.load_sample()
    if not 0 < pictures <= len(sample.test):
        raise UsageError(f"{pictures} pictures were asked for: the bundled sample has {len(sample.test)} to test with")
    test = sample.test.take(np.arange(pictures))
    artifacts = [open_artifact(path) for path in models]
    with tempfile.TemporaryDirectory(prefix="edgefashion-arm64-") as work:
        asked = Path(work) / "pictures.npy"
        np.save(asked, test.pixels)
        here = _answers(Path(work) / "here", artifacts, partial(arm64_answers.answer, asked, models=models))
        there = {}
        for processor in processors:
            note(f"emulating {processor}")
            emulate = partial(_emulate, machine, asked, models=models, processor=processor, note=note)
            there[processor] = _answers(Path(work) / processor, artifacts, emulate)
            check_versions(here.about, there[processor].about)
    return EmulatedReport(
        data=sample.identity,
        architecture=there[processors[0]].about.architecture,
        emulator=machine.emulator,
        python=there[processors[0]].about.python,
        versions=there[processors[0]].about.versions,
        results=[
            compare(artifact, theirs, ours, test.labels, runtime=runtime, processor=processor)
            for processor, answers in there.items()
            for artifact, runtime, theirs, ours in zip(
                artifacts, here.about.runtimes, answers.logits, here.logits, strict=True
            )
        ],
        environment=environment.describe(),
    )


def compare(
    artifact: Artifact, there: Logits, here: Logits, labels: NDArray[np.uint8], *, runtime: str, processor: str
) -> EmulatedResult:
    """Hold logits float32[N, classes] from there against those from here, by the limits of golden outputs.

    Where whole numbers are computed, not one bit may differ.
    """
    found = differences(there, here, labels)
    equal_logits = int((there.view(np.uint32) == here.view(np.uint32)).all(axis=1).sum())
    checks = judge(found, default_limits(artifact.manifest.precision, len(here), golden=True))
    if computes_in_whole_numbers(artifact.manifest):
        different = len(here) - equal_logits
        checks.append(Check(name="pictures whose logits differ in a bit", value=different, limit=0, relation="≤"))
    return EmulatedResult(
        artifact=artifact.info,
        runtime=runtime,
        processor=processor,
        images=len(here),
        equal_decisions=len(here) - len(found.flips),
        equal_logits=equal_logits,
        max_abs=found.max_abs,
        checks=checks,
    )


def computes_in_whole_numbers(manifest: Manifest) -> bool:
    """Whether every sum is one of whole numbers, which has the same value in any order.

    A last layer in float32, as in .tflite files, is a sum of floats.
    """
    quantization = manifest.quantization
    if manifest.precision != "int8" or quantization is None:
        return False
    return quantization.scheme not in PARTLY_FLOAT and quantization.settings.get("last_layer") != "float32"


def check_versions(here: About, there: About) -> None:
    """Return silently if both sides answered by the same versions on different processors.

    Raises:
        Inconclusive: They did not: what differs then need not be the processor.
    """
    if there.architecture == here.architecture:
        raise Inconclusive(f"both sides are {here.architecture}: nothing was emulated")
    for name, mine, other in (
        ("runtimes", here.runtimes, there.runtimes),
        ("numpy", here.versions["numpy"], there.versions["numpy"]),
    ):
        if mine != other:
            raise Inconclusive(f"{name} differ between the two sides: {mine} here and {other} there")


def _emulate(
    machine: Arm64, pictures: Path, folder: Path, *, models: Sequence[Path], processor: str, note: Note
) -> None:
    names = [str(path.resolve()) for path in (pictures, folder, *models)]
    machine.run(Path(arm64_answers.__file__), *names, processor=processor, note=note)


def _answers(folder: Path, artifacts: Sequence[Artifact], answer: Callable[[Path], None]) -> Answers:
    """What `answer` writes into a new folder."""
    folder.mkdir()
    answer(folder)
    about = decode((folder / arm64_answers.ABOUT).read_bytes(), About, folder / arm64_answers.ABOUT)
    logits = [np.load(folder / f"{place}.npy") for place in range(len(artifacts))]
    for artifact, each in zip(artifacts, logits, strict=True):
        if not np.isfinite(each).all():
            raise CheckFailed(f"{artifact.path} gives logits that are not finite on {about.architecture}")
    return Answers(about, logits)


def main(arguments: Sequence[str]) -> int:
    """Print the table, write the report if it is asked for, and say by the exit code whether everything is equal."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path)
    parser.add_argument("--pictures", type=int, default=PICTURES, help="the first of the sample's test pictures")
    parser.add_argument("--processor", action="append", help="by the emulator's name; several times for several")
    parser.add_argument("--cache", type=Path, default=data.cache_folder().parent / "arm64")
    parser.add_argument("--to", type=Path, help="where the report is written")
    chosen = parser.parse_args(arguments)
    notes = Console(stderr=True)
    try:
        machine = arm64_root.make(chosen.cache, requirements([*map(open_artifact, chosen.models)]), note=notes.print)
        report = prove(
            chosen.models,
            machine,
            pictures=chosen.pictures,
            processors=chosen.processor or PROCESSORS,
            note=notes.print,
        )
        if chosen.to:
            report.save(chosen.to)
    except EdgefashionError as error:
        notes.print(f"error: {error}", markup=False)
        return int(error.exit_code)
    Console().print(table(emulated_grid(report)))
    return 0 if report.passed else int(CheckFailed.exit_code)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
