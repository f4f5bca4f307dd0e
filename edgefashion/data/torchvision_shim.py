"""Importing torchvision beside a CPU-only torch.

The published Linux wheels of torchvision are CUDA builds. Beside a CPU-only torch their compiled extension
does not load, and the import then fails because the schemas of its operators were never declared. Declaring
them is enough: edgefashion uses torchvision's data set download and nothing that calls those operators.
"""

from functools import cache
from types import ModuleType
from typing import Any

_SCHEMAS = {
    "nms": "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms": "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
}


@cache
def load() -> ModuleType:
    """The torchvision package, with the schemas that its extension failed to declare.

    Raises:
        NotAvailable: torchvision does not import even so.
    """
    import torch

    from edgefashion.errors import NotAvailable

    try:
        import torchvision
    except ImportError as error:
        raise NotAvailable(f"torchvision does not import: {error}") from error
    except RuntimeError as error:
        if "does not exist" not in str(error):
            raise NotAvailable(f"torchvision does not import: {error}") from error
        _forget_half_imported()
        library: Any = torch.library.Library("torchvision", "FRAGMENT")  # type: ignore[no-untyped-call]  # torch types it not
        for schema in _SCHEMAS.values():
            library.define(schema)
        _kept_alive.append(library)
        try:
            import torchvision
        except (RuntimeError, ImportError) as second:
            raise NotAvailable(f"torchvision does not import beside torch {torch.__version__}: {second}") from second
    module: ModuleType = torchvision
    return module


# A Library withdraws its schemas when it is collected.
_kept_alive: list[object] = []


def _forget_half_imported() -> None:
    import sys

    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
