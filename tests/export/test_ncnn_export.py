"""Networks for ncnn: proven before they are kept, without a trace of this machine, and the same bytes each time."""

import dataclasses
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from places import moved

torch = pytest.importorskip("torch")

import edgefashion.export.ncnn as converter  # noqa: E402 - after the skip
from edgefashion import environment  # noqa: E402
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import convert  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.verify import ReferenceLogits, from_artifact  # noqa: E402

MISSING = [package for package in ("pnnx", "ncnn") if find_spec(package) is None]
needs_pnnx = pytest.mark.skipif(
    bool(MISSING), reason=f"needs {' and '.join(MISSING)}: pip install 'edgefashion[ncnn-export]'"
)


@pytest.fixture(scope="module")
def few(sample: Dataset) -> Dataset:
    """Thirty test pictures: every one of them passes PyTorch and ncnn alone."""
    return dataclasses.replace(sample, test=sample.test.take(np.arange(30)))


@pytest.fixture(scope="module")
def reference(tiny_run: Path, few: Dataset) -> ReferenceLogits:
    """PyTorch's logits."""
    return from_artifact(open_artifact(tiny_run / "checkpoint.safetensors"), few)


@pytest.fixture(scope="module")
def networks(
    tiny_run: Path, few: Dataset, reference: ReferenceLogits, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    """The tiny run's checkpoint in both precisions, as written to a folder of their own."""
    source = moved(open_artifact(tiny_run / "checkpoint.safetensors"), tmp_path_factory.mktemp("ncnn"))
    made = [convert("ncnn", source, few, precision=each, reference=reference)[0] for each in converter.PRECISIONS]
    return {artifact.manifest.variant: open_artifact(artifact.path) for artifact in made}


def test_without_pnnx(own_run: Path, few: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its packages the format is refused before any work, with what installs them."""
    if not MISSING:
        monkeypatch.setattr(environment, "find_spec", lambda name: None if name == "pnnx" else find_spec(name))
    monkeypatch.setattr(converter, "load_model", lambda _: pytest.fail("it began to work"))
    words = r"^exporting to ncnn needs .*pnnx.* not installed: pip install 'edgefashion\[ncnn-export\]'$"
    with pytest.raises(NotAvailable, match=words):
        convert("ncnn", open_artifact(own_run / "checkpoint.safetensors"), few)
    assert [*own_run.glob("ncnn*")] == []


def test_no_integers(own_run: Path, few: Dataset) -> None:
    """The wheels bring no tool that makes an int8 network, so there is none."""
    with pytest.raises(UsageError, match="ncnn is written in float32 and float16: not in int8"):
        convert("ncnn", open_artifact(own_run / "checkpoint.safetensors"), few, precision="int8")


@needs_pnnx
def test_answers_like_pytorch(networks: dict[str, Artifact], checkpoint: Artifact, sample: Dataset) -> None:
    """In float32 logits are PyTorch's up to the order of sums; weights in float16 move them visibly, but little."""
    pixels = sample.test.pixels[:100]
    with torch.inference_mode():
        expected = load_model(checkpoint).eval()(torch.tensor(pixels)).numpy()
    errors = {}
    for variant, artifact in networks.items():
        with open_session(artifact, default_spec(artifact)) as session:
            errors[variant] = np.abs(run_all(session, pixels) - expected).max()
    assert errors["ncnn-fp32"] < 2e-5
    assert 1e-4 < errors["ncnn-fp16"] < 0.01 * np.abs(expected).max()


@needs_pnnx
def test_normalization_is_in_the_network(networks: dict[str, Artifact], checkpoint: Artifact) -> None:
    """The first two layers are the manifest's preprocessing, as one multiplication and one addition."""
    layers = networks["ncnn-fp32"].content.decode().splitlines()[3:5]
    assert [layer.split()[0] for layer in layers] == ["BinaryOp", "BinaryOp"]
    scale, offset = (np.float32(layer.rsplit("2=", 1)[1]) for layer in layers)
    given = checkpoint.manifest.preprocessing
    assert scale == np.float32(1 / (given.divisor * given.std))
    assert offset == np.float32(-given.mean / given.std)


@needs_pnnx
def test_manifest_describes_the_files(networks: dict[str, Artifact], checkpoint: Artifact) -> None:
    """The manifest beside the network names format, precision, origin, tools, and what was measured."""
    whole, half = networks["ncnn-fp32"], networks["ncnn-fp16"]
    for artifact, precision in ((whole, "float32"), (half, "float16")):
        manifest = artifact.manifest
        assert ("ncnn", precision, None) == (manifest.format, manifest.precision, manifest.opset)
        assert artifact.path.stem == manifest.variant
        assert checkpoint.sha256 == manifest.checkpoint_sha256
        assert environment.installed("pnnx") == manifest.versions["pnnx"]
        assert manifest.expected is not None
        assert manifest.expected.images == 30
        assert checkpoint.manifest.input == manifest.input
        assert [artifact.path.with_suffix(".bin").name] == list(artifact.parts)
    assert len(half.parts["ncnn-fp16.bin"]) < 0.55 * len(whole.parts["ncnn-fp32.bin"])


@needs_pnnx
def test_same_bytes_again(
    networks: dict[str, Artifact],
    own_run: Path,
    few: Dataset,
    reference: ReferenceLogits,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """In another folder the same bytes are written and nothing else, nothing is printed, and no path gets in."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    before = set(own_run.iterdir())
    again, parity = convert(
        "ncnn", open_artifact(own_run / "checkpoint.safetensors"), few, precision="float16", reference=reference
    )
    first = networks["ncnn-fp16"]
    assert parity.passed
    assert (first.content, first.parts) == (again.content, again.parts)
    assert {path.name for path in set(own_run.iterdir()) - before} == {
        "ncnn-fp16.param",
        "ncnn-fp16.bin",
        "ncnn-fp16.param.json",
    }
    assert list(elsewhere.iterdir()) == []
    assert capfd.readouterr().out == ""
    written = again.content + again.parts["ncnn-fp16.bin"]
    assert not any(place in written for place in (b"/tmp", bytes(tmp_path), b"edgefashion-pnnx", b".py"))


@needs_pnnx
def test_what_decides_otherwise_is_not_kept(
    checkpoint: Artifact, few: Dataset, reference: ReferenceLogits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network whose normalization was lost does not decide like PyTorch, and is not written."""
    load = converter.load_model

    def without_normalization(source: Artifact) -> torch.nn.Module:
        model = load(source)
        model.scale.fill_(1.0)
        return model

    monkeypatch.setattr(converter, "load_model", without_normalization)
    with pytest.raises(CheckFailed, match=r"ncnn-fp32\.param was not kept: largest logit difference is"):
        convert("ncnn", moved(checkpoint, tmp_path), few, reference=reference)
    assert list(tmp_path.iterdir()) == []


@needs_pnnx
def test_pnnx_fails(checkpoint: Artifact, few: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where pnnx gives up, or writes nothing, its last words are passed on; its exit code where it had none."""
    import pnnx

    tool = tmp_path / "tool"
    monkeypatch.setattr(pnnx, "EXEC_PATH", str(tool))
    files = "model.ncnn.param model.ncnn.bin"
    for script, words in (
        ("echo first >&2; echo no such layer >&2; exit 1", "no such layer"),
        (f"touch {files}; exit 7", "exit code 7"),
        ("exit 0", "exit code 0"),
    ):
        tool.write_text(f"#!/bin/sh\n{script}\n")
        tool.chmod(0o755)
        with pytest.raises(BadInput, match=f"pnnx cannot convert the network of ncnn-fp32: {words}"):
            convert("ncnn", moved(checkpoint, tmp_path), few)
    assert list(tmp_path.iterdir()) == [tool]
