"""Gradients of the disagreement of two models, with the candidate's rounding passed straight through.

Hao et al. 2022, "A tale of two models: constructing evasive attacks on edge models" (arXiv:2204.10933), ascend a
function of both models at once to make a quantized one depart from its original; so does this. What is ascended here
is the difference itself, and for flips the reference's margin with an exact penalty for the candidate not flipping.
"""

import contextlib
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput
from edgefashion.models.checkpoint import load_model
from edgefashion.models.from_onnx import OnnxModule
from edgefashion.runtimes import Pixels
from edgefashion.verify.search.aims import Aim, Directions, RandomDirections

# More than one, so that on the border between flipping and not the candidate's flip is worth more than the margin.
_PENALTY = 2.0

# What a graph that is valid, and that OnnxModule was not made for, may end in.
_CANNOT_RUN = (BadInput, LookupError, RuntimeError, TypeError, ValueError)

_DIFFERENCE = "projected gradient ascent on the difference of logits and on sure flips, straight through rounding"
_SIZE = (
    "projected gradient ascent on the size of the logits and on their difference: "
    "two float32 models differ by rounding, which grows with the values"
)


class GradientDirections:
    """Signs of gradients: the steepest step in which no pixel moves further than another (Madry et al. 2018)."""

    leads_on = True

    def __init__(self, candidate: nn.Module, reference: nn.Module, *, aims: tuple[Aim, ...], method: str) -> None:
        """Both modules give logits of pixels of 0 to 255."""
        self.method, self.aims = method, aims
        self._candidate, self._reference = candidate, reference

    def __call__(self, pixels: Pixels, aims: Sequence[Aim], random: np.random.Generator) -> NDArray[np.int16]:  # noqa: ARG002 - nothing is left to chance
        """-1, 0 or 1 for each pixel of uint8[N, H, W]."""
        images = torch.from_numpy(pixels.astype(np.float32)).requires_grad_()
        # One thread adds in one order, so the same seed walks the same way whatever the machine.
        with one_thread(), torch.enable_grad():
            candidate, reference = self._candidate(images), self._reference(images)
            wanted = {aim: _objective(aim, candidate, reference) for aim in set(aims)}
            total = torch.stack([wanted[aim][row] for row, aim in enumerate(aims)]).sum()
            (gradient,) = torch.autograd.grad(total, images)
        signs: NDArray[np.int16] = gradient.nan_to_num().sign().numpy().astype(np.int16)
        return signs


def find_directions(candidate: Artifact, reference: Artifact) -> Directions:
    """The best that can be had for these two; the method it names says what that is, and why not more."""
    modules = []
    for artifact in (candidate, reference):
        try:
            modules.append(module_of(artifact))
        except _CANNOT_RUN as error:
            reason = str(error).partition(":")[0]
            return RandomDirections(f"{artifact.path.name} has no gradient here ({reason})")
    if candidate.manifest.precision == "float32":
        return GradientDirections(*modules, aims=("size", "difference"), method=_SIZE)
    return GradientDirections(*modules, aims=("difference", "flip"), method=_DIFFERENCE)


def module_of(artifact: Artifact) -> nn.Module:
    """A checkpoint or an ONNX artifact in torch, in evaluation mode, tried on one black picture.

    Raises:
        BadInput: An operator is not known, or the weights do not fit.
        LookupError, RuntimeError, TypeError, ValueError: torch cannot run what the graph says.
    """
    if artifact.format == "safetensors":
        module: nn.Module = load_model(artifact)
    else:
        import onnx

        module = OnnxModule(onnx.load_model_from_string(artifact.content))
    module.eval().requires_grad_(requires_grad=False)
    height, width = (int(size) for size in artifact.manifest.input.shape[1:])
    module(torch.zeros(1, height, width))
    return module


def _objective(aim: Aim, candidate: Tensor, reference: Tensor) -> Tensor:
    """What is ascended for each picture: float32[N] from logits float32[N, classes]."""
    if aim == "difference":
        return (candidate - reference).abs().amax(dim=1)
    if aim == "size":
        return reference.abs().amax(dim=1)
    expected = reference.argmax(dim=1)
    return _lead(reference, expected) - _PENALTY * functional.relu(_lead(candidate, expected))


def _lead(logits: Tensor, classes: Tensor) -> Tensor:
    """How far the logit of each row's class is above the highest other one: float32[N]."""
    is_own = functional.one_hot(classes, logits.shape[1]).bool()
    return logits[is_own] - logits.masked_fill(is_own, -torch.inf).amax(dim=1)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch on one thread, and afterwards on as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
