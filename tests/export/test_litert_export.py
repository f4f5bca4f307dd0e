"""Models for LiteRT and TFLite Micro: proven before they are kept, and the same decisions as ONNX Runtime's int8."""

import dataclasses
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from places import moved
from tflite_networks import HEIGHT, WIDTH, network

torch = pytest.importorskip("torch")

import edgefashion.export.litert as converter  # noqa: E402 - after the skip
from edgefashion import environment, runs  # noqa: E402
from edgefashion.artifact import Artifact, open_artifact, sidecar_of  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import convert  # noqa: E402
from edgefashion.export.litert_graph import finished  # noqa: E402
from edgefashion.records import SessionSpec  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.runtimes.tflite_micro import arena_bytes  # noqa: E402
from edgefashion.verify import Limits, ReferenceLogits, from_artifact  # noqa: E402

MISSING = [name for name in ("litert_torch", "ai_edge_quantizer", "ai_edge_litert") if find_spec(name) is None]
needs_converter = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {', '.join(MISSING)}: pip install 'edgefashion[litert-export]'"
)
needs_micro = pytest.mark.skipif(find_spec("tflite_micro") is None, reason="needs tflite-micro")

# So little training leaves small margins; what quantizing does to them is not what most of these tests are about.
LENIENT = Limits(min_agreement=0.9)


@pytest.fixture(scope="module")
def few(sample: Dataset) -> Dataset:
    """A hundred test pictures to prove models on, and all pictures to calibrate on."""
    return dataclasses.replace(sample, test=sample.test.take(np.arange(100)))


@pytest.fixture(scope="module")
def reference(tiny_run: Path, few: Dataset) -> ReferenceLogits:
    """PyTorch's logits."""
    return from_artifact(open_artifact(tiny_run / "checkpoint.safetensors"), few)


