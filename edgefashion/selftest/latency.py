"""A slowdown that is known exactly: the same model, called eleven times instead of ten."""

from pathlib import Path

from edgefashion.bench import PythonCall, Request, measure
from edgefashion.records import Gate

_TIMES = 10
_CODE = '''
"""A call that runs the model {times} times."""

from pathlib import Path

import numpy as np
import onnxruntime


def make_call():
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession({model!r}, options, providers=["CPUExecutionProvider"])
    (image,) = session.get_inputs()
    feed = {{image.name: np.zeros([1, *image.shape[1:]], dtype=np.uint8)}}

    def call():
        for _ in range({times}):
            (answer,) = session.run(None, feed)
        return answer

    return call
'''


def gate_on(model: Path, folder: Path, *, more: int, budget_s: float, seed: int) -> Gate:
    """What the gate says of calls with `more` inferences than the ten of their baseline, after `budget_s`."""
    baseline = _call(folder / "baseline.py", model, _TIMES)
    # A file of its own in either case: an A/A comparison must not be refused as one of a file with itself.
    candidate = _call(folder / "candidate.py", model, _TIMES + more)
    request = Request([candidate], baselines=[baseline], overhead_cells=False, budget_s=budget_s, seed=seed)
    gate = measure(request).gate
    if gate is None:
        raise RuntimeError("a measurement with a baseline has no gate")
    return gate


def _call(path: Path, model: Path, times: int) -> PythonCall:
    path.write_text(_CODE.format(model=str(model.absolute()), times=times))
    return PythonCall(path=path.with_name(f"{path.name}:make_call"), content=path.read_bytes())
