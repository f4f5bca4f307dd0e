"""Compact networks: what they are made of, and that integer kernels take all of it."""

import dataclasses
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from edgefashion import export, quantize  # noqa: E402 - after the skip
from edgefashion.artifact import Artifact, from_content, stamp_checkpoint  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.files import atomic_write  # noqa: E402
from edgefashion.models import Classifier, build, compact, count_parameters  # noqa: E402
from edgefashion.models.checkpoint import weights_of  # noqa: E402
from edgefashion.models.compact import CompactNet, ConvBlock  # noqa: E402
from edgefashion.records import Architecture, Manifest, Parity  # noqa: E402
from edgefashion.train.learner import Learner  # noqa: E402
from edgefashion.train.loop import train_epoch  # noqa: E402
from edgefashion.train.losses import Lessons  # noqa: E402
from edgefashion.verify import Limits  # noqa: E402

SHAPE = (28, 28)

widths_of = st.lists(st.integers(1, 6), min_size=1, max_size=4)


def network(widths: list[int], depths: list[int], *, seed: int = 0, **settings: Any) -> CompactNet:
    """A fresh network for pictures of 28×28 and ten classes."""
    torch.manual_seed(seed)
    return compact.build({"widths": widths, "depths": depths, **settings}, SHAPE, 10)


def numbers(*shape: int, seed: int = 0) -> "torch.Tensor":
    """Any values."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def settled(block: ConvBlock) -> ConvBlock:
    """A block whose batch-norm has statistics and biases unlike those of the beginning."""
    channels = len(block.norm.bias)
    block.norm.running_mean, block.norm.running_var = numbers(channels, seed=1), numbers(channels, seed=2).abs() + 0.1
    block.norm.bias.data = numbers(channels, seed=3)
    return block


# Shapes


@effort(max_examples=25)
@given(widths=widths_of, strided=st.booleans(), data=st.data())
def test_each_stage_halves_the_picture_once(widths: list[int], strided: bool, data: st.DataObject) -> None:
    """A stage's first convolution halves the resolution and gives its width; the others keep both."""
    depths = data.draw(st.lists(st.integers(1, 3), min_size=len(widths), max_size=len(widths)))
    x = torch.zeros(2, 1, *SHAPE)
    model = network(widths, depths, strided=strided).eval()
    blocks = iter(model.features)
    for stage, (width, depth) in enumerate(zip(widths, depths, strict=True), start=1):
        for _ in range(depth):
            x = next(blocks)(x)
            assert (2, width, 28 >> stage, 28 >> stage) == tuple(x.shape)
    assert next(blocks, None) is None
    assert tuple(model(torch.zeros(2, 1, *SHAPE)).shape) == (2, 10)


@effort(max_examples=25)
@given(widths=widths_of, strided=st.booleans(), data=st.data())
def test_parameters_are_those_of_the_drawing(widths: list[int], strided: bool, data: st.DataObject) -> None:
    """Nine weights a pair of channels, 25 in a strided beginning, a fixed scale and a bias each, the linear layer."""
    depths = data.draw(st.lists(st.integers(1, 3), min_size=len(widths), max_size=len(widths)))
    channels = [1, *(width for width, depth in zip(widths, depths, strict=True) for _ in range(depth))]
    kernels = sum(9 * before * after for before, after in pairwise(channels))
    kernels += (25 - 9) * widths[0] if strided else 0
    linear = 10 * (channels[-1] + 1)
    model = network(widths, depths, strided=strided)
    assert kernels + 2 * sum(channels[1:]) + linear == count_parameters(model)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    assert kernels + sum(channels[1:]) + linear == trained


@pytest.mark.parametrize(
    ("widths", "depths", "strided", "expected"),
    [([16, 32], [1, 3], False, 23_738), ([32, 64], [1, 1], False, 19_562), ([16, 24], [1, 2], True, 9_418)],
)
def test_parameter_counts(widths: list[int], depths: list[int], strided: bool, expected: int) -> None:
    """Some counts, computed by hand."""
    assert expected == count_parameters(network(widths, depths, strided=strided))


