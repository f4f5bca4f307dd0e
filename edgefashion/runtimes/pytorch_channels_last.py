"""PyTorch, eager, with channels last in memory (NHWC): measured only if asked for by name.

A convolution then finds all channels of a pixel side by side. Weights decide it: a convolution answers in the layout
of its weights, pooling in that of its input. Pictures need no change, because one channel lies the same either way.
"""

import dataclasses
from typing import Any

from edgefashion.artifact import Artifact
from edgefashion.errors import UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import Availability, pytorch, require_provider
from edgefashion.runtimes.pytorch import TorchSession

PACKAGE = pytorch.PACKAGE
FORMATS = pytorch.FORMATS
OPT_IN = True
START_S = pytorch.START_S
PROVIDERS = pytorch.PROVIDERS


def available(provider: str | None = None) -> Availability:
    """Which devices this torch can use; or whether it can use the one that is asked about."""
    return dataclasses.replace(pytorch.available(provider), runtime="pytorch-channels-last")


def open_session(model: Artifact, spec: SessionSpec) -> TorchSession:
    """The checkpoint's model with channels last, on the device that was asked for.

    Raises:
        UsageError: Options were given; there are none.
        NotAvailable: torch or the device is not here.
    """
    require_provider(available, spec.provider)
    if spec.options:
        raise UsageError(f"pytorch-channels-last takes no options: got {', '.join(spec.options)}")
    return TorchSession(model, spec, prepare=_channels_last)


def _channels_last(module: Any) -> Any:
    import torch

    return module.to(memory_format=torch.channels_last)
