"""What can be measured: artifacts, ONNX models that edgefashion did not make, and calls in Python files."""

import contextlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from edgefashion.artifact import MANIFEST_KEY, Artifact, from_content, is_safetensors, open_artifact, sidecar_of
from edgefashion.errors import BadInput, UsageError
from edgefashion.files import SEAL_KEY, read_bounded, sha256
from edgefashion.protobuf import fields
from edgefashion.records import ArtifactInfo

# Field numbers of ModelProto in onnx.proto: what every model has.
_GRAPH, _OPSET_IMPORT = 7, 8


@dataclass(frozen=True)
class ForeignModel:
    """An ONNX model that edgefashion did not make: it can be timed, and nothing else about it is known.

    Attributes:
        path: Where it was read from.
        content: Its bytes.
    """

    path: Path
    content: bytes = field(repr=False)
    format: str = "onnx"

    @property
    def sha256(self) -> str:
        """Hex digest of the whole file."""
        return sha256(self.content)

    @property
    def info(self) -> ArtifactInfo:
        """How results name this model: by its file."""
        return ArtifactInfo(
            name=self.path.stem,
            variant=self.path.stem,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=len(self.content),
            precision="unknown",
            scheme=None,
        )


@dataclass(frozen=True)
class PythonCall:
    """A function at the top level of a Python file that returns what is to be timed: a call without arguments.

    Attributes:
        path: The file and the function, as in "mine.py:make_call".
        content: The file's bytes.
    """

    path: Path
    content: bytes = field(repr=False)
    format: str = "python"

    @classmethod
    def of(cls, function: Callable[[], object]) -> Self:
        """What a fresh process needs to find `function` again.

        Raises:
            UsageError: It is no function at the top level of a file.
        """
        name, file = getattr(function, "__qualname__", ""), None
        with contextlib.suppress(TypeError, OSError):
            file = inspect.getsourcefile(function)
        if file is None or not name.isidentifier():
            raise UsageError(
                f"{name or function!r} cannot be found by a fresh process: "
                "expected a function at the top level of a file"
            )
        path = Path(file).absolute()
        return cls(path=path.with_name(f"{path.name}:{name}"), content=read_bounded(path))

    @property
    def file(self) -> Path:
        """The Python file."""
        return self.path.with_name(self.path.name.rpartition(":")[0])

    @property
    def function(self) -> str:
        """The function's name."""
        return self.path.name.rpartition(":")[2]

    @property
    def sha256(self) -> str:
        """Hex digest of the file's place and bytes and the function's name: what it imports lies beside it."""
        return sha256(str(self.path.absolute()).encode() + self.content)

    @property
    def info(self) -> ArtifactInfo:
        """How results name this call: by its function."""
        return ArtifactInfo(
            name=self.function,
            variant=self.function,
            file=self.path.name,
            sha256=self.sha256,
            size_bytes=len(self.content),
            precision="unknown",
            scheme=None,
        )


AnyModel = Artifact | ForeignModel | PythonCall


def is_python_call(name: str) -> bool:
    """Whether `name` is a Python file with a function, as in "mine.py:make_call"."""
    file, _, function = name.rpartition(":")
    return file.endswith(".py") and function.isidentifier()


def open_model(path: Path) -> AnyModel:
    """Read an artifact, an ONNX model that carries neither manifest nor seal, or a call in a Python file.

    A damaged artifact is no foreign model: no flipped bit removes both marks, and of all places to cut it off only
    one leaves a whole model without them.

    Raises:
        BadInput: The file is missing or damaged, or is no ONNX model.
        CannotWrite: The system refuses to read it.
    """
    if is_python_call(path.name):
        return PythonCall(path=path, content=read_bounded(path.with_name(path.name.rpartition(":")[0])))
    if sidecar_of(path).is_file():
        return open_artifact(path)
    content = read_bounded(path)
    if MANIFEST_KEY.encode() in content or SEAL_KEY.encode() in content or is_safetensors(content):
        return from_content(content, path)
    try:
        # To the last field: a truncated artifact, whose marks are at its end, must not pass for somebody else's model.
        numbers = {each.number for each in fields(content)}
    except (ValueError, IndexError):
        numbers = set()
    if not numbers.issuperset((_GRAPH, _OPSET_IMPORT)):
        raise BadInput(f"{path} is no ONNX model: expected one, or an artifact made by edgefashion")
    return ForeignModel(path=path, content=content)
