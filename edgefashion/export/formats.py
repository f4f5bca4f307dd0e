"""Formats other than ONNX: one converter each, one line in the registry.

A converter's module offers

    FORMAT: Format                             what the manifest calls it, and what runtimes say that they open
    SUFFIX: str                                of its main file
    EXTRA: str                                 the extra of edgefashion whose packages it needs; empty if none
    PRECISIONS: tuple[Precision, ...]          what it can write, float32 first
    convert(source, data, *, precision, path, note) -> Converted      see `Converter.convert`

and may offer

    SOURCES: Mapping[Precision, str]           the variant of the run's ONNX model that it starts from; without it the
                                               checkpoint
    FOLDER: bool                               whether its files lie in a folder of their own, named by the variant; the
                                               main one is then called "model"
    check(draft, source, data, note)           what must hold of this format besides the limits that all models are
                                               held to; raises CheckFailed

The rest is the same for all and is done here: packages are asked for before any work, and nothing is written that did
not decide like its reference on every test picture, in the runtime that opens it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, cast

import msgspec

from edgefashion import environment
from edgefashion.artifact import MAIN_FILE, Artifact, from_files, open_artifact
from edgefashion.data import Dataset, silent
from edgefashion.environment import require
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Format, Parity, Precision, Quantization
from edgefashion.registry import Registry, unknown
from edgefashion.verify import Limits, ReferenceLogits
from edgefashion.verify.keep import keep_files_if_proven

FORMATS = Registry(
    kind="export format",
    group="edgefashion.formats",
    built_in={
        "c": "edgefashion.export.c",
        "aotinductor": "edgefashion.export.aotinductor",
        "executorch": "edgefashion.export.executorch",
        "ncnn": "edgefashion.export.ncnn",
        "web": "edgefashion.export.web",
        "litert": "edgefashion.export.litert",
    },
)

SHORT: Mapping[Precision, str] = {"float32": "fp32", "float16": "fp16", "int8": "int8"}
"""What variants are called after."""

Check = Callable[[Artifact, Artifact, Dataset, Callable[[str], None]], None]


@dataclass(frozen=True)
class Converted:
    """What a converter made of a model, before anything is known of how it decides.

    Attributes:
        files: The main file by the name it was asked for, and those that belong beside it.
        quantization: How it came to integers, if the converter did that.
        versions: Of what made it, besides the packages that every manifest names.
    """

    files: Mapping[str, bytes]
    quantization: Quantization | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


class Converter(Protocol):
    """A converter's module; the docstring of this file says what each attribute means."""

    FORMAT: Format
    SUFFIX: str
    EXTRA: str
    PRECISIONS: tuple[Precision, ...]

    def convert(
        self, source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
    ) -> Converted:
        """Convert; write nothing, and judge nothing.

        The same source, pictures and versions give the same bytes, without a path of this machine.

        Args:
            source: The checkpoint, or the ONNX model that `SOURCES` names.
            data: Its training pictures calibrate.
            precision: One of `PRECISIONS`.
            path: Where the main file will lie.
            note: Is told what takes time.
        """


def load_converter(name: str) -> Converter:
    """The module that writes a format.

    Raises:
        UsageError: Nothing writes a format of that name.
        NotAvailable: It starts from a network in torch, and torch is not installed.
    """
    try:
        return cast("Converter", FORMATS.load(name))
    except ModuleNotFoundError as error:
        if error.name != "torch":
            raise
        raise NotAvailable(
            f"exporting to {name} needs torch, which is not installed: pip install 'edgefashion[train]'"
        ) from None


def check_formats(names: Iterable[str]) -> None:
    """Refuse formats that cannot be written here, before any work.

    Raises:
        UsageError: Nothing writes a format of that name.
        NotAvailable: A package is missing; the message says which extra brings it.
    """
    for name in names:
        if name not in FORMATS.names():
            raise UsageError(unknown("export format", name, ("onnx", *FORMATS.names())))
        extra = load_converter(name).EXTRA
        if extra:
            require(extra, purpose=f"exporting to {name}")


