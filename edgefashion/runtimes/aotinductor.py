"""AOTInductor packages: a model that torch's compiler made machine code of beforehand, in the format .pt2.

Loading one runs code out of it: it is as much to be trusted as a program. The digest in its manifest shows that it is
whole and belongs to the manifest; it is no signature, and does not show who made it.
"""

import json
import platform
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.environment import installed
from edgefashion.environment.reading import field, read
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.runtimes import Availability, Logits, on_the_cpu_alone, require_provider
from edgefashion.runtimes.pytorch import REMEDY

PACKAGE = "torch"
FORMATS = ("aotinductor",)
START_S = 3.0
PROVIDERS = {"cpu": "cpu"}

# What the converter writes into a package's metadata beside torch's own entries.
TARGET, INSTRUCTIONS = "edgefashion.target", "edgefashion.instructions"
_MACHINE = "AOTI_MACHINE"


def available(provider: str | None = None) -> Availability:
    """Whether torch is here. Which packages this processor can run is known when one is opened."""
    return on_the_cpu_alone("aotinductor", package=PACKAGE, remedy=REMEDY, module="torch", provider=provider)


def open_session(model: Artifact, spec: SessionSpec) -> "PackageSession":
    """The package's machine code, if it is for a processor like this one.

    Raises:
        UsageError: Options were given; there are none.
        NotAvailable: torch is not here, or the code is for another processor or another torch.
        BadInput: It is no such package.
    """
    require_provider(available, spec.provider)
    if spec.options:
        raise UsageError(f"aotinductor takes no options: got {', '.join(spec.options)}")
    check_processor(target_of(model), model.path)
    return PackageSession(model, spec)


@dataclass(frozen=True)
class Target:
    """What machine code was made for.

    Attributes:
        machine: As `platform.machine` calls it.
        name: What the C++ compiler calls the processor.
        instructions: Instruction sets that must be there, as Linux calls them.
    """

    machine: str
    name: str
    instructions: frozenset[str]


def target_of(model: Artifact) -> Target:
    """What a package was made for, read without running any of it.

    Raises:
        BadInput: It does not say so.
    """
    try:
        with zipfile.ZipFile(BytesIO(model.content)) as package:
            (name,) = (each for each in package.namelist() if each.endswith("_metadata.json"))
            said = json.loads(package.read(name))
        return Target(said[_MACHINE], said[TARGET], frozenset(said[INSTRUCTIONS].split()))
    except (zipfile.BadZipFile, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{model.path} does not say which processor it is for: export it again") from error


def check_processor(target: Target, path: Path, *, root: Path = Path("/")) -> None:
    """Refuse code that this processor cannot run: the process would be killed.

    Raises:
        NotAvailable: It is for another kind of processor, or uses instructions that are not here.
    """
    if target.machine != platform.machine():
        raise NotAvailable(f"{path} is machine code for {target.machine}: this is {platform.machine()}; export it here")
    missing = target.instructions - instructions_here(root)
    if missing:
        raise NotAvailable(
            f"{path} is machine code for {target.name}: this processor lacks {', '.join(sorted(missing))}; "
            "export it here"
        )


def instructions_here(root: Path = Path("/")) -> set[str]:
    """Instruction sets of this processor, as Linux calls them; empty where it does not say."""
    cpu_info = read(root / "proc/cpuinfo") or ""
    return {flag for line in ("flags", "Features") for flag in (field(cpu_info, line) or "").split()}


class PackageSession:
    """A package of machine code in torch.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: One library, on the processor.
    """

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        import torch

        self._torch = torch
        self._path = model.path
        self._run = _load(model).run
        # torch counts threads by process, not by session: the count before is given back at the end.
        self._threads_before = torch.get_num_threads()
        torch.set_num_threads(spec.threads)
        self.spec = spec
        self.inputs = [model.manifest.input]
        self.placement = Placement(nodes={"cpu": 1}, source="the whole model is one library of machine code")

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W].

        Raises:
            BadInput: The model does not run on this input.
        """
        logits: Logits = self._run([self._tensor(images)])[0].numpy()
        return logits

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call on a tensor that is there already; torch makes its output anew each time.

        Raises:
            BadInput: The model does not run on this input.
        """
        run, given = self._run, [self._tensor(images)]
        return lambda: run(given)

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Drop the model, which frees its memory, and give back the thread count."""
        self._torch.set_num_threads(self._threads_before)
        del self._run

    def _tensor(self, images: NDArray[Any]) -> Any:
        # The code itself checks nothing, and would read beyond a smaller input.
        (wanted,) = self.inputs
        if images.dtype != np.dtype(wanted.dtype) or list(images.shape[1:]) != wanted.shape[1:] or not len(images):
            raise BadInput(f"aotinductor cannot run {self._path} on {images.dtype}{list(images.shape)}")
        return self._torch.tensor(images)


def _load(model: Artifact) -> Any:
    """The loader of torch's own `aoti_load_package`, which would import the compiler and parse JSON in each call."""
    from torch._C._aoti import AOTIModelPackageLoader

    # It opens files only, and has the code in memory when it returns.
    with tempfile.TemporaryDirectory(prefix="edgefashion-package-") as folder:
        place = Path(folder) / "model.pt2"
        place.write_bytes(model.content)
        try:
            return AOTIModelPackageLoader(str(place), "model", False, 1, -1)
        except RuntimeError as error:
            made, here = model.manifest.versions.get("torch", "unknown"), installed("torch")
            reason = str(error).splitlines()[0]
            raise NotAvailable(f"torch {here} cannot load {model.path}, made by torch {made}: {reason}") from error
