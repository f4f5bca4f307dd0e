"""Modules and nodes are brought together whatever a network does: branches, modules called twice, in-place ones."""

import msgspec
import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("onnx")

from torch import nn  # noqa: E402 - after the check that it is here

from edgefashion.data import Dataset  # noqa: E402
from edgefashion.export.onnx import DEFAULT_OPSET, _trace  # noqa: E402
from edgefashion.models import Classifier  # noqa: E402
from edgefashion.records import Manifest  # noqa: E402
from edgefashion.verify.locate.graph import Graph, exposing  # noqa: E402
from edgefashion.verify.locate.modules import module_counterparts  # noqa: E402
from edgefashion.verify.locate.running import run  # noqa: E402


class Block(nn.Module):
    """A branch around a convolution; one activation serves twice and writes over what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)
        self.again = nn.Conv2d(2, 2, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.relu(self.norm(self.conv(x)))
        return self.relu(self.again(y) + x)


class Network(nn.Module):
    """Functions before, between and after modules."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 2, 4, stride=4), nn.Identity())
        self.block = Block()
        self.norm = nn.BatchNorm2d(2)
        self.drop = nn.Dropout()
        self.classify = nn.Linear(2 * 7 * 7, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.norm(self.block(torch.tanh(self.stem(x))))
        return torch.log_softmax(self.classify(self.drop(x.flatten(1))), dim=1)


@pytest.fixture(scope="module")
def model(manifest: Manifest) -> Classifier:
    """The network with weights that no module leaves as they are."""
    torch.manual_seed(0)
    model = Classifier(Network(), manifest.preprocessing)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 2)
            nn.init.uniform_(module.running_mean, -1, 1)
    return model.eval()


@pytest.fixture(scope="module")
def graph(model: Classifier, manifest: Manifest) -> Graph:
    """Its export."""
    return Graph(_trace(model, msgspec.structs.replace(manifest, format="onnx"), DEFAULT_OPSET))


def test_every_pair_holds_the_same_values(
    model: Classifier, graph: Graph, manifest: Manifest, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What names and order bring together is equal in a sound export, and few tensors are left alone."""
    monkeypatch.setattr("edgefashion.models.checkpoint.load_model", lambda _: model)
    images = sample.test.pixels[:4]
    found = module_counterparts(graph, manifest, images)
    values = run(exposing(graph, [cut.tensor for cut in found.cuts]), {graph.input: images})
    assert [cut for cut in found.cuts if not np.allclose(values[cut.tensor], cut.values, rtol=0, atol=1e-5)] == []
    names = {cut.tensor: cut.reference for cut in found.cuts}
    assert {
        "preprocessing/Add": "input of stem.0",
        "stem.0/Conv": "output of stem.1",
        "network/Tanh": "input of block.conv",
        "block.conv/Conv": "output of block.norm",
        "block.relu/Relu": "output of block.relu",
        "block.again/Conv": "output of block.again",
        "block/Add": "input of block.relu",
        "block.relu/Relu_2": "output of block.relu",
        "classify/Gemm": "output of classify",
        "logits": "output of network",
    }.items() <= names.items()
    assert found.reference_only == ["stem.0", "block.conv", "drop"]
