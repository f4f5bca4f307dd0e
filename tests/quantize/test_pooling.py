"""Means over positions as pooling: the same numbers, and an integer kernel where there was a float32 sum."""

from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skips

from edgefashion.quantize.pooling import means_as_pooling  # noqa: E402
from edgefashion.quantize.qoperator import Config  # noqa: E402
from edgefashion.quantize.static import quantized  # noqa: E402


def classifier(axes: list[int], *, keep: bool = True, readers: int = 1) -> Any:
    """Pictures, a convolution, a mean over `axes`, and its values in a row as logits."""
    constants = {
        "axes": np.array(axes),
        "kernel": np.random.default_rng(0).normal(size=(6, 1, 3, 3)).astype(np.float32),
        "row": np.array([0, -1]),
        "channel": np.array([1]),
    }
    nodes = [
        helper.make_node("Unsqueeze", ["images", "channel"], ["picture"]),
        helper.make_node("Cast", ["picture"], ["values"], to=TensorProto.FLOAT),
        helper.make_node("Conv", ["values", "kernel"], ["features"], name="features/Conv", kernel_shape=[3, 3]),
        *(
            helper.make_node(
                "ReduceMean", ["features", "axes"], [f"mean{index}"], name="mean/ReduceMean", keepdims=int(keep)
            )
            for index in range(readers)
        ),
        helper.make_node("Reshape", ["mean0", "row"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 8, 8])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "values"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def pictures(count: int = 20) -> np.ndarray:
    """uint8[N, 8, 8]."""
    return np.random.default_rng(1).integers(0, 256, (count, 8, 8), dtype=np.uint8)


def operators(model: Any) -> list[str]:
    """What a model computes with, in order."""
    return [node.op_type for node in model.graph.node]


def logits(model: Any) -> np.ndarray:
    """What a model answers to the pictures."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (found,) = session.run(["logits"], {"images": pictures()})
    return np.asarray(found)


@pytest.mark.parametrize("axes", [[2, 3], [-1, -2], [3, 2]])
def test_same_mean(axes: list[int]) -> None:
    """A mean over height and width becomes a pooling operator that computes it; nothing of the old one is left."""
    model = classifier(axes)
    before = model.SerializeToString()
    changed = means_as_pooling(model)
    onnx.checker.check_model(changed, full_check=True)
    assert operators(changed) == ["Unsqueeze", "Cast", "Conv", "GlobalAveragePool", "Reshape"]
    assert changed.graph.node[3].name == "mean/GlobalAveragePool"
    assert "axes" not in {each.name for each in changed.graph.initializer}
    np.testing.assert_allclose(logits(changed), logits(model), rtol=1e-5)
    assert model.SerializeToString() == before


@pytest.mark.parametrize(("axes", "keep"), [([1], True), ([3], True), ([1, 2, 3], True), ([2, 3], False)])
def test_other_means_stay(axes: list[int], keep: bool) -> None:
    """A mean over other dimensions, or one that drops them, is another computation."""
    model = classifier(axes, keep=keep)
    assert operators(means_as_pooling(model)) == operators(model)


def test_quantized_in_integers() -> None:
    """Quantized with integer operators the pooled mean is one of them, where the sum was computed in float32."""
    model = classifier([2, 3])
    before = quantized(model, Config(), pictures(), operators=True)
    after = quantized(means_as_pooling(model), Config(), pictures(), operators=True)
    assert "ReduceMean" in operators(before)
    assert "QLinearGlobalAveragePool" in operators(after)
    assert not {"ReduceMean", "GlobalAveragePool"} & set(operators(after))
    step = np.ptp(logits(model)) / 255
    np.testing.assert_allclose(logits(after), logits(model), atol=3 * step)
