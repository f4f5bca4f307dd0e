"""What every quantization scheme must do, built in or added."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from edgefashion import quantize  # noqa: E402 - after the skips
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset, Images  # noqa: E402
from edgefashion.errors import CheckFailed, UsageError  # noqa: E402
from edgefashion.quantize import SCHEMES, calibration_images, static  # noqa: E402
from edgefashion.runtimes import default_spec, open_session  # noqa: E402
from edgefashion.verify import Limits  # noqa: E402

LENIENT = Limits(min_agreement=0.9)

each_scheme = pytest.mark.parametrize("scheme", SCHEMES.names())


def apply(artifact: Artifact, scheme: str, data: Dataset, out: Path, **settings: Any) -> Artifact:
    """Quantize with limits that suit so briefly trained a network."""
    kept, _ = quantize.apply(artifact, scheme, data, out=out, limits=LENIENT, **settings)
    return kept


def rows(images: Images) -> set[bytes]:
    """Each picture, to compare sets of pictures."""
    return {pixels.tobytes() for pixels in images.pixels}


@each_scheme
def test_smaller_and_decides_alike(scheme: str, fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """A quantized model is smaller, still takes any number of raw pictures, and gives float32 logits."""
    kept = apply(fp32, scheme, sample, tmp_path / "q.onnx")
    assert len(kept.content) < 0.75 * len(fp32.content)
    with open_session(kept, default_spec(kept)) as session, open_session(fp32, default_spec(fp32)) as full:
        for batch in (1, 7, 100):
            logits = session.run(sample.test.pixels[:batch])
            assert ((batch, 10), np.float32) == (logits.shape, logits.dtype)
        # Quantization that changed nothing would have quantized nothing.
        assert np.abs(logits - full.run(sample.test.pixels[:100])).max() > 0


@each_scheme
def test_input_stays_as_it_is(scheme: str, own_run: Path, sample: Dataset) -> None:
    """The artifact given is neither changed nor replaced; the new one lies beside it under its variant's name."""
    config = SCHEMES.load(scheme).Config()
    (own_run / f"{config.variant}.onnx").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in own_run.iterdir()}
    artifact = open_artifact(own_run / "fp32.onnx")
    kept, _ = quantize.apply(artifact, scheme, sample, limits=LENIENT)
    assert own_run / f"{config.variant}.onnx" == kept.path
    after = {path.name: path.read_bytes() for path in own_run.iterdir()}
    assert before == {name: content for name, content in after.items() if name != kept.path.name}
    assert kept.content == after[kept.path.name]


@each_scheme
def test_same_bytes_again(scheme: str, fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """The same artifact and settings give the same bytes."""
    first, again = (apply(fp32, scheme, sample, tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert first.content == again.content


@each_scheme
def test_manifest_says_what_was_done(scheme: str, fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """The manifest names scheme, precision and settings, and keeps where the model comes from."""
    config = SCHEMES.load(scheme).Config()
    manifest = apply(fp32, scheme, sample, tmp_path / "q.onnx").manifest
    assert (config.variant, config.precision) == (manifest.variant, manifest.precision)
    assert manifest.quantization is not None
    assert (scheme, dataclasses.asdict(config)) == (manifest.quantization.scheme, manifest.quantization.settings)
    assert config.calibration_images == manifest.quantization.calibration_images
    assert (config.calibration_images > 0) == (manifest.quantization.calibration_sha256 is not None)
    assert fp32.manifest.checkpoint_sha256 == manifest.checkpoint_sha256
    assert fp32.manifest.golden != manifest.golden


@each_scheme
def test_config_is_frozen(scheme: str) -> None:
    """A scheme's settings cannot change between their use and their record."""
    config = SCHEMES.load(scheme).Config
    assert dataclasses.is_dataclass(config)
    assert config.__dataclass_params__.frozen  # type: ignore[attr-defined]


@each_scheme
@pytest.mark.parametrize("existing", [True, False])
def test_unproven_model_is_not_kept(scheme: str, existing: bool, own_run: Path, sample: Dataset) -> None:
    """A model that breaks its limits is not written, and an older one stays."""
    variant = SCHEMES.load(scheme).Config().variant
    if not existing:
        (own_run / f"{variant}.onnx").unlink(missing_ok=True)
    before = {path.name: path.read_bytes() for path in own_run.iterdir()}
    with pytest.raises(CheckFailed, match=f"{variant}.onnx was not kept: top-1 agreement is"):
        quantize.apply(open_artifact(own_run / "fp32.onnx"), scheme, sample, limits=Limits(min_agreement=1.1))
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
    with pytest.raises(UsageError, match="1601 calibration pictures were asked for: fashion-mnist-sample has 1600"):
        apply(fp32, "static", sample, tmp_path / "q.onnx", config=static.Config(calibration_images=1601))
    assert len(calibration_images(sample, 1600, seed=0)) == 1600


@pytest.mark.parametrize(
    "config",
    [
        static.Config(activations="int8", calibration_images=100),
        static.Config(per_channel=False, calibration_images=100),
        static.Config(method="percentile", calibration_images=100),
    ],
)
def test_static_settings_change_the_model(
    config: static.Config, fp32: Artifact, sample: Dataset, tmp_path: Path
) -> None:
    """Each setting of the static scheme reaches the quantizer."""
    plain = apply(fp32, "static", sample, tmp_path / "a.onnx", config=static.Config(calibration_images=100))
    other = apply(fp32, "static", sample, tmp_path / "b.onnx", config=config)
    models = [onnx.load_model_from_string(found.content) for found in (plain, other)]
    assert models[0].graph.SerializeToString() != models[1].graph.SerializeToString()
