"""Networks: pictures in, logits out."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from edgefashion.artifact import Artifact, from_content, stamp_checkpoint  # noqa: E402 - after the skip
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, UsageError  # noqa: E402
from edgefashion.models import Classifier, build, count_parameters  # noqa: E402
from edgefashion.models.checkpoint import load_model, weights_of  # noqa: E402
from edgefashion.models.seed import ConvBlock  # noqa: E402
from edgefashion.records import Architecture, Manifest  # noqa: E402
from edgefashion.train import RECIPES  # noqa: E402


def fresh(recipe: str, data: Dataset, *, seed: int = 0) -> Classifier:
    """A freshly initialized network of a recipe."""
    torch.manual_seed(seed)
    return build(
        RECIPES[recipe].architecture, image_shape=(28, 28), classes=10, preprocessing=data.preprocessing
    ).eval()


@pytest.mark.parametrize("recipe", ["seed", "seed-wide"])
@pytest.mark.parametrize("batch", [1, 7])
def test_pictures_in_logits_out(recipe: str, batch: int, sample: Dataset) -> None:
    """A network takes bytes as they come from a file and gives finite float32 logits, one row a picture."""
    logits = fresh(recipe, sample)(torch.tensor(sample.test.pixels[:batch]))
    assert (batch, 10) == tuple(logits.shape)
    assert torch.float32 == logits.dtype
    assert torch.isfinite(logits).all()
    # There is no sigmoid or softmax at the end.
    assert not torch.allclose(logits.sum(1), torch.ones(batch))


@pytest.mark.parametrize(("recipe", "expected"), [("seed", 11_562), ("seed-wide", 241_802)])
def test_parameter_counts(recipe: str, expected: int, sample: Dataset) -> None:
    """The presets have the number of parameters that is published for them."""
    assert expected == count_parameters(fresh(recipe, sample))


def test_preprocessing_is_inside(sample: Dataset) -> None:
    """The network behind the first layer sees (pixel / 255 - mean) / std, and the checkpoint holds no copy of it."""
    model = fresh("seed", sample)
    pixels, contract = sample.test.pixels[:9], sample.preprocessing
    normalized = (pixels[:, None].astype(np.float64) / contract.divisor - contract.mean) / contract.std
    expected = model.network(torch.tensor(normalized, dtype=torch.float32))
    torch.testing.assert_close(model(torch.tensor(pixels)), expected, rtol=0, atol=1e-5)
    assert {"scale", "offset"}.isdisjoint(weights_of(model))


def test_relu_and_pooling_commute() -> None:
    """The order of ReLU and pooling differs between training and evaluation, and the values do not."""
    torch.manual_seed(1)
    block = ConvBlock(3, 5)
    x = torch.randn(4, 3, 14, 14)
    assert torch.equal(block.train()(x), block.eval()(x))
    assert tuple(block(x).shape) == (4, 5, 7, 7)


def test_initial_weights_are_xavier(sample: Dataset) -> None:
    """Weights start uniform within Xavier's bound and fill it, biases start at zero."""
    model = fresh("seed-wide", sample)
    for layer in model.modules():
        if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
            receptive = layer.weight[0, 0].numel()
            fan_in, fan_out = layer.weight.shape[1] * receptive, layer.weight.shape[0] * receptive
            bound = math.sqrt(6 / (fan_in + fan_out))
            assert 0.95 * bound < layer.weight.abs().max() <= bound
            assert torch.count_nonzero(layer.bias) == 0


def test_seed_decides_the_weights(sample: Dataset) -> None:
    """The same seed gives the same network, another seed another."""
    first, again, other = (weights_of(fresh("seed", sample, seed=seed)) for seed in (1, 1, 2))
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not all(np.array_equal(first[name], other[name]) for name in first)


def test_unknown_architecture(sample: Dataset) -> None:
    """An architecture that nobody offers is refused with the nearest name."""
    with pytest.raises(UsageError, match="unknown architecture 'sed': did you mean 'seed'"):
        build(Architecture("sed", {}), image_shape=(28, 28), classes=10, preprocessing=sample.preprocessing)


def test_other_picture_sizes_and_classes(sample: Dataset) -> None:
    """Picture size and number of classes come from the data, not from constants."""
    architecture = RECIPES["seed"].architecture
    model = build(architecture, image_shape=(16, 24), classes=3, preprocessing=sample.preprocessing).eval()
    assert tuple(model(torch.zeros(2, 16, 24, dtype=torch.uint8)).shape) == (2, 3)


# Checkpoints


def test_checkpoint_gives_the_same_network(checkpoint: Artifact, sample: Dataset, manifest: Manifest) -> None:
    """Weights survive a checkpoint bit for bit, batch-norm's statistics among them."""
    model = load_model(checkpoint).eval()
    content = stamp_checkpoint(weights_of(model), manifest)
    again = load_model(from_content(content, checkpoint.path)).eval()
    pixels = torch.tensor(sample.test.pixels[:50])
    assert torch.equal(model(pixels), again(pixels))
    assert "network.norm.running_mean" in weights_of(model)


def test_onnx_is_no_checkpoint(fp32: Artifact) -> None:
    """An exported model is not taken for a checkpoint."""
    with pytest.raises(BadInput, match=r"fp32\.onnx is an ONNX model: expected a checkpoint\.safetensors"):
        load_model(fp32)


def test_weights_that_do_not_fit(checkpoint: Artifact, manifest: Manifest) -> None:
    """A checkpoint whose weights are another network's is refused."""
    weights = weights_of(load_model(checkpoint))
    weights["network.classify.bias"] = np.zeros(11, np.float32)
    with pytest.raises(BadInput, match="its weights do not fit seed"):
        load_model(from_content(stamp_checkpoint(weights, manifest), checkpoint.path))