def test_strided_beginning() -> None:
    """Strided, the first convolution alone is 5×5, moves by two pixels from the corner on, and needs no pooling."""
    first, second, third = network([4, 8], [2, 1], strided=True).features
    assert [block.conv.kernel_size for block in (first, second, third)] == [(5, 5), (3, 3), (3, 3)]
    assert [block.conv.stride for block in (first, second, third)] == [(2, 2), (1, 1), (1, 1)]
    assert [isinstance(block.pool, torch.nn.MaxPool2d) for block in (first, second, third)] == [False, False, True]
    x, kernel = numbers(1, 1, 28, 28), first.conv.weight.detach()
    expected = (x[0, 0, 2:7, 6:11] * kernel[:, 0]).sum((1, 2))  # around row 4 and column 8
    torch.testing.assert_close(expected, first.conv(x)[0, :, 2, 4].detach())


@pytest.mark.parametrize("shape", [(5, 24), (24, 5), (4, 4)])
def test_other_picture_sizes_and_classes(shape: tuple[int, int], sample: Dataset) -> None:
    """Picture size and number of classes come from the data; the mean takes whatever positions are left."""
    architecture = Architecture("compact", {"widths": [4, 8], "depths": [1, 1]})
    model = build(architecture, image_shape=shape, classes=3, preprocessing=sample.preprocessing).eval()
    assert tuple(model(torch.zeros(2, *shape, dtype=torch.uint8)).shape) == (2, 3)


@pytest.mark.parametrize("shape", [(3, 24), (24, 3)])
def test_pictures_too_small(shape: tuple[int, int]) -> None:
    """A picture whose shorter side would be halved away is refused."""
    with pytest.raises(ValueError, match="cannot be halved 2 times"):
        compact.build({"widths": [4, 8], "depths": [1, 1]}, shape, 10)


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"widths": [4, 8], "depths": [1]}, ValueError, "must be as many, and at least one"),
        ({"widths": [], "depths": []}, ValueError, "must be as many, and at least one"),
        ({"widths": [0], "depths": [1]}, ValueError, "widths and depths are positive"),
        ({"widths": [4], "depths": [0]}, ValueError, "widths and depths are positive"),
        ({"widths": [4, -8], "depths": [1, 1]}, ValueError, "widths and depths are positive"),
        ({"widths": [4], "depths": [1], "dropout": 1.0}, ValueError, "dropout is from 0 to below 1"),
        ({"widths": [4], "depths": [1], "dropout": -0.1}, ValueError, "dropout is from 0 to below 1"),
        ({"widths": [4], "depths": [1], "dropout": float("nan")}, ValueError, "dropout is from 0 to below 1"),
        ({"widths": [4] * 5, "depths": [1] * 5}, ValueError, r"\(28, 28\) cannot be halved 5 times"),
        ({"widths": 4, "depths": [1]}, TypeError, "lists of integers"),
        ({"widths": [4], "depths": 1}, TypeError, "lists of integers"),
        ({"widths": [4], "depths": [1], "dropout": "0.1"}, TypeError, "dropout is a number"),
        ({"widths": [4], "depths": [1], "strided": 1}, TypeError, "strided is true or false"),
        ({"depths": [1]}, KeyError, "widths"),
    ],
)
def test_bad_settings(settings: dict[str, Any], error: type[Exception], message: str) -> None:
    """Settings that describe no network are refused with what is wrong about them."""
    with pytest.raises(error, match=message):
        compact.build(settings, SHAPE, 10)


def test_misspelt_settings() -> None:
    """A setting that no network has is refused rather than left without effect."""
    with pytest.raises(ValueError, match="unknown settings: droput"):
        compact.build({"widths": [4], "depths": [1], "droput": 0.1}, SHAPE, 10)


# Values


