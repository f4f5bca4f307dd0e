"""Checkpoint → AOTInductor's .pt2: machine code for processors like this one, with the weights inside.

torch compiles for the very processor it runs on. Here it compiles for the highest level of x86-64 that this processor
reaches, so that the package says what it needs, and machines of one level make the same bytes. What would tell one
machine from another is left out: the C++ sources, debug symbols, paths, and names of files that hash paths.

Source of the levels: System V Application Binary Interface, AMD64 supplement, "Micro-Architecture Levels".
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import torch

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.errors import NotAvailable
from edgefashion.export.formats import Converted
from edgefashion.models.checkpoint import load_model
from edgefashion.records import Format, Precision
from edgefashion.runtimes.aotinductor import INSTRUCTIONS, TARGET, Target, instructions_here
from edgefashion.runtimes.torch_compile import cpp_compiler, why_no_compiler

FORMAT: Format = "aotinductor"
SUFFIX = ".pt2"
EXTRA = "train"
PRECISIONS: tuple[Precision, ...] = ("float32",)

_LEVEL_3 = frozenset(
    "cx16 lahf_lm popcnt pni ssse3 sse4_1 sse4_2 avx avx2 bmi1 bmi2 f16c fma abm movbe xsave".split()  # noqa: SIM905 - readable
)
_LEVEL_4 = _LEVEL_3 | {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}
# Bits of a vector, and what they are for; the widest first.
_TARGETS = (
    (512, Target("x86_64", "x86-64-v4", _LEVEL_4)),
    (256, Target("x86_64", "x86-64-v3", _LEVEL_3)),
)

# An example of several pictures: sizes 0 and 1 become constants.
_EXAMPLE_BATCH = 2
_MAX_BATCH = 2**16

# How torch names files: by a hash of their content and of the compiler's command, which holds paths.
_HASH = re.compile(rb"c[a-z2-7]{51}")
_LIBRARY, _METADATA = ".wrapper.so", ".wrapper_metadata.json"
_SERIAL = "/.data/serialization_id"  # a hash of names and contents
_ISA = "AOTI_CPU_ISA"


def convert(
    source: Artifact, data: Dataset, *, precision: Precision, path: Path, note: Callable[[str], None]
) -> Converted:
    """Compile a checkpoint: uint8[N, H, W] in, logits float32[N, classes] out; see `formats.Converter.convert`.

    The bytes also depend on the C++ compiler and on the level of the processor.

    Raises:
        NotAvailable: There is no C++ compiler, or the processor is of no level that is known here.
        BadInput: The source is no checkpoint.
    """
    del data, precision  # nothing to calibrate, and one precision
    bits, target = _target_here()
    model = load_model(source).eval()
    note("aotinductor: compiling takes half a minute")
    height, width = (int(size) for size in source.manifest.input.shape[1:])
    example = torch.zeros(_EXAMPLE_BATCH, height, width, dtype=torch.uint8)
    package = _without_origin(_compiled(model, example, bits, target), target)
    return Converted({path.name: package})


def _target_here() -> tuple[int, Target]:
    """Bits of a vector, and the highest level of this processor.

    Raises:
        NotAvailable: There is none, or no C++ compiler.
    """
    missing = why_no_compiler() or ("" if shutil.which("strip") else "there is no strip: install binutils")
    if missing:
        raise NotAvailable(f"exporting to aotinductor: {missing}")
    here = instructions_here() if sys.platform == "linux" else set()
    for bits, target in _TARGETS:
        if target.instructions <= here:
            return bits, target
    raise NotAvailable("exporting to aotinductor needs Linux on an x86-64 processor with AVX2")


def _compiled(model: torch.nn.Module, example: torch.Tensor, bits: int, target: Target) -> bytes:
    """The package as torch makes it."""
    from torch._inductor import aoti_compile_and_package
    from torch._inductor.utils import fresh_cache

    batch = torch.export.Dim("batch", min=1, max=_MAX_BATCH)
    with tempfile.TemporaryDirectory(prefix="edgefashion-compile-") as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        package = Path(folder) / "model.pt2"
        with fresh_cache(dir=folder), torch.no_grad():
            settings: dict[str, Any] = {
                "freezing": True,
                # As many threads as the process has when it runs, not as this machine has cores.
                "cpp.dynamic_threads": True,
                "cpp.simdlen": bits,
                "cpp.cxx": (None, str(_compiler_for(target, Path(folder)))),
                # They would stay in the cache, 100 MB each, for this one command.
                "cpp_cache_precompile_headers": False,
                "aot_inductor.precompile_headers": False,
            }
            exported = torch.export.export(model, (example,), dynamic_shapes=({0: batch},))
            aoti_compile_and_package(exported, package_path=str(package), inductor_configs=settings)
        return package.read_bytes()


def _compiler_for(target: Target, folder: Path) -> Path:
    """A C++ compiler that makes code for `target` and forgets where its sources lay; torch cannot be told to."""
    places = (os.environ["TORCHINDUCTOR_CACHE_DIR"], str(Path(torch.__file__).parent), sys.base_prefix)
    options = [f"-march={target.name}", *(f"-ffile-prefix-map={place}=" for place in places)]
    program = folder / "bin" / Path(cpp_compiler()).name
    program.parent.mkdir()
    # The last word of several on one subject decides.
    program.write_text(f'#!/bin/sh\nexec {shlex.quote(cpp_compiler())} "$@" {shlex.join(options)}\n')
    program.chmod(0o755)
    return program


def _without_origin(package: bytes, target: Target) -> bytes:
    """The package with nothing in it but what is loaded, under names that do not depend on where it was made."""
    kept = BytesIO()
    with zipfile.ZipFile(BytesIO(package)) as made, zipfile.ZipFile(kept, "w") as slim:
        for name in sorted(made.namelist()):
            content = made.read(name)
            if name.endswith(_LIBRARY):
                content = _anonymous(_stripped(content))
            elif name.endswith(_METADATA):
                content = _with_target(content, target)
            elif name.endswith((".cpp", ".json", _SERIAL)):
                continue
            # An entry made without a date is of 1980, on every machine.
            slim.writestr(zipfile.ZipInfo(_anonymous(name.encode()).decode()), content)
    return kept.getvalue()


def _anonymous(content: bytes) -> bytes:
    return _HASH.sub(lambda found: b"0" * len(found[0]), content)


def _stripped(library: bytes) -> bytes:
    """A shared library without debug symbols, which hold paths, and without a digest of what it was linked from."""
    with tempfile.TemporaryDirectory(prefix="edgefashion-strip-") as folder:
        place = Path(folder) / "library.so"
        place.write_bytes(library)
        command = ["strip", "--remove-section=.note.gnu.build-id", "--remove-section=.comment", str(place)]
        subprocess.run(command, check=True, env=os.environ | {"LC_ALL": "C"})
        return place.read_bytes()


def _with_target(metadata: bytes, target: Target) -> bytes:
    """Torch's metadata with what the code needs: the level's instruction sets, and those that torch adds to them."""
    said: dict[str, str] = json.loads(metadata)
    added = set(said[_ISA].lower().split()) & instructions_here()
    needed = " ".join(sorted(target.instructions | added))
    return json.dumps(said | {TARGET: target.name, INSTRUCTIONS: needed}, sort_keys=True).encode()
