"""What every quantization scheme must do, built in or added."""

import dataclasses
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from edgefashion import quantize
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset, Images
from edgefashion.errors import CheckFailed, UsageError
from edgefashion.quantize import SCHEMES, calibration_images, static
from edgefashion.quantize.settings import recorded
from edgefashion.runtimes import default_spec, open_session
from edgefashion.verify import Limits

pytest.importorskip("torch")
pytest.importorskip("onnx")

LENIENT = Limits(min_agreement=0.9)

each_scheme = pytest.mark.parametrize("scheme", SCHEMES.names())


def apply(artifact: Artifact, scheme: str, data: Dataset, out: Path, **settings: Any) -> Artifact:
    """Quantize with limits that suit so briefly trained a network."""
    kept, _ = quantize.apply(artifact, scheme, data, out=out, limits=LENIENT, **settings)
    return kept


def rows(images: Images) -> set[bytes]:
    """Each picture, to compare sets of pictures."""
    return {pixels.tobytes() for pixels in images.pixels}


def config_of(scheme: str) -> Any:
    """The scheme's default settings, or some that take less time."""
    config = SCHEMES.load(scheme).Config()
    return dataclasses.replace(config, epochs=1, calibration_images=50) if scheme == "qat" else config


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where each scheme's artifact is put once."""
    return tmp_path_factory.mktemp("schemes")


@pytest.fixture
def kept(scheme: str, folder: Path, tiny_run: Path, sample: Dataset) -> Artifact:
    """The tiny run quantized by the scheme; made once, not to be changed."""
    path = folder / f"{scheme}.onnx"
    if path.exists():
        return open_artifact(path)
    return apply(open_artifact(tiny_run / "fp32.onnx"), scheme, sample, path, config=config_of(scheme))


@each_scheme
def test_smaller_and_decides_alike(kept: Artifact, fp32: Artifact, sample: Dataset) -> None:
    """A quantized model is smaller, still takes any number of raw pictures, and gives float32 logits."""
    assert len(kept.content) < 0.75 * len(fp32.content)
    with open_session(kept, default_spec(kept)) as session, open_session(fp32, default_spec(fp32)) as full:
        for batch in (1, 7, 100):
            logits = session.run(sample.test.pixels[:batch])
            assert ((batch, 10), np.float32) == (logits.shape, logits.dtype)
        # Quantization that changed nothing would have quantized nothing.
        assert np.abs(logits - full.run(sample.test.pixels[:100])).max() > 0


@each_scheme
def test_same_bytes_again_and_the_input_stays_as_it_is(
    scheme: str, kept: Artifact, own_run: Path, sample: Dataset
) -> None:
    """The same artifact and settings give the same bytes, beside the artifact, under the variant's name."""
    config = config_of(scheme)
    (own_run / f"{config.variant}.onnx").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in own_run.iterdir()}
    artifact = open_artifact(own_run / "fp32.onnx")
    again, _ = quantize.apply(artifact, scheme, sample, config=config, limits=LENIENT)
    assert own_run / f"{config.variant}.onnx" == again.path
    after = {path.name: path.read_bytes() for path in own_run.iterdir()}
    assert before == {name: content for name, content in after.items() if name != again.path.name}
    assert kept.content == after[again.path.name]


@each_scheme
def test_manifest_says_what_was_done(scheme: str, kept: Artifact, fp32: Artifact) -> None:
    """The manifest names scheme, precision and settings, and keeps where the model comes from."""
    config = config_of(scheme)
    manifest = kept.manifest
    assert (config.variant, config.precision) == (manifest.variant, manifest.precision)
    assert manifest.quantization is not None
    assert (scheme, recorded(config)) == (manifest.quantization.scheme, manifest.quantization.settings)
    assert config.calibration_images == manifest.quantization.calibration_images
    assert (config.calibration_images > 0) == (manifest.quantization.calibration_sha256 is not None)
    assert fp32.manifest.checkpoint_sha256 == manifest.checkpoint_sha256
    assert fp32.manifest.golden != manifest.golden


