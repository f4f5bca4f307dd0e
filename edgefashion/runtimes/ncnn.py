"""ncnn, a small runtime for processors of phones and boards: a network in a .param and a .bin file.

ncnn runs one picture a call, so a batch is a loop over its pictures, in `run` and in what is timed. The normalization
is in the network; bytes become floats where every program that uses ncnn does it, in `Mat.from_pixels`, and that is
part of each call.
"""

import tempfile
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, UsageError
from edgefashion.records import Placement, SessionSpec
from edgefashion.registry import unknown
from edgefashion.runtimes import Availability, Logits, on_the_cpu_alone, require_provider

PACKAGE = "ncnn"
FORMATS = ("ncnn",)
START_S = 0.2
PROVIDERS = {"cpu": "cpu"}

REMEDY = "pip install 'edgefashion[ncnn]'"

_WEIGHTS = ".bin"
_SWITCH = {"0": False, "1": True}
# ncnn's own default is on, and then even a float32 network has some weights rounded to float16.
_HALF_STORAGE = ("use_fp16_packed", "use_fp16_storage")
# Off even for float16: newer ARM processors would sum in halves, older ones and x86 cannot, and logits of the same file
# would differ by .1 from device to device.
_HALF_ARITHMETIC = "use_fp16_arithmetic"


def available(provider: str | None = None) -> Availability:
    """Whether ncnn is installed; it runs on every processor."""
    return on_the_cpu_alone("ncnn", package=PACKAGE, remedy=REMEDY, module="ncnn", provider=provider)


def open_session(model: Artifact, spec: SessionSpec) -> "NcnnSession":
    """The network on the processor.

    A float32 network computes in float32 throughout. One whose weights are stored in float16 may also compute so,
    where ncnn has such kernels for the processor: on ARM, not on x86.

    Options: switches of ncnn's `Option` by their own names, as use_packing_layout=0.

    Raises:
        UsageError: ncnn has no such switch, or its value is neither 0 nor 1.
        NotAvailable: ncnn is not here.
        BadInput: ncnn refuses the network.
    """
    require_provider(available, spec.provider)
    return NcnnSession(model, spec)


class NcnnSession:
    """A network in ncnn.

    Attributes:
        spec: How it was asked to run.
        inputs: What its manifest says about its input.
        placement: Every layer on the processor.
    """

    def __init__(self, model: Artifact, spec: SessionSpec) -> None:
        import ncnn

        self._ncnn = ncnn
        self._path = model.path
        self._net = _loaded(model, spec)
        (self._input,), (self._output,) = self._net.input_names(), self._net.output_names()
        self.spec = spec
        self.inputs = [model.manifest.input]
        layers = [layer for layer in self._net.layers() if layer.type != "Input"]
        self.placement = Placement(
            nodes={spec.provider: len(layers)},
            source="ncnn's list of layers, after fusion; before them its from_pixels makes floats of bytes",
        )

    def run(self, images: NDArray[np.uint8]) -> Logits:
        """Logits float32[N, classes] of `images` uint8[N, H, W], one picture after the other.

        Raises:
            BadInput: The network does not take this input.
        """
        return np.stack([np.array(mat) for mat in self.bind(images)()])

    def bind(self, images: NDArray[np.uint8]) -> Callable[[], list[Any]]:
        """A call that takes each picture through the network and leaves its logits in a matrix of ncnn's.

        Raises:
            BadInput: The network does not take this input.
        """
        expected = tuple(self.inputs[0].shape[1:])
        if images.dtype != np.uint8 or images.shape[1:] != expected or not len(images):
            shape = f"{images.dtype}{list(images.shape)}"
            raise BadInput(f"ncnn cannot run {self._path} on {shape}: expected uint8[N, {expected[0]}, {expected[1]}]")
        pictures = [np.ascontiguousarray(image) for image in images]
        height, width = images.shape[1:]
        from_pixels, gray = self._ncnn.Mat.from_pixels, self._ncnn.Mat.PixelType.PIXEL_GRAY
        start, input_name, output_name = self._net.create_extractor, self._input, self._output

        def forward(picture: NDArray[np.uint8]) -> Any:
            extractor = start()
            extractor.input(input_name, from_pixels(picture, gray, width, height))
            return extractor.extract(output_name)[1]

        return lambda: [forward(picture) for picture in pictures]

    def __enter__(self) -> Self:
        """The session itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Free the network's memory."""
        self._net.clear()


def _loaded(model: Artifact, spec: SessionSpec) -> Any:
    import ncnn

    net = ncnn.Net()
    _set_options(net.opt, model, spec)
    weights = [content for name, content in model.parts.items() if name.endswith(_WEIGHTS)]
    if len(weights) != 1:
        raise BadInput(f"{model.path} has {len(weights)} {_WEIGHTS} files beside it: expected one")
    # ncnn's own reader of memory takes text only. What is read is what was checked: not the file at `model.path`.
    with tempfile.NamedTemporaryFile(prefix="edgefashion-ncnn-", suffix=_WEIGHTS) as file:
        file.write(weights[0])
        file.flush()
        if net.load_param_mem(model.content.decode()) or net.load_model(file.name):
            raise BadInput(f"ncnn refuses {model.path}: it does not know a layer, or the weights do not fit")
    return net


def _set_options(opt: Any, model: Artifact, spec: SessionSpec) -> None:
    known = tuple(name for name in dir(opt) if isinstance(getattr(opt, name), bool))
    for name, value in spec.options.items():
        if name not in known:
            raise UsageError(unknown("switch of ncnn", name, known))
        if value not in _SWITCH:
            raise UsageError(f"the switch {name} of ncnn is 0 or 1, not {value!r}")
    opt.num_threads = spec.threads
    for name in _HALF_STORAGE:
        setattr(opt, name, model.manifest.precision == "float16")
    setattr(opt, _HALF_ARITHMETIC, False)
    for name, value in spec.options.items():
        setattr(opt, name, _SWITCH[value])
