"""One cell under the load of MLPerf LoadGen, in the scenarios of MLPerf Inference.

    run = run_loadgen(artifact, cell="int8", session=spec, cpus=[1], inputs=pictures, scenario="Server", logs=folder)
    print(run.verdict)

LoadGen decides when a query of which pictures comes, and times the answers; its verdict and its logs are kept. The
parent (`launch`) starts `python -m edgefashion.bench.points.loadgen` (`child`) on the cell's cores, sends it a `Job`
and gets one `Reply`; the results are in the log (`log`).
"""

from edgefashion.bench.points.loadgen.launch import SCENARIOS, require_scenario, run_loadgen

__all__ = ["SCENARIOS", "require_scenario", "run_loadgen"]
