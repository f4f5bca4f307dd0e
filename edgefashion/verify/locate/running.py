"""Run a graph as it is written: no operator is fused, moved or left out.

One thing onnxruntime cannot be kept from: on a processor without float16 arithmetic it computes float16 nodes in
float32, and drops the rounding between two of them unless the tensor there is an output.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.environment import usable_cpus
from edgefashion.errors import BadInput
from edgefashion.verify.locate.graph import Values

_FATAL_ONLY = 4


def run(model: Any, feeds: Values, *, batch: int | None = None) -> dict[str, NDArray[Any]]:
    """Every output of an onnx.ModelProto for `feeds`, whose first dimension is that of the pictures.

    Args:
        model: What is run.
        feeds: Each input's values.
        batch: Pictures a call; all in one by default.

    Raises:
        BadInput: onnxruntime cannot run it.
    """
    session = _session(model)
    names = [output.name for output in session.get_outputs()]
    count = len(next(iter(feeds.values())))
    step = batch or count
    try:
        calls = [
            session.run(names, {name: values[start : start + step] for name, values in feeds.items()})
            for start in range(0, count, step)
        ]
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        raise _refused(model, error) from error
    if len(calls) == 1:
        return dict(zip(names, calls[0], strict=True))
    return {name: np.concatenate(parts) for name, parts in zip(names, zip(*calls, strict=True), strict=True)}


def output_types(model: Any) -> dict[str, str]:
    """What onnxruntime calls the type of each output, as in "tensor(float16)".

    Raises:
        BadInput: onnxruntime cannot open it.
    """
    return {output.name: str(output.type) for output in _session(model).get_outputs()}


def _session(model: Any) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = len(usable_cpus())
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's exceptions share no base class but this
        raise _refused(model, error) from error


def _refused(model: Any, error: Exception) -> BadInput:
    reason = str(error).splitlines()[0]
    return BadInput(f"onnxruntime cannot run the graph {model.graph.name!r} unfused: {reason}")
