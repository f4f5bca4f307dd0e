"""The code of a network: what emx-onnx-cgen generates, with one entry of its own and tensors that share memory."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

from edgefashion.errors import CheckFailed

ENTRY = "network"

_BYTES = {"float": 4, "double": 8, "_Bool": 1} | {
    f"{sign}int{bits}_t": bits // 8 for sign in ("", "u") for bits in (8, 16, 32, 64)
}
# What the generator writes: its entry and the tensors in it, its weights, and a loader of weights from files.
_BODY = re.compile(rf"(?<=\nvoid ){ENTRY}\(.*\) {{\n(?P<lines>(?:    .*\n)*)}}")
_TENSOR = re.compile(r"    (?P<declaration>(?P<kind>\w+) (?P<name>\w+)(?P<shape>(?:\[\d+\])+);)")
_WEIGHT_ABOVE = re.compile(r"^extern const .*;\n", re.MULTILINE)
_WEIGHT = re.compile(r"^(?=const EMX_UNUSED )", re.MULTILINE)
_LOADER = re.compile(rf"^_Bool {ENTRY}_load\(.*\) {{\n(?:    .*\n)*}}\n+", re.MULTILINE)


def generate(model: Any) -> str:
    """C99 of an onnx.ModelProto with fixed shapes: the static function `network`, and everything that it needs.

    Weights are in the code. Tensors lie on the stack; those that are not needed at the same time share their place.

    Raises:
        CheckFailed: The generator cannot write one of the model's operators.
    """
    from emx_onnx_cgen import Compiler
    from emx_onnx_cgen.compiler import CompilerOptions
    from emx_onnx_cgen.errors import CompilerError

    options = CompilerOptions(model_name=ENTRY, large_temp_threshold_bytes=0, large_weight_threshold=0)
    try:
        code = Compiler(options).compile(model)
    except CompilerError as error:
        raise CheckFailed(f"emx-onnx-cgen cannot write this model in C: {error}") from error
    return round_in_float32(hide_names(share_memory(code)))


def round_in_float32(code: str) -> str:
    """`code` whose sums are rounded by the float32 function: the same values, without emulated float64 on small cores.

    A float32 number rounds to the same integer in either type, and what a zero point then adds is exact in both up to
    2^24, far outside of the 256 levels that follow.
    """
    return code.replace("float rounded = ref_scalar_f64_nearbyint(scaled)", "float rounded = nearbyintf(scaled)")


def hide_names(code: str) -> str:
    """`code` with weights and entry made static: firmware has one name space, and a "weight1" in it."""
    code = _WEIGHT.sub("static ", _LOADER.sub("", _WEIGHT_ABOVE.sub("", code)))
    return code.replace(f"\nvoid {ENTRY}(", f"\nstatic void {ENTRY}(", 1)


@dataclass(frozen=True)
class Tensor:
    """A tensor inside the entry.

    Attributes:
        name: What the calls name it.
        size_bytes: How large it is.
        first: Index of the first call that names it.
        last: Index of the last one.
        declaration: As it stands in the code.
    """

    name: str
    size_bytes: int
    first: int
    last: int
    declaration: str = ""


def share_memory(code: str) -> str:
    """`code` with the tensors of its entry in unions, so that the stack holds those of neighbouring layers only.

    The generator declares each tensor for itself, and no compiler that was tried finds out that two could overlap.
    """
    body = _BODY.search(code)
    if body is None:
        return code
    lines = body["lines"].splitlines()
    calls = [line for line in lines if not _TENSOR.fullmatch(line)]
    places = assign_places([_tensor(found, calls) for line in lines if (found := _TENSOR.fullmatch(line))])
    place_of = {tensor.name: f"place{index}" for index, place in enumerate(places) for tensor in place}
    moved = [re.sub(r"\b\w+\b", lambda word: _member(word[0], place_of), call) for call in calls]
    unions = [line for index, place in enumerate(places) for line in _union(f"place{index}", place)]
    return code[: body.start("lines")] + "".join(f"{line}\n" for line in [*unions, *moved]) + code[body.end("lines") :]


def assign_places(tensors: Sequence[Tensor]) -> list[list[Tensor]]:
    """Tensors that may share memory, in the order of use: in one place no two are used by the same call, or overlap.

    Greedy: a tensor goes to the free place whose size is nearest to its own, or to a new one.
    """
    places: list[list[Tensor]] = []
    for tensor in sorted(tensors, key=lambda each: each.first):
        free = [place for place in places if place[-1].last < tensor.first]
        if free:
            min(free, key=lambda place: abs(_size(place) - tensor.size_bytes)).append(tensor)
        else:
            places.append([tensor])
    return places


def _tensor(found: re.Match[str], calls: Sequence[str]) -> Tensor:
    using = [index for index, call in enumerate(calls) if found["name"] in re.findall(r"\w+", call)]
    elements = prod(map(int, re.findall(r"\d+", found["shape"])))
    return Tensor(found["name"], _BYTES[found["kind"]] * elements, using[0], using[-1], found["declaration"])


def _member(name: str, place_of: dict[str, str]) -> str:
    return f"{place_of[name]}.{name}" if name in place_of else name


def _union(place: str, tensors: Sequence[Tensor]) -> list[str]:
    return ["    union {", *(f"        {tensor.declaration}" for tensor in tensors), f"    }} {place};"]


def _size(place: Sequence[Tensor]) -> int:
    return max(tensor.size_bytes for tensor in place)
