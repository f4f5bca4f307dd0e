"""OpenVINO in bfloat16, where the processor computes in it: weights and sums are rounded to 8 bits of mantissa."""

from edgefashion.artifact import Model
from edgefashion.errors import UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import Availability, openvino, require_provider
from edgefashion.runtimes.openvino import FORMATS, OPT_IN, PACKAGE, PROVIDERS, START_S, OpenVinoSession

__all__ = ["FORMATS", "OPT_IN", "PACKAGE", "PROVIDERS", "START_S", "available", "open_session"]

_PRECISION = "INFERENCE_PRECISION_HINT"


def available(provider: str | None = None) -> Availability:
    """Which devices compute in bfloat16."""
    return openvino.availability("openvino-bf16", provider, precision="bf16")


def open_session(model: Model, spec: SessionSpec) -> OpenVinoSession:
    """As in `runtimes.openvino`, but float32 becomes bfloat16.

    Raises:
        UsageError: As there, or another precision was asked for.
        NotAvailable: OpenVINO or the device is not here, or it does not compute in bfloat16.
        BadInput: OpenVINO refuses the model.
    """
    require_provider(available, spec.provider)
    if _PRECISION in spec.options:
        raise UsageError(f"{_PRECISION} is no option of openvino-bf16: take the runtime openvino")
    return OpenVinoSession(model, spec, {_PRECISION: "bf16", **spec.options})
