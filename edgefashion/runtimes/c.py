"""C sources, compiled by the machine's own compiler into a library that this process calls.

It proves what was written in C, on every picture. Its latency is that of plain loops in a desktop's compiler, and says
nothing about a microcontroller's.
"""

import ctypes
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact, Model
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, Logits, require_provider

PACKAGE = "numpy"  # what pictures and answers are held in
DISTRIBUTIONS: tuple[str, ...] = ()  # all that a device needs is in the model
FORMATS = ("c",)
MAX_THREADS = 1
START_S = 3.0  # the compiler's
PROVIDERS = {"cpu": "cpu"}

REMEDY = "install a C compiler (in Debian the package gcc), or name one in CC"
# Fused products, and sums in another order, would give other bits than on other machines.
STANDARD = ("-std=c99", "-ffp-contract=off")
ENTRY = "edgefashion_run"

_COMPILERS = ("cc", "gcc", "clang")
_LIBRARY = ("-fPIC", "-shared", "-w")
_LEVELS = ("0", "1", "2", "3", "s")
_DEFAULT_LEVEL = "3"
_TIMEOUT_S = 600
# How the generator begins each operator of the model.
_OPERATOR = re.compile(rb"^EMX_NODE_FN void ", re.MULTILINE)


def available(provider: str | None = None) -> Availability:
    """Whether there is a compiler; its version stands for the runtime's."""
    asked = [name for name in PROVIDERS.values() if provider in (None, name)]
    try:
        version = compiler_version(find_compiler())
    except NotAvailable as error:
        return Availability("c", None, dict.fromkeys(asked, str(error)), REMEDY)
    return Availability("c", version, dict.fromkeys(asked, ""))


def find_compiler() -> list[str]:
    """The command of CC, or else of the first compiler that is installed.

    Raises:
        NotAvailable: There is none; a CC that does not exist is not replaced by another compiler.
    """
    named = shlex.split(os.environ.get("CC", ""))
    found = [each for each in (named[:1] or _COMPILERS) if shutil.which(each)]
    if not found:
        raise NotAvailable(f"no C compiler: looked for {' '.join(named[:1]) or ', '.join(_COMPILERS)}")
    return named or found[:1]


def compiler_version(command: list[str]) -> str:
    """The first line that a compiler says about itself.

    Raises:
        NotAvailable: It cannot be run.
    """
    try:
        done = subprocess.run([*command, "--version"], capture_output=True, text=True, check=True, timeout=_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise NotAvailable(f"{' '.join(command)} does not run: {error}") from error
    return done.stdout.partition("\n")[0].strip() or command[0]


def version() -> str:
    """The compiler's own line; empty where there is none."""
    try:
        return compiler_version(find_compiler())
    except NotAvailable:
        return ""


def open_session(model: Model, spec: SessionSpec) -> "CSession":
    """Compile the model and load it.

    Options: `O` is the compiler's optimization, 0, 1, 2, 3 or s; 3 by default.

    Raises:
        UsageError: There is no such option, or more than one thread was asked for.
        NotAvailable: There is no compiler.
        BadInput: The compiler refuses the code.
    """
    require_provider(available, spec.provider)
    for key in spec.options:
        if key != "O":
            raise UsageError(unknown("option of c", key, ("O",)))
    level = spec.options.get("O", _DEFAULT_LEVEL)
    if level not in _LEVELS:
        raise UsageError(f"the option O of c is one of {', '.join(_LEVELS)}, not {level!r}")
    if spec.threads != 1:
        raise UsageError(f"c computes in one thread: {spec.threads} were asked for")
    if not isinstance(model, Artifact):
        raise BadInput(f"{model.path} has no manifest: expected C exported by edgefashion")
    return CSession(model, spec, level)


class CSession:
    """A model in C, in a library of this process.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input, for the one picture of a call.
        placement: Every operator on the processor.
        library: The compiled code.
    """

    def __init__(self, model: Artifact, spec: SessionSpec, level: str) -> None:
        self._path = model.path
        self.library = _load(model, level)
        self._function = _entry(self.library, model.path)
        self._shape = tuple(model.manifest.input.shape[1:])
        self._classes = len(model.manifest.labels)
        self.spec = spec
        self.inputs = [model.manifest.input]
        self.placement = Placement(
            nodes={spec.provider: len(_OPERATOR.findall(model.content))}, source="compiled into one library"
        )

    def run(self, images: NDArray[Any]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W], picture by picture.

        Raises:
            BadInput: The pictures have another shape or type; C would read past their end.
        """
        call, logits = self._prepare(images)
        call()
        return logits

    def bind(self, images: NDArray[Any]) -> Callable[[], Any]:
        """A call with the addresses of all pictures and answers at hand."""
        return self._prepare(images)[0]

    def _prepare(self, images: NDArray[Any]) -> tuple[Callable[[], None], Logits]:
        if images.dtype != np.uint8 or images.shape[1:] != self._shape:
            wanted = ", ".join(map(str, self._shape))
            raise BadInput(f"{self._path} takes uint8[N, {wanted}]: got {images.dtype}{list(images.shape)}")
        pictures = np.ascontiguousarray(images)
        logits = np.empty((len(images), self._classes), np.float32)
        addresses = list(zip(_rows(pictures), _rows(logits), strict=True))
        function = self._function

        def call(keep: NDArray[Any] = pictures) -> None:  # noqa: ARG001 - an address does not keep an array alive
            for picture, answer in addresses:
                function(picture, answer)

        return call, logits

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing: Python cannot unload a library, and this one holds no memory but its code."""


def _rows(array: NDArray[Any]) -> list[ctypes.c_void_p]:
    """The address of each picture, or answer, of a contiguous array."""
    return [ctypes.c_void_p(array.ctypes.data + index * array.strides[0]) for index in range(len(array))]


def _load(model: Artifact, level: str) -> ctypes.CDLL:
    """The compiled model; its files are gone as soon as the system has mapped the library."""
    command = find_compiler()
    with tempfile.TemporaryDirectory(prefix="edgefashion-c-") as folder:
        for name, content in {model.path.name: model.content, **model.parts}.items():
            (Path(folder) / name).write_bytes(content)
        library = Path(folder) / "model.so"
        flags = [*STANDARD, f"-O{level}", *_LIBRARY]
        try:
            subprocess.run(
                [*command, *flags, model.path.name, "-o", library.name, "-lm"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=True,
                timeout=_TIMEOUT_S,
            )
        except subprocess.TimeoutExpired as error:
            raise NotAvailable(f"{' '.join(command)} did not compile {model.path} in {_TIMEOUT_S} s") from error
        except subprocess.CalledProcessError as error:
            words = error.stderr.strip().partition("\n")[0]
            raise BadInput(f"{' '.join(command)} refuses {model.path}: {words}") from error
        return ctypes.CDLL(str(library))


def _entry(library: ctypes.CDLL, path: Path) -> Any:
    try:
        function = getattr(library, ENTRY)
    except AttributeError as error:
        raise BadInput(f"{path} cannot be called after it was compiled: it has no {ENTRY}") from error
    function.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    function.restype = None
    return function
