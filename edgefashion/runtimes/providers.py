"""ONNX Runtime's execution providers: the table, as data.

A provider is part of a build of onnxruntime ("classic"), or a package beside it whose library onnxruntime loads
("plug-in"). A build may contain a provider that others get as a plug-in; then the build's own is used.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Provider:
    """One execution provider.

    Attributes:
        name: What a person calls it.
        own_name: What onnxruntime calls it.
        kind: How it comes to onnxruntime.
        devices: What it runs on, in words.
        package: Distribution that brings it: for a classic one a build of onnxruntime that replaces the plain one;
            for a plug-in a package that may stand beside any build. Empty where none is known.
        memory: Where its inputs and outputs lie while it is timed. "cpu" includes the transfers to and from a device;
            anything else is right only where the call returns, or can be waited for, when the device is done.
        companions: Own names of providers that may take what this one leaves, because they run on the same device.
    """

    name: str
    own_name: str
    kind: Literal["classic", "plug-in"]
    devices: str
    package: str = ""
    memory: Literal["cpu", "cuda"] = "cpu"
    companions: tuple[str, ...] = ()

    @property
    def module(self) -> str:
        """A plug-in's module; it offers `get_library_path()`."""
        return self.package.replace("-", "_")


CPU = "CPUExecutionProvider"
_CUDA = "CUDAExecutionProvider"

TABLE = (
    Provider("cpu", CPU, "classic", "processors", "onnxruntime"),
    Provider("cuda", _CUDA, "classic", "NVIDIA GPUs", "onnxruntime-gpu", memory="cuda"),
    Provider(
        "tensorrt",
        "TensorrtExecutionProvider",
        "classic",
        "NVIDIA GPUs",
        "onnxruntime-gpu",
        memory="cuda",
        companions=(_CUDA,),
    ),
    Provider(
        "tensorrt-rtx", "NvTensorRTRTXExecutionProvider", "plug-in", "NVIDIA RTX GPUs", "onnxruntime-ep-nv-tensorrt-rtx"
    ),
    Provider(
        "openvino",
        "OpenVINOExecutionProvider",
        "plug-in",
        "Intel processors, GPUs and NPUs",
        "onnxruntime-ep-openvino",
    ),
    Provider(
        "webgpu",
        "WebGpuExecutionProvider",
        "plug-in",
        "GPUs through Vulkan, Metal or Direct3D",
        "onnxruntime-ep-webgpu",
    ),
    Provider("qnn", "QNNExecutionProvider", "plug-in", "Qualcomm NPUs and GPUs", "onnxruntime-qnn"),
    Provider("coreml", "CoreMLExecutionProvider", "classic", "Apple processors, GPUs and Neural Engines"),
    Provider("directml", "DmlExecutionProvider", "classic", "GPUs under Windows", "onnxruntime-directml"),
    Provider("migraphx", "MIGraphXExecutionProvider", "classic", "AMD GPUs", "onnxruntime-migraphx"),
    Provider("cann", "CANNExecutionProvider", "classic", "Huawei NPUs", "onnxruntime-cann"),
    Provider("vitisai", "VitisAIExecutionProvider", "classic", "AMD NPUs"),
    Provider("rknpu", "RknpuExecutionProvider", "classic", "Rockchip NPUs"),
    Provider("vsinpu", "VSINPUExecutionProvider", "classic", "VeriSilicon NPUs"),
    Provider("xnnpack", "XnnpackExecutionProvider", "classic", "processors"),
    Provider("dnnl", "DnnlExecutionProvider", "classic", "processors"),
    Provider("azure", "AzureExecutionProvider", "classic", "models served elsewhere"),
)

BY_OWN_NAME = {provider.own_name: provider for provider in TABLE}

# Distributions that contain onnxruntime itself; they replace one another.
BUILDS = tuple(dict.fromkeys(each.package for each in TABLE if each.kind == "classic" and each.package))
