"""Search recipes and shapes of networks for the best accuracy per byte and per microsecond.

    report = tune.tune(split, recipe=RECIPES["edge"], study="small", url=read_url("sqlite:///trials.db"), trials=50)
    report.picked, report.trial(report.picked).recipe

Several objectives: accuracy of the int8 model on the validation pictures, bytes of its file, and its latency, measured
by the bench in ONNX Runtime. Test pictures are never looked at. `study` puts the parts together: `space` says what is
searched, `sampler` chooses, `objective` tries, `pruning` saves time, `search` goes on until it is enough, `results`
says what came of it.
"""

from edgefashion.tune.objective import Progress
from edgefashion.tune.storage import read_url
from edgefashion.tune.study import tune

__all__ = ["Progress", "read_url", "tune"]