def test_pictures_follow_the_float_model(
    fp32: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model quantized from one without golden pictures carries none either, unless it is asked to."""
    given: list[bool] = []
    monkeypatch.setattr(quantize, "keep_if_proven", lambda *_, pictures, **__: given.append(pictures) or (fp32, None))
    golden = msgspec.structs.replace(fp32.manifest.golden, pixels="")
    bare = dataclasses.replace(fp32, manifest=msgspec.structs.replace(fp32.manifest, golden=golden))
    for artifact, pictures in ((fp32, None), (bare, None), (fp32, False), (bare, True)):
        quantize.apply(artifact, "weight-only", sample, out=tmp_path / "q.onnx", pictures=pictures)
    assert given == [True, False, False, True]


@each_scheme
def test_config_is_frozen(scheme: str) -> None:
    """A scheme's settings cannot change between their use and their record."""
    config = SCHEMES.load(scheme).Config
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen  # type: ignore[attr-defined]


@pytest.mark.parametrize("existing", [True, False])
def test_unproven_model_is_not_kept(existing: bool, own_run: Path, sample: Dataset) -> None:
    """A model that breaks its limits is not written, and an older one stays."""
    if not existing:
        (own_run / "int8-static.onnx").unlink()
    before = {path.name: path.read_bytes() for path in own_run.iterdir()}
    with pytest.raises(CheckFailed, match=r"int8-static.onnx was not kept: top-1 agreement is"):
        quantize.apply(open_artifact(own_run / "fp32.onnx"), "static", sample, limits=Limits(min_agreement=1.1))
    assert before == {path.name: path.read_bytes() for path in own_run.iterdir()}


@each_scheme
@pytest.mark.parametrize("name", ["int8-static.onnx", "fp16.onnx", "checkpoint.safetensors"])
def test_only_float32_onnx_is_quantized(
    scheme: str, name: str, tiny_run: Path, sample: Dataset, tmp_path: Path
) -> None:
    """What is quantized already, or not exported yet, is refused."""
    with pytest.raises(UsageError, match="quantize a float32 ONNX artifact"):
        apply(open_artifact(tiny_run / name), scheme, sample, tmp_path / "q.onnx")


def test_unknown_scheme(fp32: Artifact, sample: Dataset) -> None:
    """A misspelt scheme is answered with the nearest."""
    with pytest.raises(UsageError, match="unknown quantization scheme 'statik': did you mean 'static'"):
        quantize.apply(fp32, "statik", sample)


# Calibration


def test_calibration_uses_training_pictures_only(sample: Dataset) -> None:
    """Calibration pictures are distinct training pictures; none comes from validation or test."""
    drawn = rows(calibration_images(sample, 500, seed=0))
    assert len(drawn) == 500
    assert drawn <= rows(sample.train)
    assert set() == drawn & (rows(sample.validation) | rows(sample.test))


def test_calibration_is_recorded(fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """The recorded digest is that of the pictures drawn, and another seed draws others."""
    digests = []
    for seed in (0, 1):
        config = static.Config(calibration_images=200, calibration_seed=seed)
        kept = apply(fp32, "static", sample, tmp_path / f"{seed}.onnx", config=config)
        assert kept.manifest.quantization is not None
        assert calibration_images(sample, 200, seed).sha256 == kept.manifest.quantization.calibration_sha256
        digests.append(kept.manifest.quantization.calibration_sha256)
    assert digests[0] != digests[1]


def test_calibration_pictures_decide_the_ranges(fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """Calibrated on black pictures the ranges are wrong, and the proof finds out."""
    black = Images(np.zeros_like(sample.train.pixels), sample.train.labels)
    with pytest.raises(CheckFailed, match="top-1 agreement"):
        apply(fp32, "static", dataclasses.replace(sample, train=black), tmp_path / "q.onnx")


def test_too_many_calibration_pictures(fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """More calibration pictures than there are training pictures is refused by the numbers; all of them is not."""
    with pytest.raises(UsageError, match="1601 calibration pictures were asked for: there are 1600 training pictures"):
        apply(fp32, "static", sample, tmp_path / "q.onnx", config=static.Config(calibration_images=1601))
    assert len(calibration_images(sample, 1600, seed=0)) == 1600


def test_only_calibration_pictures_reach_a_scheme(
    fp32: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a scheme is calibrated with is what was drawn from the training pictures, and nothing else."""
    seen: list[Any] = []
    real = static.apply

    def watched(model: Any, config: static.Config, pixels: Any) -> Any:
        seen.append(pixels)
        return real(model, config, pixels)

    monkeypatch.setattr(static, "apply", watched)
    apply(fp32, "static", sample, tmp_path / "q.onnx", config=static.Config(calibration_images=20))
    np.testing.assert_array_equal(calibration_images(sample, 20, seed=0).pixels, seen[0])
    assert len(seen) == 1