def test_initial_convolutions_pass_the_picture_on() -> None:
    """An untrained convolution of several channels hands each on as it is, and adds others of its own."""
    torch.manual_seed(0)
    x = numbers(2, 4, 9, 9)
    wider, same, narrower = (ConvBlock(4, width, pool=False).conv(x).detach() for width in (6, 4, 3))
    assert torch.equal(x, wider[:, :4])
    assert torch.equal(x, same)
    assert torch.equal(x[:, :3], narrower)
    assert not torch.allclose(wider[:, 4], wider[:, 5])
    assert float(wider[:, 4:].std()) > 0.1


@pytest.mark.parametrize("strided", [False, True])
def test_first_convolution_looks_for_something(strided: bool) -> None:
    """A convolution of one channel starts at random: copies of the picture would be of no use."""
    torch.manual_seed(0)
    weight = ConvBlock(1, 8, pool=not strided, strided=strided).conv.weight.detach()
    assert int((weight != 0).sum()) == weight.numel()
    assert len({tuple(kernel.flatten().tolist()) for kernel in weight}) == 8


@pytest.mark.parametrize("pool", [True, False])
def test_pooling_commutes_with_norm_and_relu(pool: bool) -> None:
    """With the same statistics, pooling first, as in training, and last, as exported, give the same bits."""
    torch.manual_seed(1)
    block, x = settled(ConvBlock(3, 5, pool=pool)), numbers(4, 3, 14, 14)
    block.train()
    block.norm.eval()
    first = block(x)
    last = block.eval()(x)
    assert torch.equal(first, last)
    side = 7 if pool else 14
    assert (4, 5, side, side) == tuple(last.shape)
    assert 0 < float((last == 0).double().mean()) < 1


def test_evaluation_is_norm_then_relu_then_pooling() -> None:
    """In evaluation a block is convolution, batch-norm, ReLU and the maximum of 2×2, by hand."""
    torch.manual_seed(1)
    block, x = settled(ConvBlock(3, 5, pool=True)).eval(), numbers(4, 3, 14, 14)
    mean, variance, bias = (
        values.detach().view(1, 5, 1, 1)
        for values in (block.norm.running_mean, block.norm.running_var, block.norm.bias)
    )
    normal = (block.conv(x) - mean) / (variance + block.norm.eps) ** 0.5 + bias
    expected = normal.clamp(min=0).view(4, 5, 7, 2, 7, 2).amax((3, 5))
    torch.testing.assert_close(expected, block(x))


def test_statistics_are_those_of_pooled_values() -> None:
    """In training, batch-norm sees what pooling leaves: its running mean moves to the mean of maxima."""
    torch.manual_seed(1)
    block, x = ConvBlock(3, 5, pool=True).train(), numbers(4, 3, 14, 14)
    expected = block.conv(x).view(4, 5, 7, 2, 7, 2).amax((3, 5)).mean((0, 2, 3))
    y = block(x)
    torch.testing.assert_close(block.norm.momentum * expected, block.norm.running_mean)
    assert float(y.detach().min()) == 0


def test_dropout_is_for_training() -> None:
    """Dropout leaves out a share of the means in a training step, and nothing in evaluation."""
    x = numbers(64, 1, *SHAPE)
    for dropout in (0.0, 0.5):
        model = network([4], [1], dropout=dropout)
        model.classify = torch.nn.Identity()  # type: ignore[assignment]
        means, again = model.train()(x).detach(), model(x).detach()
        assert (dropout == 0) == torch.equal(means, again)
        assert pytest.approx(dropout, abs=0.1) == float((means == 0).double().mean())
        model.eval()
        assert torch.equal(model(x), model(x))
        assert int((model(x) == 0).sum()) == 0


