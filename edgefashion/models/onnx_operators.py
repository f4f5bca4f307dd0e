"""ONNX operators on torch tensors, quantized ones as ONNX Runtime's integer kernels compute them.

A dequantized tensor stays a pair of whole numbers and a scale for as long as it can. A convolution of two such
tensors is then a sum of whole numbers, and only the QuantizeLinear behind it, or the end of the graph, turns that
sum into another unit (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", section 2.2). ONNX Runtime's fused kernels do the same.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from edgefashion.errors import BadInput
from edgefashion.models.whole_numbers import Scaled, Value, real, whole

Attributes = Mapping[str, Any]


Operator = Callable[..., Value]

# Each operator takes its node's attributes and inputs; an optional input that is left out is None.


def _quantize_linear(_: Attributes, value: Value, scale: Tensor, zero: Tensor | None = None) -> Value:
    """Whole numbers, as floats."""
    if scale.numel() > 1:
        raise BadInput("activations with a scale for each channel cannot be run in torch: expected one scale")
    unit = scale.reshape(())
    ends = torch.iinfo(torch.uint8 if zero is None else zero.dtype)
    offset = 0 if zero is None else int(zero)
    # A sum of products is rescaled by one factor, anything else is divided: so do the kernels.
    units = value.steps.to(unit.dtype) * (value.scale / unit) if isinstance(value, Scaled) else value / unit
    levels = whole(units, ends.min - offset, ends.max - offset)
    return levels + offset if offset else levels


def _dequantize_linear(attributes: Attributes, value: Tensor, scale: Tensor, zero: Tensor | None = None) -> Value:
    if attributes.get("block_size", 0):
        raise BadInput("weights with a scale for each block cannot be run in torch: expected one, or one a channel")
    axis = attributes.get("axis", 1)
    steps = value if value.is_floating_point() else value.double()
    if zero is not None and zero.any():
        steps = steps - _along(zero.to(steps.dtype), axis, value.ndim)
    return Scaled(steps, _along(scale, axis, value.ndim))


def _along(values: Tensor, axis: int, dimensions: int) -> Tensor:
    """One value, or one for each index of `axis`, so that it broadcasts."""
    if values.numel() == 1:
        return values.reshape(())
    shape = [1] * dimensions
    shape[axis] = -1
    return values.reshape(shape)


def _conv(attributes: Attributes, value: Value, weight: Value, bias: Value | None = None) -> Value:
    def convolve(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return functional.conv2d(
            value,
            weight,
            bias,
            stride=attributes.get("strides", 1),
            padding=_padding(attributes),
            dilation=attributes.get("dilations", 1),
            groups=attributes.get("group", 1),
        )

    return _sum_of_products(convolve, value, weight, bias, outputs=0, shape=(1, -1, 1, 1))


def _gemm(attributes: Attributes, value: Value, weight: Value, bias: Value | None = None) -> Value:
    alpha, beta = float(attributes.get("alpha", 1)), float(attributes.get("beta", 1))
    transposed = bool(attributes.get("transB"))

    def multiply(value: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        product: Tensor = (value.T if attributes.get("transA") else value) @ (weight.T if transposed else weight)
        return alpha * product if bias is None else alpha * product + beta * bias

    if (alpha, beta) != (1, 1):
        value = real(value)  # multiples of whole numbers need not be whole
    return _sum_of_products(multiply, value, weight, bias, outputs=0 if transposed else 1, shape=(1, -1))


def _mat_mul(_: Attributes, value: Value, weight: Value) -> Value:
    return _sum_of_products(lambda a, b, _: a @ b, value, weight, None, outputs=-1, shape=(-1,))


def _sum_of_products(
    compute: Callable[[Tensor, Tensor, Tensor | None], Tensor],
    value: Value,
    weight: Value,
    bias: Value | None,
    *,
    outputs: int,
    shape: tuple[int, ...],
) -> Value:
    """`compute` on whole numbers if all are in units, and if no sum adds different units: else on reals.

    Args:
        compute: Of value, weight and bias.
        value: What the layer is given.
        weight: With one scale, or one for each index of its dimension `outputs`.
        bias: In units of the product, as every quantizer makes it; or real, and rounded to these units.
        outputs: The dimension of `weight` over which nothing is summed.
        shape: What the weight's scales must be to broadcast against the result.
    """
    if isinstance(value, Scaled) and isinstance(weight, Scaled):
        scales = weight.scale.numel()
        if value.scale.numel() == 1 and (scales == 1 or scales == weight.scale.shape[outputs]):
            unit = value.scale * (weight.scale if scales == 1 else weight.scale.reshape(shape))
            sums = compute(value.steps.to(weight.steps.dtype), weight.steps, _in_units(bias, unit, weight.steps.dtype))
            return Scaled(sums, unit)
    return compute(real(value), real(weight), None if bias is None else real(bias))


def _in_units(bias: Value | None, unit: Tensor, kind: torch.dtype) -> Tensor | None:
    """A bias as whole numbers of `unit`: ONNX Runtime rounds a real one so when it opens a quantized model."""
    if bias is None or isinstance(bias, Scaled):
        return None if bias is None else bias.steps
    return (bias / unit.flatten()).round().to(kind)


def _mul(_: Attributes, one: Value, other: Value) -> Value:
    if isinstance(one, Scaled) and isinstance(other, Scaled):
        return Scaled(one.steps * other.steps, one.scale * other.scale)
    return real(one) * real(other)


def _in_any_unit(compute: Callable[..., Tensor]) -> Operator:
    """An operator that moves or chooses values: whole numbers of one unit stay whole numbers of that unit."""

    def operator(attributes: Attributes, value: Value, *others: Tensor) -> Value:
        if isinstance(value, Scaled) and value.scale.numel() == 1:
            return Scaled(compute(attributes, value.steps, *others), value.scale)
        return compute(attributes, real(value), *others)

    return operator


def _on_reals(compute: Callable[..., Tensor]) -> Operator:
    """An operator that ONNX Runtime, too, computes in float32."""
    return lambda attributes, *inputs: compute(attributes, *(None if each is None else real(each) for each in inputs))


def _max_pool(attributes: Attributes, value: Tensor) -> Tensor:
    return functional.max_pool2d(
        value,
        attributes["kernel_shape"],
        stride=attributes.get("strides", 1),
        padding=_padding(attributes),
        dilation=attributes.get("dilations", 1),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
    )


def _average_pool(attributes: Attributes, value: Tensor) -> Tensor:
    return functional.avg_pool2d(
        value,
        attributes["kernel_shape"],
        stride=attributes.get("strides", 1),
        padding=_padding(attributes),
        ceil_mode=bool(attributes.get("ceil_mode", 0)),
        count_include_pad=bool(attributes.get("count_include_pad", 0)),
    )


def _padding(attributes: Attributes) -> list[int]:
    pads = attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("auto_pad", b"NOTSET") not in {b"NOTSET", b"VALID"} or pads[:2] != pads[2:]:
        raise BadInput("padding that differs from side to side cannot be run in torch: expected explicit, equal pads")
    return list(pads[:2])


def _reshape(attributes: Attributes, value: Tensor, shape: Tensor) -> Tensor:
    sizes = [int(size) for size in shape]
    if not attributes.get("allowzero", 0):
        sizes = [size or value.shape[index] for index, size in enumerate(sizes)]
    return value.reshape(sizes)


def _flatten(attributes: Attributes, value: Tensor) -> Tensor:
    return value.reshape(math.prod(value.shape[: attributes.get("axis", 1)]), -1)


def _transpose(attributes: Attributes, value: Tensor) -> Tensor:
    return value.permute(attributes.get("perm", tuple(reversed(range(value.ndim)))))


def _reduce_mean(attributes: Attributes, value: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = [int(axis) for axis in axes] if axes is not None else list(attributes.get("axes", range(value.ndim)))
    return value.mean(dim=dims, keepdim=bool(attributes.get("keepdims", 1)))


def _unsqueeze(_: Attributes, value: Tensor, axes: Tensor) -> Tensor:
    dimensions = value.ndim + axes.numel()
    for axis in sorted(int(axis) % dimensions for axis in axes):
        value = value.unsqueeze(axis)
    return value


def _cast(attributes: Attributes, value: Tensor) -> Tensor:
    if attributes["to"] not in _TYPES:
        raise BadInput(f"a Cast to ONNX's element type {attributes['to']} cannot be run in torch")
    return value.to(_TYPES[attributes["to"]])


# onnx.TensorProto.DataType, as far as classifiers use it.
_TYPES = {1: torch.float32, 2: torch.uint8, 3: torch.int8, 6: torch.int32, 7: torch.int64, 10: torch.float16}

OPERATORS: Mapping[str, Operator] = {
    "Add": _on_reals(lambda _, one, other: one + other),
    "AveragePool": _on_reals(_average_pool),
    "Cast": _on_reals(_cast),
    "Clip": _on_reals(lambda _, value, low=None, high=None: value.clamp(low, high)),
    "Concat": _on_reals(lambda attributes, *values: torch.cat(values, dim=attributes["axis"])),
    "Conv": _conv,
    "DequantizeLinear": _dequantize_linear,
    "Flatten": _in_any_unit(_flatten),
    "Gemm": _gemm,
    "GlobalAveragePool": _on_reals(lambda _, value: value.mean(dim=(2, 3), keepdim=True)),
    "MatMul": _mat_mul,
    "MaxPool": _in_any_unit(_max_pool),
    "Mul": _mul,
    "QuantizeLinear": _quantize_linear,
    "ReduceMean": _on_reals(_reduce_mean),
    "Relu": _in_any_unit(lambda _, value: value.relu()),
    "Reshape": _in_any_unit(_reshape),
    "Sigmoid": _on_reals(lambda _, value: value.sigmoid()),
    "Softmax": _on_reals(lambda attributes, value: value.softmax(attributes.get("axis", -1))),
    "Transpose": _in_any_unit(_transpose),
    "Unsqueeze": _in_any_unit(_unsqueeze),
}
