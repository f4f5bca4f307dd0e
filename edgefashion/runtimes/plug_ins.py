"""Plug-in execution providers: libraries that onnxruntime loads at run time, once per process."""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from edgefashion.errors import UsageError
from edgefashion.runtimes.providers import Provider

DEVICE_OPTION = "device"

_FATAL_ONLY = 4
_ERROR_PREFIX = re.compile(r"\[ONNXRuntimeError\] : \d+ : \w+ : ")


def why_absent(provider: Provider) -> str:
    """Why onnxruntime cannot use the provider here; empty if it can. A plug-in is loaded to find out."""
    import onnxruntime

    if provider.own_name in onnxruntime.get_available_providers():
        return ""
    if provider.kind == "plug-in":
        if find_spec(provider.module) is None:
            return f"its package is not installed: pip install {provider.package}"
        return _load(provider)
    holder = f"; {provider.package}, which replaces it, does" if provider.package else ""
    return f"this build of onnxruntime does not contain it{holder}"


def devices_of(provider: Provider) -> list[Any]:
    """The devices that a loaded plug-in offers; none for a classic provider."""
    import onnxruntime

    if provider.kind == "classic":
        return []
    return [device for device in onnxruntime.get_ep_devices() if device.ep_name == provider.own_name]


def choose_device(provider: Provider, devices: Sequence[Any], options: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """The one device that a session runs on, and the options that are the provider's own.

    Where a plug-in offers several kinds of device, the option `device` (cpu, gpu or npu) names one, so that it is
    part of what was measured. Of several of one kind the first is taken.

    Raises:
        UsageError: There are several kinds and none of them is named.
    """
    kinds = {device.device.type.name.lower(): device for device in reversed(devices)}
    if len(kinds) == 1:
        return devices[0], dict(options)
    wanted = options.get(DEVICE_OPTION, "none")
    if wanted not in kinds:
        raise UsageError(
            f"{provider.own_name} offers several devices here: name one with the option "
            f"{DEVICE_OPTION}={'|'.join(sorted(kinds))}, not {wanted!r}"
        )
    return kinds[wanted], {key: value for key, value in options.items() if key != DEVICE_OPTION}


def words_of(error: Exception) -> str:
    """What an error of onnxruntime says, in one line and without the codes around it."""
    text = _ERROR_PREFIX.split(str(error))[-1].strip() or type(error).__name__
    return text.splitlines()[0]


# Registering a library a second time breaks the first: sessions then crash the process (onnxruntime 1.32).
@cache
def _load(provider: Provider) -> str:
    """Register a plug-in's library; returns why it is of no use, or nothing."""
    import onnxruntime

    # Not before a library of the process's owner was looked for: some of them are registered already.
    if not devices_of(provider):
        # What is fatal is raised as an exception; plug-ins write the rest on the terminal while they load.
        onnxruntime.set_default_logger_severity(_FATAL_ONLY)
        try:
            library = import_module(provider.module).get_library_path()
            # Some plug-ins take the name of the registration for their own.
            onnxruntime.register_execution_provider_library(provider.own_name, library)
        except Exception as error:  # noqa: BLE001 - a package of others: whatever it is, it is a reason
            return f"{provider.package} does not load: {words_of(error)}"
    return "" if devices_of(provider) else f"{provider.package} finds none of its devices here ({provider.devices})"
