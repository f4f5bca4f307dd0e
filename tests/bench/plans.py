"""Plans of models of which only what they say about themselves is looked at."""

from collections.abc import Callable

from edgefashion.artifact import Artifact
from edgefashion.bench import Request
from edgefashion.bench.plan import make_plan
from edgefashion.records import Plan
from edgefashion.subjects import AnyModel

ArtifactMaker = Callable[..., Artifact]


def planned(*models: AnyModel, overhead_cells: bool = False, **changes: object) -> Plan:
    return make_plan(Request(models, overhead_cells=overhead_cells, **changes))


def labels(found: Plan) -> list[str]:
    return [cell.label for cell in found.cells]
