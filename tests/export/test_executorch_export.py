"""Programs for ExecuTorch: proven before they are kept, calibrated on training pictures, the same bytes each time."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from places import moved

torch = pytest.importorskip("torch")

from edgefashion import environment  # noqa: E402 - after the skip
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import convert  # noqa: E402
from edgefashion.export import executorch as converter  # noqa: E402
from edgefashion.models import Classifier  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.quantize import calibration_images  # noqa: E402
from edgefashion.quantize.static import Config  # noqa: E402
from edgefashion.records import Precision  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.verify import Limits  # noqa: E402

needs_executorch = pytest.mark.skipif(
    find_spec("executorch") is None, reason="needs executorch: pip install 'edgefashion[executorch]'"
)
# So little training leaves small margins; what quantization does to them is not what these tests are about.
LOOSE = Limits(min_agreement=0.9)


@pytest.fixture(scope="module")
def few(sample: Dataset) -> Dataset:
    """Fifty test pictures."""
    return dataclasses.replace(sample, test=sample.test.take(np.arange(50)))


@pytest.fixture(scope="module")
def int8(tiny_run: Path, few: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The tiny run's checkpoint in 8 bits, as written to a folder of its own."""
    source = moved(open_artifact(tiny_run / "checkpoint.safetensors"), tmp_path_factory.mktemp("executorch"))
    convert("executorch", source, few, precision="int8", limits=LOOSE)
    return open_artifact(source.path.with_name("executorch-int8.pte"))


def test_without_executorch(own_run: Path, few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without executorch the format is refused before any work, with what installs it."""
    monkeypatch.setattr(environment, "find_spec", lambda name: None if name == "executorch" else find_spec(name))
    monkeypatch.setattr(converter, "load_model", lambda _: pytest.fail("it began to work"))
    words = (
        r"^exporting to executorch needs executorch, which is not installed: pip install 'edgefashion\[executorch\]'$"
    )
    with pytest.raises(NotAvailable, match=words):
        convert("executorch", open_artifact(own_run / "checkpoint.safetensors"), few)
    assert [*own_run.glob("executorch*")] == []


def test_no_float16(own_run: Path, few: Dataset) -> None:
    """There is no float16 program."""
    with pytest.raises(UsageError, match="executorch is written in float32 and int8: not in float16"):
        convert("executorch", open_artifact(own_run / "checkpoint.safetensors"), few, precision="float16")


@needs_executorch
def test_only_checkpoints_are_converted(fp32: Artifact, few: Dataset, tmp_path: Path) -> None:
    """An exported model is not what programs are made from."""
    with pytest.raises(BadInput, match=r"expected a checkpoint\.safetensors"):
        convert("executorch", moved(fp32, tmp_path), few)


@needs_executorch
def test_too_few_training_pictures(checkpoint: Artifact, few: Dataset, tmp_path: Path) -> None:
    """Calibration with fewer pictures than its settings say is refused; test pictures never fill the gap."""
    poor = dataclasses.replace(few, train=few.train.take(np.arange(100)))
    with pytest.raises(UsageError, match="1000 calibration pictures were asked for: there are 100 training pictures"):
        convert("executorch", moved(checkpoint, tmp_path), poor, precision="int8")
    assert list(tmp_path.iterdir()) == []


@needs_executorch
@pytest.mark.slow
def test_manifest_of_integers(int8: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """The manifest says what it was made from, how, with what, and with which training pictures."""
    manifest, quantization = int8.manifest, int8.manifest.quantization
    calibration = calibration_images(sample, Config.calibration_images, Config.calibration_seed)
    assert (manifest.format, manifest.variant, manifest.precision) == ("executorch", "executorch-int8", "int8")
    assert checkpoint.sha256 == manifest.checkpoint_sha256
    assert {"torch", "executorch", "torchao"} <= manifest.versions.keys()
    assert quantization is not None
    assert ("pt2e", 1000, calibration.sha256) == (
        quantization.scheme,
        quantization.calibration_images,
        quantization.calibration_sha256,
    )


@needs_executorch
@pytest.mark.slow
def test_integers_are_smaller_and_near(int8: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """Weights take a quarter of their bytes, answers move, and decisions stay."""
    pixels = sample.test.pixels[:200]
    with open_session(checkpoint, default_spec(checkpoint)) as session:
        expected = session.run(pixels)
    with open_session(int8, default_spec(int8)) as session:
        logits = run_all(session, pixels)
    weights = 4 * checkpoint.manifest.parameters
    assert weights / 4 < int8.size_bytes < weights
    assert 0 < np.abs(expected - logits).max() < 0.2 * np.abs(expected).max()
    assert np.mean(expected.argmax(1) == logits.argmax(1)) > 0.95


@needs_executorch
@pytest.mark.slow
def test_normalization_stays_float32(checkpoint: Artifact, sample: Dataset) -> None:
    """Pictures reach the quantized network as bright as they are: the factor before it is not rounded."""
    before = load_model(checkpoint).eval()
    calibration = calibration_images(sample, 100, 0)
    after = converter._quantized(load_model(checkpoint).eval(), calibration)
    assert isinstance(after, Classifier)
    seen: list[torch.Tensor] = []
    for model in (before, after):
        model.network.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        with torch.no_grad():
            model(torch.tensor(sample.test.pixels[: converter.MAX_BATCH]))
    torch.testing.assert_close(seen[0], seen[1], rtol=0, atol=0)


@needs_executorch
@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_same_bytes_again(precision: Precision, checkpoint: Artifact, few: Dataset, tmp_path: Path) -> None:
    """The same checkpoint gives the same bytes, wherever they are written, without a path of this machine."""
    folders = [tmp_path / "here", tmp_path / "deep" / "down"]
    first, second = (
        convert("executorch", moved(checkpoint, folder), few, precision=precision, limits=LOOSE)[0]
        for folder in folders
    )
    assert first.content == second.content == second.path.read_bytes()
    assert first.manifest == second.manifest
    for place in (b"/tmp", b"/home", b"/root", b"site-packages", str(Path.cwd()).encode()):
        assert place not in first.content


@needs_executorch
@pytest.mark.slow
def test_damaged_program_is_not_kept(
    checkpoint: Artifact, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network with one weight off fails the proof: nothing is written."""

    def damaged(artifact: Artifact) -> Classifier:
        model = load_model(artifact)
        with torch.no_grad():
            model.network.get_parameter("classify.bias")[0] += 0.01
        return model

    monkeypatch.setattr(converter, "load_model", damaged)
    with pytest.raises(CheckFailed, match="was not kept: largest logit difference"):
        convert("executorch", moved(checkpoint, tmp_path), few)
    assert list(tmp_path.iterdir()) == []
