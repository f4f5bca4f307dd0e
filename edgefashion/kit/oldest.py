"""The oldest release of ONNX Runtime that runs a file: measured by installing old ones, and looked up here.

`nox -s oldest` measures it and writes `oldest_onnxruntime.json` beside this file. What decides is not the model but its
needs: the version of the file's format, the operator set, the operators, the types of the weights.
"""

from importlib import resources
from pathlib import Path

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput
from edgefashion.files import check_seal
from edgefashion.protobuf import fields, messages
from edgefashion.records import decode
from edgefashion.records.kit import Needs, OldestRuntime, OldestRuntimes

STORED = "oldest_onnxruntime.json"

# Field numbers of onnx.proto: of ModelProto, GraphProto, NodeProto, TensorProto, OperatorSetIdProto.
_IR_VERSION, _GRAPH, _OPSET_IMPORT = 1, 7, 8
_NODE, _INITIALIZER = 1, 5
_OP_TYPE, _NODE_DOMAIN = 4, 7
_DATA_TYPE = 2
_OPSET_DOMAIN, _OPSET_VERSION = 1, 2
_STANDARD = {b"", b"ai.onnx"}


def oldest_for(artifact: Artifact) -> OldestRuntime | None:
    """What was measured of a file with the same needs; None where nothing was.

    Raises:
        BadInput: The stored measurements are damaged, or the artifact is no ONNX.
    """
    stored = resources.files("edgefashion.kit") / STORED
    if artifact.format != "onnx" or not stored.is_file():
        return None
    content = stored.read_bytes()
    check_seal(content, Path(str(stored)))
    needs = needs_of(artifact)
    measured = decode(content, OldestRuntimes, Path(str(stored))).measured
    return next((each for each in measured if each.needs == needs), None)


def needs_of(artifact: Artifact) -> Needs:
    """What of an ONNX file decides which releases can run it.

    Raises:
        BadInput: It is no ONNX.
    """
    try:
        model = list(fields(artifact.content))
        versions = [each.value for each in model if each.number == _IR_VERSION and isinstance(each.value, int)]
        opsets = [
            version
            for entry in messages(model, _OPSET_IMPORT)
            if _text(entry, _OPSET_DOMAIN) in _STANDARD
            for version in (each.value for each in fields(entry) if each.number == _OPSET_VERSION)
            if isinstance(version, int)
        ]
        graph = [entry for content in messages(model, _GRAPH) for entry in fields(content)]
        operators = sorted({_operator(node) for node in messages(graph, _NODE)})
        weights = [entry for tensor in messages(graph, _INITIALIZER) for entry in fields(tensor)]
        types = sorted({each.value for each in weights if each.number == _DATA_TYPE and isinstance(each.value, int)})
        return Needs(artifact.manifest.precision, versions[-1], opsets[-1], operators, types)
    except (ValueError, IndexError):
        raise BadInput(f"{artifact.path} cannot be read: expected an ONNX model") from None


def _operator(node: bytes) -> str:
    domain, name = _text(node, _NODE_DOMAIN), _text(node, _OP_TYPE).decode()
    return name if domain in _STANDARD else f"{domain.decode()}:{name}"


def _text(message: bytes, number: int) -> bytes:
    return next(messages(fields(message), number), b"")
