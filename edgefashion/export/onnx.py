"""Checkpoint → ONNX, through torch.export ("dynamo"), with the preprocessing in the graph."""

import logging
import warnings
from ast import literal_eval
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgefashion import environment, runs
from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.environment import require
from edgefashion.errors import UsageError
from edgefashion.records import Manifest, Parity
from edgefashion.verify import Limits, ReferenceLogits
from edgefashion.verify.keep import keep_if_proven

if TYPE_CHECKING:
    from edgefashion.models import Classifier

DEFAULT_OPSET = 20
# What was tried; the tests hold both ends.
OPSETS = range(18, 26)

# Any number of pictures but one or zero: the exporter turns sizes 0 and 1 into constants.
_EXAMPLE_BATCH = 2

# Where the exporter writes a node's modules, outermost first.
_SCOPES = "pkg.torch.onnx.name_scopes"
_WEIGHT = ".weight"
# A classifier is a network behind its preprocessing: layers are named as the network itself names them.
_NETWORK, _PREPROCESSING = "network.", "preprocessing"


def to_onnx(
    checkpoint: Artifact,
    data: Dataset,
    *,
    out: Path | None = None,
    opset: int = DEFAULT_OPSET,
    reference: ReferenceLogits | None = None,
    limits: Limits | None = None,
    pictures: bool = True,
) -> tuple[Artifact, Parity]:
    """Export `checkpoint` to one ONNX file: uint8[batch, H, W] in, logits float32[batch, classes] out.

    The same checkpoint and versions give the same bytes. The file holds no path of this machine.

    Args:
        checkpoint: A trained model.
        data: Its test pictures prove the export.
        out: The file; fp32.onnx beside the checkpoint by default.
        opset: ONNX operator set, 18 to 25.
        reference: PyTorch's logits, where they are at hand; the checkpoint is run otherwise.
        limits: Instead of the default limits for float32.
        pictures: Whether the golden pictures travel inside the file, and inside those that are quantized from it.

    Returns:
        The artifact, and the parity that it was kept for.

    Raises:
        CheckFailed: ONNX Runtime does not agree with PyTorch; nothing is written.
        UsageError: The opset is not supported.
    """
    require("train", purpose="exporting to ONNX")
    import onnx

    from edgefashion.models.checkpoint import load_model

    if opset not in OPSETS:
        raise UsageError(f"opset {opset} is not supported: expected {OPSETS.start} to {OPSETS.stop - 1}")
    model = _trace(load_model(checkpoint).eval(), checkpoint.manifest, opset)
    forget_origin(model)
    del model.graph.value_info[:]  # shapes that any reader can infer
    onnx.checker.check_model(model, full_check=True)
    manifest = msgspec.structs.replace(
        checkpoint.manifest,
        variant="fp32",
        format="onnx",
        opset=opset,
        checkpoint_sha256=checkpoint.sha256,
        versions=environment.versions(),
    )
    path = out or checkpoint.path.parent / runs.FLOAT
    return keep_if_proven(
        model, manifest, path, data, reference=reference or checkpoint, limits=limits, pictures=pictures
    )


def forget_origin(model: Any) -> None:
    """Remove from an onnx.ModelProto what names the exporting machine: paths, source lines, doc strings."""
    graph = model.graph
    for part in (
        model,
        graph,
        *graph.node,
        *graph.value_info,
        *graph.input,
        *graph.output,
        *graph.initializer,
    ):
        del part.metadata_props[:]
        part.ClearField("doc_string")


def name_after_layers(graph: Any) -> None:
    """Rename nodes of an onnx_ir.Graph, and what they compute, to "features.0.conv/Conv": a module and an operator.

    A profile tells nodes by name, and runtimes that fuse nodes, and quantizers that insert some, make new names from
    those of nodes and of tensors. What belongs to no layer of the network is called preprocessing. Names of inputs,
    outputs and weights stay.
    """
    taken: Counter[str] = Counter()
    outputs = {value.name for value in graph.outputs}
    for node in graph:
        scopes = node.metadata_props.get(_SCOPES)
        if scopes is None:
            continue
        name = f"{_layer(node, graph, scopes)}/{node.op_type}"
        taken[name] += 1
        node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"
        for index, value in enumerate(node.outputs):
            if value.name not in outputs:
                value.name = f"{node.name}.{index}" if index else node.name


def _layer(node: Any, graph: Any, scopes: str) -> str:
    """The module that owns the node's weight, or else the innermost one that computed it."""
    # Batch-norm folded into the layer before it leaves that layer's weight under the batch-norm's scope.
    names = (value.name for value in node.inputs if value is not None and value.name in graph.initializers)
    owners = [name.removesuffix(_WEIGHT) for name in names if name.endswith(_WEIGHT)]
    # The list ends in the operation itself: ['', 'network', 'network.features.0.conv', 'conv2d'].
    path = owners[0] if owners else literal_eval(scopes)[-2]
    return path.removeprefix(_NETWORK) or _PREPROCESSING


def _trace(model: "Classifier", manifest: Manifest, opset: int) -> Any:
    import torch

    height, width = (int(size) for size in manifest.input.shape[1:])
    example = torch.zeros(_EXAMPLE_BATCH, height, width, dtype=torch.uint8)
    # The exporter reports its progress through logging and deprecations of its own through warnings.
    quiet = logging.getLogger("torch.onnx")
    level = quiet.level
    quiet.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=FutureWarning)
            warnings.simplefilter("ignore", category=DeprecationWarning)
            program = torch.onnx.export(
                model,
                (example,),
                dynamo=True,
                dynamic_shapes=({0: "batch"},),
                input_names=[manifest.input.name],
                output_names=[manifest.output.name],
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
    finally:
        quiet.setLevel(level)
    if program is None:
        raise RuntimeError("torch.onnx.export returned no program")
    name_after_layers(program.model.graph)
    return program.model_proto