def test_seed_decides_the_weights() -> None:
    """The same seed gives the same network, another seed another."""
    first, again, other = (weights_of(network([4, 8], [1, 1], seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


# On a device


@dataclasses.dataclass(frozen=True)
class Shipped:
    """A compact network exported, quantized, and what the quantized one was kept for."""

    model: Classifier
    fp32: Artifact
    int8: Artifact
    parity: Parity


@pytest.fixture(scope="module")
def shipped(sample: Dataset, manifest: Manifest, tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    """Two stages, three convolutions, trained until the classes stand apart."""
    pytest.importorskip("onnx")
    architecture = Architecture("compact", {"widths": [4, 8], "depths": [1, 2], "dropout": 0.1, "strided": True})
    recipe = msgspec.structs.replace(
        manifest.recipe,
        optimizer="muon",
        learning_rate=0.08,
        side_learning_rate=0.05,
        batch_size=32,
        schedule="one-cycle",
        warm_up=0.2,
    )
    torch.manual_seed(0)
    model = build(architecture, image_shape=SHAPE, classes=10, preprocessing=sample.preprocessing)
    lessons = Lessons(torch.tensor(sample.train.pixels), torch.tensor(sample.train.labels, dtype=torch.int64))
    learner = Learner(recipe, model, steps=100, precision="float32")
    for epoch in (1, 2):
        train_epoch(learner, lambda images: images, lessons, epoch=epoch, step_done=lambda _done, _loss: None)
    described = msgspec.structs.replace(
        manifest, architecture=architecture, recipe=recipe, parameters=count_parameters(model)
    )
    content = stamp_checkpoint(weights_of(model), described)
    path = atomic_write(tmp_path_factory.mktemp("compact") / "checkpoint.safetensors", content)
    fp32, _ = export.to_onnx(from_content(content, path), sample)
    int8, parity = quantize.apply(fp32, "static", sample, limits=Limits(min_agreement=0.9))
    return Shipped(model.eval(), fp32, int8, parity)


def operators(content: bytes) -> list[str]:
    """The operators of a model, in the order they run."""
    import onnx

    return [node.op_type for node in onnx.load_model_from_string(content).graph.node]


def optimized(artifact: Artifact, folder: Path) -> list[str]:
    """The operators that ONNX Runtime makes of a model."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3  # that the file is for this machine only is what it is written for
    onnxruntime.InferenceSession(artifact.content, options, providers=["CPUExecutionProvider"])
    return operators((folder / "optimized.onnx").read_bytes())


def test_export_is_convolutions_and_little_else(shipped: Shipped) -> None:
    """Behind the preprocessing come convolutions with ReLU, pooling, a mean and one linear layer; no batch-norm."""
    assert operators(shipped.fp32.content) == [
        *("Unsqueeze", "Cast", "Mul", "Add"),
        *("Conv", "Relu"),  # strided
        *("Conv", "Relu", "MaxPool"),
        *("Conv", "Relu"),
        *("ReduceMean", "Reshape", "Gemm"),
    ]


def test_export_answers_like_the_network(shipped: Shipped, sample: Dataset) -> None:
    """The exported graph, batch-norm folded, gives the network's logits."""
    import onnxruntime

    session = onnxruntime.InferenceSession(shipped.fp32.content, providers=["CPUExecutionProvider"])
    pixels = sample.test.pixels[:100]
    with torch.inference_mode():
        expected = shipped.model(torch.tensor(pixels)).numpy()
    np.testing.assert_allclose(session.run(None, {"images": pixels})[0], expected, atol=1e-4)


def test_int8_runs_in_integer_kernels(shipped: Shipped, tmp_path: Path) -> None:
    """Quantized, every convolution with its ReLU and the linear layer become one integer kernel each."""
    found = optimized(shipped.int8, tmp_path)
    assert (found.count("QLinearConv"), found.count("QGemm")) == (3, 1)
    assert {"Conv", "FusedConv", "Relu", "Gemm", "FusedGemm", "MatMul"}.isdisjoint(found)
    assert sum("MaxPool" in operator for operator in found) == 1


def test_int8_decides_alike(shipped: Shipped) -> None:
    """Eight bits change few decisions and no logit by much: the network has learned, and stays what it learned."""
    parity = shipped.parity
    assert parity.reference_quality.accuracy > 0.5
    assert parity.agreement > 0.95
    assert 0 < parity.max_abs < 0.2 * parity.max_reference_logit
