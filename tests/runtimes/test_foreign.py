"""ONNX models of others: nothing is known about them but what onnxruntime tells."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

onnx = pytest.importorskip("onnx")

from edgefashion.errors import BadInput  # noqa: E402
from edgefashion.records import TensorSpec  # noqa: E402
from edgefashion.runtimes import default_spec, open_session  # noqa: E402
from edgefashion.subjects import ForeignModel  # noqa: E402 - after the skip


def foreign(shape: list[int | str], element: int, nodes: list[Any], outputs: list[Any]) -> ForeignModel:
    """A model with one input `x`, without manifest and seal."""
    helper = onnx.helper
    graph = helper.make_graph(nodes, "graph", [helper.make_tensor_value_info("x", element, shape)], outputs)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return ForeignModel(path=Path("foreign.onnx"), content=model.SerializeToString())


def doubling(shape: list[int | str], element: int) -> ForeignModel:
    """A model that computes y = x + x."""
    y = onnx.helper.make_tensor_value_info("y", element, None)
    return foreign(shape, element, [onnx.helper.make_node("Add", ["x", "x"], ["y"])], [y])


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16", "int8", "int32", "int64", "uint8"])
def test_foreign_model(dtype: str, batch: int, bindings: list[Any]) -> None:
    """A model of any numeric type is run and bound by what onnxruntime tells about it."""
    model = doubling(["batch", 3, 5], onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))
    x = np.arange(batch * 15).reshape(batch, 3, 5).astype(dtype)
    with open_session(model, default_spec(model)) as session:
        assert [TensorSpec("x", dtype, ["batch", 3, 5])] == session.inputs
        assert x.dtype == session.run(x).dtype
        np.testing.assert_array_equal(x + x, session.run(x))
        session.bind(x)()
        np.testing.assert_array_equal(x + x, bindings[0].get_outputs()[0].numpy())


def test_foreign_model_with_two_outputs(bindings: list[Any]) -> None:
    """The first output is the answer; the timed call computes all of them."""
    helper, element = onnx.helper, onnx.TensorProto.FLOAT
    nodes = [helper.make_node("Add", ["x", "x"], ["sum"]), helper.make_node("Mul", ["x", "x"], ["square"])]
    outputs = [helper.make_tensor_value_info(name, element, None) for name in ("square", "sum")]
    x = np.array([[1.0, 3.0]], np.float32)
    with open_session(model := foreign([1, 2], element, nodes, outputs), default_spec(model)) as session:
        assert [TensorSpec("x", "float32", [1, 2])] == session.inputs
        np.testing.assert_array_equal([[1, 9]], session.run(x))
        session.bind(x)()
        assert [output.tolist() for output in bindings[0].copy_outputs_to_cpu()] == [[[1, 9]], [[2, 6]]]


def test_open_dimensions_have_a_word() -> None:
    """A dimension that is open and has no name is told from one of a known size."""
    model = doubling([None, 2], onnx.TensorProto.FLOAT)  # type: ignore[list-item]
    with open_session(model, default_spec(model)) as session:
        assert session.inputs[0].shape == ["open", 2]


def test_input_that_does_not_fit() -> None:
    """An input of another shape or type is bad input, with both named, in a plain and in a bound run."""
    model = doubling([2, 3], onnx.TensorProto.FLOAT)
    with open_session(model, default_spec(model)) as session:
        for x in (np.zeros((5, 3), np.float32), np.zeros((2, 3), np.int64)):
            for act in (session.run, session.bind):
                with pytest.raises(
                    BadInput, match=rf"onnxruntime cannot run foreign.onnx on {x.dtype}\[., 3\]: "
                ) as info:
                    act(x)
                assert "\n" not in str(info.value)