def convert(
    name: str,
    checkpoint: Artifact,
    data: Dataset,
    *,
    precision: Precision = "float32",
    source: Artifact | None = None,
    reference: Artifact | ReferenceLogits | None = None,
    limits: Limits | None = None,
    pictures: bool = True,
    note: Callable[[str], None] = silent,
) -> tuple[Artifact, Parity]:
    """Write the run's model in another format, beside its checkpoint.

    Args:
        name: Of the format, in `FORMATS`.
        checkpoint: The run's; a format that starts from ONNX takes the model of that variant beside it.
        data: Its training pictures calibrate, its test pictures prove.
        precision: What numbers the model computes in.
        source: The ONNX model to start from, for a format that does; by default that of the variant in `SOURCES`.
        reference: What it must decide like; by default what it was made from.
        limits: Instead of the default limits of the precision.
        pictures: Whether the golden pictures travel in the manifest.
        note: Is told what takes time.

    Returns:
        The artifact, and the parity that it was kept for.

    Raises:
        UsageError: There is no such format, or it has no such precision, or is not made from this source.
        BadInput: The ONNX model that it starts from is not there.
        NotAvailable: A package is missing.
        CheckFailed: The result does not decide like the reference; nothing was written.
    """
    converter = load_converter(name)
    if precision not in converter.PRECISIONS:
        raise UsageError(f"{name} is written in {' and '.join(converter.PRECISIONS)}: not in {precision}")
    folder = checkpoint.path.parent
    variant = source_variant(converter, precision)
    if source is None:
        source = checkpoint if variant is None else _onnx_of(folder, variant)
    else:
        check_source(name, source, precision)
    path = place_of(name, precision, folder)
    if converter.EXTRA:
        require(converter.EXTRA, purpose=f"exporting to {name}")
    made = converter.convert(source, data, precision=precision, path=path, note=note)
    manifest = msgspec.structs.replace(
        source.manifest,
        variant=f"{name}-{SHORT[precision]}",
        format=converter.FORMAT,
        precision=precision,
        opset=None,
        quantization=made.quantization or source.manifest.quantization,
        checkpoint_sha256=source.manifest.checkpoint_sha256 or source.sha256,
        versions=environment.versions() | dict(made.versions),
    )
    check: Check | None = getattr(converter, "check", None)
    if check is not None:
        check(from_files(path, made.files, manifest), source, data, note)
    note(f"proving it on {len(data.test):,} test pictures")
    return keep_files_if_proven(
        made.files, manifest, path, data, reference=reference or source, limits=limits, pictures=pictures
    )


def check_source(name: str, source: Artifact, precision: Precision) -> None:
    """Return silently if a format can be made from this model in this precision.

    Raises:
        UsageError: It is made from the checkpoint, or from ONNX in another precision, or has no such precision.
    """
    converter = load_converter(name)
    if precision not in converter.PRECISIONS:
        raise UsageError(f"{name} is written in {' and '.join(converter.PRECISIONS)}: not in {precision}")
    if source_variant(converter, precision) is None:
        raise UsageError(f"{name} is made from the checkpoint, and not from {source.path.name}")
    found = source.manifest
    if (found.format, found.precision) != ("onnx", precision):
        raise UsageError(f"{source.path} is {found.format} in {found.precision}: expected ONNX in {precision}")


def source_variant(converter: Converter, precision: Precision) -> str | None:
    """The variant of the ONNX model that a converter starts from; None: from the checkpoint."""
    sources: Mapping[Precision, str] = getattr(converter, "SOURCES", {})
    return sources.get(precision)


def place_of(name: str, precision: Precision, folder: Path) -> Path:
    """Where a format's main file lies in a run."""
    converter = load_converter(name)
    variant = f"{name}-{SHORT[precision]}"
    if getattr(converter, "FOLDER", False):
        return folder / variant / f"{MAIN_FILE}{converter.SUFFIX}"
    return folder / f"{variant}{converter.SUFFIX}"


def _onnx_of(run: Path, variant: str) -> Artifact:
    path = run / f"{variant}.onnx"
    if not path.is_file():
        raise BadInput(f"{path} is not there: this format is made from it; `edgefashion export {run}` makes it")
    return open_artifact(path)