@pytest.fixture(scope="module")
def models(
    tiny_run: Path, few: Dataset, reference: ReferenceLogits, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The tiny run's checkpoint in both precisions, as written to a folder of their own."""
    source = moved(open_artifact(tiny_run / "checkpoint.safetensors"), tmp_path_factory.mktemp("litert"))
    made = {}
    for precision in converter.PRECISIONS:
        limits = LENIENT if precision == "int8" else None
        written, _ = convert("litert", source, few, precision=precision, reference=reference, limits=limits)
        made[precision] = open_artifact(written.path)
    return made


def logits(artifact: Artifact, pixels: NDArray[np.uint8], runtime: str = "", **options: str) -> NDArray[np.float32]:
    """What a model answers, one picture a call, by default in the runtime that opens it first."""
    spec = SessionSpec(runtime, "cpu", options=options) if runtime else default_spec(artifact)
    with open_session(artifact, spec) as session:
        return run_all(session, pixels)


def agreement(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of pictures that are decided alike."""
    return float((one.argmax(axis=1) == other.argmax(axis=1)).mean())


def operations(artifact: Artifact) -> list[tuple[str, str]]:
    """Kind, and type of the first input, of every operation in the file."""
    with open_session(artifact, SessionSpec("litert", "cpu", options={"kernels": "built-in"})) as session:
        listed: list[dict[str, Any]] = session._operations  # type: ignore[attr-defined]
    return [(each["op_name"], each["operand_types"][0].__name__) for each in listed]


def test_without_the_converter(own_run: Path, few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the format is refused before any work, with what installs them."""
    if not MISSING:
        gone = {"litert_torch", "ai_edge_quantizer"}
        monkeypatch.setattr(environment, "find_spec", lambda name: None if name in gone else find_spec(name))
    monkeypatch.setattr(converter, "load_model", lambda _: pytest.fail("it began to work"))
    words = r"needs .*litert_torch, ai_edge_quantizer.* not installed: pip install 'edgefashion\[litert-export\]'$"
    with pytest.raises(NotAvailable, match=words):
        convert("litert", open_artifact(own_run / "checkpoint.safetensors"), few)
    assert [*own_run.glob("litert*")] == []


def test_no_float16(own_run: Path, few: Dataset) -> None:
    """There are two forms and no third."""
    with pytest.raises(UsageError, match="litert is written in float32 and int8: not in float16"):
        convert("litert", open_artifact(own_run / "checkpoint.safetensors"), few, precision="float16")


@needs_converter
def test_float32_answers_like_pytorch(models: dict[str, Artifact], tiny_run: Path, sample: Dataset) -> None:
    """On every picture the same decision, and the same logits up to the order of sums."""
    expected = logits(open_artifact(tiny_run / "checkpoint.safetensors"), sample.test.pixels)
    found = logits(models["float32"], sample.test.pixels)
    assert agreement(found, expected) == 1
    np.testing.assert_allclose(found, expected, atol=2e-5)


@needs_converter
def test_int8_is_onnx_runtime_s(models: dict[str, Artifact], tiny_run: Path, sample: Dataset) -> None:
    """Two quantizers and two runtimes: their int8 forms are nearer to one another than either is to float32."""
    pixels = sample.test.pixels
    whole, ours = logits(models["float32"], pixels), logits(models["int8"], pixels)
    other = logits(open_artifact(tiny_run / "int8-static.onnx"), pixels)
    between = np.abs(ours - other).mean()
    assert between < np.abs(ours - whole).mean()
    assert between < np.abs(other - whole).mean()
    assert agreement(ours, other) >= 0.99
    assert agreement(ours, whole) >= 0.99


@needs_converter
def test_int8_is_calibrated_on_the_pictures_of_static_quantization(models: dict[str, Artifact], tiny_run: Path) -> None:
    """The manifest tells scheme and pictures, and they are those of the ONNX model."""
    found = models["int8"].manifest.quantization
    expected = open_artifact(tiny_run / "int8-static.onnx").manifest.quantization
    assert found is not None
    assert expected is not None
    assert (found.scheme, found.calibration_images) == (expected.scheme, 1000)
    assert found.calibration_sha256 == expected.calibration_sha256
    assert found.settings["last_layer"] == "float32"
    assert models["float32"].manifest.quantization is None


@needs_converter
def test_int8_computes_in_integers_up_to_the_last_layer(models: dict[str, Artifact]) -> None:
    """Convolutions and the first fully connected layer take int8, the last one float32."""
    layers = {"DEPTHWISE_CONV_2D", "CONV_2D", "FULLY_CONNECTED"}
    kinds = {name: [kind for layer, kind in operations(model) if layer in layers] for name, model in models.items()}
    assert kinds["int8"] == ["int8", "int8", "int8", "int8", "float32"]
    assert kinds["float32"] == ["float32"] * 5
    assert len(models["int8"].content) < 0.5 * len(models["float32"].content)


@needs_converter
def test_xnnpack_computes_every_node(models: dict[str, Artifact]) -> None:
    """Nothing runs on slower kernels, not even what turns pixels into numbers."""
    for artifact in models.values():
        with open_session(artifact, default_spec(artifact)) as session:
            total = len(operations(artifact))
            assert session.placement.source.startswith(f"XNNPACK computes {total} of {total}:")


@needs_converter
@pytest.mark.parametrize("precision", converter.PRECISIONS)
def test_any_batch(precision: str, models: dict[str, Artifact], sample: Dataset) -> None:
    """Pictures at once are answered like each alone."""
    pixels, artifact = sample.test.pixels[:7], models[precision]
    with open_session(artifact, default_spec(artifact)) as session:
        assert list(session.inputs) == [artifact.manifest.input]
        np.testing.assert_allclose(session.run(pixels), run_all(session, pixels), atol=1e-5)


@needs_converter
def test_manifest_describes_the_file(models: dict[str, Artifact], checkpoint: Artifact) -> None:
    """The manifest beside the model names format, precision, origin, tools, and what was measured."""
    for precision, artifact in models.items():
        manifest = artifact.manifest
        assert (manifest.format, manifest.precision, manifest.opset) == ("tflite", precision, None)
        assert manifest.variant == {"float32": "litert-fp32", "int8": "litert-int8"}[precision]
        assert manifest.checkpoint_sha256 == checkpoint.sha256
        assert manifest.versions["litert-torch"] == environment.installed("litert-torch")
        assert manifest.expected is not None
        assert manifest.expected.images == 100
        assert manifest.golden is not None
        assert manifest.golden.has_pictures


@needs_converter
def test_no_path_of_this_machine(models: dict[str, Artifact]) -> None:
    """Neither the file nor what lies beside it says where it was made, and from which sources."""
    for artifact in models.values():
        written = artifact.content + sidecar_of(artifact.path).read_bytes()
        for place in (str(artifact.path.parent), str(Path.cwd()), str(Path.home()), sys.prefix, ".py"):
            assert place.encode() not in written


@needs_converter
def test_what_decides_otherwise_is_not_kept(
    checkpoint: Artifact, few: Dataset, reference: ReferenceLogits, tmp_path: Path
) -> None:
    """A model beyond the limits is refused and not written, and there is nothing beside it."""
    with pytest.raises(CheckFailed, match="was not kept"):
        convert("litert", moved(checkpoint, tmp_path), few, reference=reference, limits=Limits(max_error_ulps=0))
    assert list(tmp_path.iterdir()) == []


class AcrossPictures(torch.nn.Module):
    """A network that takes the mean over the rows of all pictures in its batch."""

    def __init__(self) -> None:
        super().__init__()
        self.classify = torch.nn.Linear(28, 10)

    def forward(self, pixels: Any) -> Any:
        """Logits float32[1, 10]."""
        return self.classify(pixels.reshape(-1, 28).mean(0).reshape(1, 28))


@needs_converter
def test_a_network_that_mixes_pictures_is_not_kept(
    checkpoint: Artifact, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The batch is opened after the conversion: a network that cannot bear it is found out."""
    classifier = converter.load_model(checkpoint)
    classifier.network = AcrossPictures()
    monkeypatch.setattr(converter, "load_model", lambda _: classifier)
    with pytest.raises(CheckFailed, match="it answers 3 pictures at once otherwise than singly"):
        convert("litert", moved(checkpoint, tmp_path), few)
    assert list(tmp_path.iterdir()) == []


@needs_converter
def test_finishing_keeps_the_answers() -> None:
    """Pixels are dequantized in place of cast, the batch is open, names are ours, and every product is the same."""
    from ai_edge_litert.interpreter import Interpreter

    weights = np.random.default_rng(1).standard_normal((10, HEIGHT * WIDTH)).astype(np.float32)
    images = np.arange(4 * HEIGHT * WIDTH, dtype=np.uint8).reshape(4, HEIGHT, WIDTH)
    done = finished(network(weights, finished=False), input_name="pixels", output_name="scores")
    interpreter = Interpreter(model_content=done)
    interpreter.resize_tensor_input(0, images.shape, strict=True)
    interpreter.allocate_tensors()
    interpreter.set_tensor(0, images)
    interpreter.invoke()
    assert interpreter.get_signature_list() == {"serving_default": {"inputs": ["pixels"], "outputs": ["scores"]}}
    kinds = [each["op_name"] for each in interpreter._get_ops_details()]
    assert kinds[:3] == ["RESHAPE", "DEQUANTIZE", "FULLY_CONNECTED"]
    expected = images.reshape(4, -1).astype(np.float32) @ weights.T
    np.testing.assert_allclose(interpreter.get_tensor(6), expected, rtol=1e-4)


@needs_converter
@needs_micro
@pytest.mark.parametrize("precision", converter.PRECISIONS)
def test_tflite_micro_answers_like_litert(precision: str, models: dict[str, Artifact], sample: Dataset) -> None:
    """It decides like LiteRT's reference kernels, and no logit is off by a step of 256 over the range of all."""
    pixels = sample.test.pixels[:100]
    expected = logits(models[precision], pixels, "litert", kernels="reference")
    found = logits(models[precision], pixels, "tflite-micro")
    assert agreement(found, expected) == 1
    assert np.abs(found - expected).max() < (expected.max() - expected.min()) / 255


@needs_converter
@needs_micro
def test_int8_needs_a_smaller_arena(models: dict[str, Artifact]) -> None:
    """Activations of a quarter of the size leave most of the RAM free."""
    assert arena_bytes(models["int8"]) < 0.6 * arena_bytes(models["float32"])


@needs_converter
@pytest.mark.slow
def test_same_bytes_in_another_process(models: dict[str, Artifact], own_run: Path, tmp_path: Path) -> None:
    """Another process in another folder writes the same bytes, and the converter's many words reach no one."""
    code = (
        "import sys; from pathlib import Path; from edgefashion import data, export\n"
        "from edgefashion.artifact import open_artifact; from edgefashion.verify import Limits\n"
        "checkpoint, limits = open_artifact(Path(sys.argv[1])), Limits(min_agreement=0.9)\n"
        "for precision in ('float32', 'int8'):\n"
        "    made, _ = export.convert('litert', checkpoint, data.load_sample(), precision=precision, limits=limits)\n"
        "    print(made.sha256)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(own_run / "checkpoint.safetensors")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == [models[precision].sha256 for precision in converter.PRECISIONS]
    assert done.stderr == ""
    assert list(tmp_path.iterdir()) == [own_run]


@needs_converter
@needs_micro
@pytest.mark.slow
def test_what_is_claimed_of_all_pictures(full: Dataset, tmp_path: Path) -> None:
    """Of 10,000 decisions float32 flips none, int8 keeps 99.5 %, and ONNX Runtime's int8 takes 99.9 % alike."""
    run = Path(shutil.copytree(runs.EXPORTED / "edge", tmp_path / "edge"))
    checkpoint = open_artifact(run / runs.CHECKPOINT)
    reference = from_artifact(checkpoint, full)
    whole, exact = convert("litert", checkpoint, full, reference=reference)
    int8, kept = convert("litert", checkpoint, full, precision="int8", reference=reference)
    assert (exact.images, exact.flips) == (10_000, [])
    pixels = full.test.pixels
    ours, other = logits(int8, pixels), logits(open_artifact(run / "int8-static.onnx"), pixels)
    assert agreement(ours, logits(whole, pixels)) >= 0.995
    assert kept.agreement >= 0.995
    assert agreement(ours, other) >= 0.999
    expected = logits(int8, pixels[:1000], "litert", kernels="reference")
    micro = logits(int8, pixels[:1000], "tflite-micro")
    assert agreement(micro, expected) == 1
    assert np.abs(micro - expected).max() < (expected.max() - expected.min()) / 255
