"""What proving costs: decisions, the certificate, golden pictures, the graph in torch. Run by `nox -s bench`."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from edgefashion import data
from edgefashion.artifact import open_artifact
from edgefashion.records.pictures import pack_pictures, unpack_pictures
from edgefashion.verify.decisions import measure_decisions
from edgefashion.verify.margins import certify

RUN = Path(__file__).parent.parent / "exported" / "seed-reference"
NAMES = [f"class {index}" for index in range(10)]

Logits = NDArray[np.float32]


@pytest.fixture(scope="module")
def pair() -> tuple[Logits, Logits, NDArray[np.uint8]]:
    """Candidate, reference and labels of ten thousand pictures, a few of which flip."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 10, 10_000).astype(np.uint8)
    reference = random.normal(size=(10_000, 10)).astype(np.float32)
    reference[np.arange(10_000), labels] += 3
    candidate = reference + random.normal(scale=0.02, size=reference.shape).astype(np.float32)
    return candidate, reference, labels


def test_decisions_of_ten_thousand_pictures(benchmark, pair) -> None:
    """Every test, interval and calibration figure of one artifact: milliseconds beside the seconds of running it."""
    candidate, reference, labels = pair
    benchmark(measure_decisions, candidate, reference, labels, NAMES)


def test_certificate_of_ten_thousand_pictures(benchmark, pair) -> None:
    """Margins of every picture and the share beyond twice the largest error."""
    candidate, reference, _ = pair
    benchmark(certify, candidate, reference)


def test_golden_pictures_there_and_back(benchmark) -> None:
    """What opening an artifact for its golden pictures adds."""
    pixels = data.load_sample().test.pixels[:10]
    text = pack_pictures(pixels)
    benchmark(unpack_pictures, text, pixels.shape)


@pytest.mark.parametrize("variant", ["fp32", "int8-static"])
def test_five_hundred_pictures_in_torch(benchmark, variant: str) -> None:
    """The exact module: quantized sums go through float64, which is what the search for worst inputs waits for."""
    torch = pytest.importorskip("torch")
    onnx = pytest.importorskip("onnx")
    from edgefashion.models.from_onnx import OnnxModule

    module = OnnxModule(onnx.load_model_from_string(open_artifact(RUN / f"{variant}.onnx").content)).eval()
    pixels = torch.from_numpy(data.load_sample().test.pixels[:500].copy())
    with torch.no_grad():
        benchmark(module, pixels)
