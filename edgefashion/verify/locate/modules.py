"""PyTorch's modules beside the graph that was exported from them.

Nodes are named after modules (`export.onnx.name_after_layers`). What corresponds is found from names, from the order of
execution and from which module hands its result to which; values are never compared for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.verify.locate.cuts import Counterparts, Cut
from edgefashion.verify.locate.graph import Graph, layer_of

Floats = NDArray[np.float32]

# As in the names of nodes: the network's own modules are named without it, and what lies before it has no layer.
_NETWORK, _PREPROCESSING = "network", "preprocessing"


@dataclass(frozen=True, eq=False)
class Call:
    """One execution of a module that takes one tensor and gives one.

    Attributes:
        path: The module's name in the classifier; empty for the classifier itself.
        leaf: Whether it has no modules inside.
        taken: The tensor object it was given; who gave it is told by identity.
        given: The tensor object it returned.
        before: Values of `taken` when the call began: a module may write over them.
        after: Values of `given` when the call ended.
    """

    path: str
    leaf: bool
    taken: Any
    given: Any
    before: Floats
    after: Floats

    @property
    def layer(self) -> str:
        """The module's name in the names of nodes."""
        return self.path.removeprefix(f"{_NETWORK}.") or _PREPROCESSING


# The nodes of each module's call, in the order of execution.
Parts = list[tuple[Call, list[Any]]]


def module_counterparts(graph: Graph, checkpoint: Artifact, images: NDArray[np.uint8]) -> Counterparts:
    """The tensors of an exported `graph` that a module takes or gives, with PyTorch's values for `images`.

    Raises:
        BadInput: The artifact is no checkpoint.
    """
    calls = record_calls(checkpoint, images)
    parts = _parts(graph, calls)
    results = list(_results(parts, calls))
    found: dict[str, Cut] = {}
    # A module's own result says more of a tensor than that the next module takes it.
    for cut in (*(cut for _, cut in results), *_inputs(graph, parts)):
        found.setdefault(cut.tensor, cut)
    # The classifier itself ends last: whatever gives its logits, they are known.
    found.setdefault(graph.output, Cut(graph.output, "logits", calls[-1].after))
    matched = {call.path for call, _ in results}
    return Counterparts(
        cuts=tuple(found[name] for name in graph.computed if name in found),
        candidate_only=[name for name in graph.computed if name not in found],
        reference_only=[call.layer for call in calls if call.leaf and call.path not in matched],
    )


def record_calls(checkpoint: Artifact, images: NDArray[np.uint8]) -> list[Call]:
    """Every module's call while the checkpoint computes `images` uint8[N, H, W], in the order they end."""
    import torch

    from edgefashion.models.checkpoint import load_model

    model = load_model(checkpoint).eval()
    paths = {module: path for path, module in model.named_modules()}
    calls: list[Call] = []
    begun: list[Any] = []

    def begin(_: torch.nn.Module, taken: tuple[Any, ...]) -> None:
        begun.append(taken[0].numpy().copy() if len(taken) == 1 and isinstance(taken[0], torch.Tensor) else None)

    def end(module: torch.nn.Module, taken: tuple[Any, ...], given: Any) -> None:
        before = begun.pop()  # calls are nested: the last that began ends first
        if before is not None and isinstance(given, torch.Tensor):
            leaf = next(module.children(), None) is None
            calls.append(Call(paths[module], leaf, taken[0], given, before, given.numpy().copy()))

    for module in paths:
        module.register_forward_pre_hook(begin)
        module.register_forward_hook(end)
    with torch.inference_mode():
        model(torch.from_numpy(images.copy()))
    return calls


def _results(parts: Parts, calls: list[Call]) -> Iterator[tuple[Call, Cut]]:
    """What modules give, with the call that gives it."""
    with_nodes = {call for call, _ in parts}
    givers: dict[int, Call] = {}
    for call in calls:
        givers.setdefault(id(call.given), call)  # the innermost module ends first
    for call, nodes in parts:
        if call.leaf:
            last = _folded(call, calls, with_nodes)
            yield last, Cut(nodes[-1].output[0], f"output of {last.layer}", last.after)
        elif givers[id(call.given)] is call:
            # No module inside gave it: the container's own last operation did.
            own = [node.output[0] for node in nodes if layer_of(node) == call.layer]
            yield from ((call, Cut(name, f"output of {call.layer}", call.after)) for name in own[-1:])


def _inputs(graph: Graph, parts: Parts) -> Iterator[Cut]:
    """What modules take: what comes to the first of their nodes from elsewhere."""
    for call, nodes in parts:
        for name in nodes[0].input:
            if name in graph.computed and call.before.dtype == np.float32:
                yield Cut(name, f"input of {call.layer}", call.before)


def _parts(graph: Graph, calls: list[Call]) -> Parts:
    """The nodes of each call that has some; a module that is called several times has as many equal runs of nodes."""
    of_path: dict[str, list[Call]] = {}
    for call in calls:
        of_path.setdefault(call.path, []).append(call)
    computing = list({id(node): node for node in graph.computed.values()}.values())
    parts: Parts = []
    for path, same in of_path.items():
        nodes = [node for node in computing if _is_within(layer_of(node), path)]
        share, rest = divmod(len(nodes), len(same))
        if share and not rest:
            parts += [(call, nodes[index * share : (index + 1) * share]) for index, call in enumerate(same)]
    return parts


def _is_within(layer: str, path: str) -> bool:
    """Whether the nodes of `layer` belong to the module at `path` or to one inside it."""
    if path in {"", _NETWORK}:
        return not path or layer != _PREPROCESSING
    name = path.removeprefix(f"{_NETWORK}.")
    return layer == name or layer.startswith(f"{name}.")


def _folded(call: Call, calls: list[Call], with_nodes: set[Call]) -> Call:
    """The last of the modules without nodes that were folded into this one, as batch-norm is; or this one."""
    for later in calls[calls.index(call) + 1 :]:
        goes_on = later.leaf and later.taken is call.given and later.after.shape == call.after.shape
        if goes_on and later not in with_nodes:
            call = later
    return call
