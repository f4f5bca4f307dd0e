"""An ONNX model of the run → one C99 file for any microcontroller, with what proves it there.

int8 starts from the QOperator form, whose operators are integer ones: from QDQ the generator writes float32 code. It is
kept only if it gives the very bits of ONNX Runtime on every test picture.
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from edgefashion import environment
from edgefashion.artifact import MAIN_FILE, Artifact
from edgefashion.data import Dataset
from edgefashion.errors import CheckFailed, UsageError
from edgefashion.export.c_files.beside import files_beside
from edgefashion.export.c_files.code import generate
from edgefashion.export.c_files.graph import for_one_picture
from edgefashion.export.formats import Converted
from edgefashion.records import Format, Precision
from edgefashion.runtimes import Logits, Pixels, Session, default_spec, open_session, require_provider
from edgefashion.runtimes import c as runtime
from edgefashion.verify import from_artifact

FORMAT: Format = "c"
SUFFIX = ".c"
EXTRA = "c"
PRECISIONS: tuple[Precision, ...] = ("float32", "int8")
SOURCES: Mapping[Precision, str] = {"float32": "fp32", "int8": "int8-qoperator"}
FOLDER = True

_GENERATOR = "emx-onnx-cgen"
# What a layer is in QDQ form, or where ranges are found as it runs; in QOperator form it is QLinearConv or QGemm.
_OTHER_LAYERS = ("Conv", "Gemm", "MatMul", "ConvInteger", "MatMulInteger")


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Write `source` in C, with a header, a self-test, an example, a Makefile and a README beside it.

    See `formats.Converter.convert`. The self-test always holds the ten golden pictures.

    Raises:
        NotAvailable: There is no C compiler.
        UsageError: The model is int8 in another form.
        CheckFailed: The generator cannot write one of its operators.
    """
    del data
    require_provider(runtime.available, "cpu")
    _check_source(source, precision)
    note(f"generating C from {source.path.name}")
    return Converted(c_files(source, path.name), versions=environment.versions_of(_GENERATOR))


def c_files(source: Artifact, main: str = f"{MAIN_FILE}{SUFFIX}") -> dict[str, bytes]:
    """Every file of `source` in C by name; `main` is that of the model itself. Same model, same bytes.

    Raises:
        CheckFailed: The generator cannot write one of its operators.
    """
    code = generate(for_one_picture(_loaded(source)))
    beside = files_beside(source, generator=f"{_GENERATOR} {environment.installed(_GENERATOR)}")
    entry = beside.pop("entry.c")
    text = {main: f'#include "model.h"\n\n{code.rstrip()}\n{entry}', **beside}
    return {name: content.encode() for name, content in text.items()}


def _loaded(source: Artifact) -> Any:
    import onnx

    return onnx.load_model_from_string(source.content)


def _check_source(source: Artifact, precision: Precision) -> None:
    if precision == "int8" and any(node.op_type in _OTHER_LAYERS for node in _loaded(source).graph.node):
        raise UsageError(
            f"{source.path} computes in float32 between its integers: C is written from what the schemes qoperator and "
            "qat:operators=true make"
        )


def check(draft: Artifact, source: Artifact, data: Dataset, note: Callable[[str], None]) -> None:
    """Return silently if int8 C gives the very bits of ONNX Runtime on the test pictures; float32 may add otherwise.

    Raises:
        CheckFailed: It does not.
    """
    if draft.manifest.precision != "int8":
        return
    note(f"comparing {len(data.test):,} pictures bit by bit with ONNX Runtime")
    expected = from_artifact(source, data).logits
    with open_session(draft, default_spec(draft)) as session:
        logits = _run_on_all_cores(session, data.test.pixels)
    others = np.flatnonzero((logits != expected).any(axis=1))
    if len(others):
        largest = float(np.abs(logits - expected).max())
        raise CheckFailed(
            f"{draft.path} was not kept: {len(others):,} of {len(expected):,} pictures, first {others[0]}, have other "
            f"logits in C than {source.path.name} in ONNX Runtime, by up to {largest:.3g}"
        )


def _run_on_all_cores(session: Session, pixels: Pixels) -> Logits:
    """Logits of all pictures: the code keeps no state, so that several threads may be in it at once."""
    cores = len(environment.usable_cpus())
    with ThreadPoolExecutor(max_workers=cores) as pool:
        return np.concatenate(list(pool.map(session.run, np.array_split(pixels, cores))))
