"""Exports: one self-contained file that is proven before it is kept."""

import site
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
ir = pytest.importorskip("onnx_ir")
ort = pytest.importorskip("onnxruntime")

import edgefashion.export.onnx as exporter  # noqa: E402 - after the skips
from edgefashion import export, runs  # noqa: E402
from edgefashion.artifact import MANIFEST_KEY, Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset, golden_images  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, UsageError  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.verify import Limits, find_reference  # noqa: E402


@pytest.fixture
def session(fp32: Artifact) -> Any:
    """The export in ONNX Runtime directly, without anything of edgefashion in between."""
    return ort.InferenceSession(fp32.content, providers=["CPUExecutionProvider"])


@pytest.fixture
def model(fp32: Artifact) -> Any:
    """The export as an onnx.ModelProto."""
    return onnx.load_model_from_string(fp32.content)


def initializer(model: Any, name: str) -> Any:
    """The initializer whose name ends with `name`."""
    return next(found for found in model.graph.initializer if found.name.endswith(name))


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_any_batch(batch: int, session: Any, checkpoint: Artifact, sample: Dataset) -> None:
    """The export takes any number of raw pictures and gives PyTorch's logits."""
    pixels = sample.test.pixels[:batch]
    (logits,) = session.run(["logits"], {"images": pixels})
    with torch.inference_mode():
        expected = load_model(checkpoint).eval()(torch.tensor(pixels)).numpy()
    assert (batch, 10) == logits.shape
    np.testing.assert_allclose(logits, expected, atol=1e-4)


def test_interface(session: Any) -> None:
    """Bytes in, float32 out, the number of pictures open in both, under the names in the manifest."""
    (given,), (got,) = session.get_inputs(), session.get_outputs()
    assert (given.name, given.type, given.shape) == ("images", "tensor(uint8)", ["batch", 28, 28])
    assert (got.name, got.type, got.shape) == ("logits", "tensor(float)", ["batch", 10])


def test_manifest_describes_the_file(fp32: Artifact, checkpoint: Artifact, sample: Dataset, model: Any) -> None:
    """The manifest names format, opset, origin and what was measured, and keeps what the checkpoint said."""
    manifest = fp32.manifest
    assert (manifest.variant, manifest.format, manifest.precision, manifest.opset) == ("fp32", "onnx", "float32", 20)
    assert manifest.opset == next(entry.version for entry in model.opset_import if not entry.domain)
    assert checkpoint.sha256 == manifest.checkpoint_sha256
    assert (checkpoint.manifest.name, checkpoint.manifest.recipe) == (manifest.name, manifest.recipe)
    assert manifest.expected is not None
    assert (sample.identity.name, 1_000) == (manifest.expected.data, manifest.expected.images)
    assert manifest.golden is not None
    assert len(manifest.golden.logits) == 10


def test_normalization_is_in_the_graph(session: Any, checkpoint: Artifact, sample: Dataset) -> None:
    """Raw bytes give what the bare network gives for pictures normalized by hand as the manifest says."""
    pixels, contract = sample.test.pixels[:20], checkpoint.manifest.preprocessing
    normalized = (pixels[:, None].astype(np.float64) / contract.divisor - contract.mean) / contract.std
    with torch.inference_mode():
        network = load_model(checkpoint).eval().network
        expected = network(torch.tensor(normalized, dtype=torch.float32)).numpy()
    (logits,) = session.run(None, {"images": pixels})
    np.testing.assert_allclose(logits, expected, atol=1e-4)


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic", "int8-static", "fp16"])
def test_nothing_of_this_machine_is_inside(name: str, tiny_run: Path) -> None:
    """No path, home, working directory or source line of the exporting machine is in the file."""
    content = (tiny_run / f"{name}.onnx").read_bytes()
    here = [Path.home(), Path.cwd(), tiny_run, Path(exporter.__file__).parents[1], *site.getsitepackages()]
    for place in {str(place) for place in here} - {"/"}:
        assert place.encode() not in content
    for trace in (b".py", b"site-packages", b"self.", b'File "'):
        assert trace not in content


@pytest.mark.parametrize("name", ["fp32", "int8-dynamic", "int8-static", "fp16"])
def test_manifest_is_the_only_metadata(name: str, tiny_run: Path) -> None:
    """The model carries the manifest and no other metadata or documentation, anywhere in the graph."""
    model = onnx.load(tiny_run / f"{name}.onnx")
    graph = model.graph
    assert [entry.key for entry in model.metadata_props] == [MANIFEST_KEY]
    parts = [graph, *graph.node, *graph.value_info, *graph.input, *graph.output, *graph.initializer]
    assert [part.name for part in parts if part.metadata_props or part.doc_string] == []
    assert model.doc_string == ""


def test_nodes_are_named_after_layers(model: Any) -> None:
    """A node and what it computes bear a layer's name and an operator's, so that a profile can be read by layers."""
    names = [node.name for node in model.graph.node]
    assert len(set(names)) == len(names)
    assert {name.rpartition("/")[2] for name in names} == {node.op_type for node in model.graph.node}
    layers = dict.fromkeys(name.rpartition("/")[0] for name in names)
    blocks = [f"features.{index}.{part}" for index in range(3) for part in ("conv", "relu", "pool")]
    assert list(layers) == ["preprocessing", *blocks, "network", "hidden", "classify"]
    assert all(node.output[0] in {node.name, "logits"} for node in model.graph.node)


def test_layer_names_survive_quantization(tiny_run: Path) -> None:
    """What quantizers insert is named after the node or tensor that it stands beside."""
    for variant in ("int8-static", "int8-dynamic", "fp16"):
        nodes = onnx.load(tiny_run / f"{variant}.onnx").graph.node
        named = [node.name for node in nodes if node.op_type in {"Conv", "ConvInteger"}]
        assert [name.partition("/")[0] for name in named] == [f"features.{index}.conv" for index in range(3)]


def test_operators_of_one_layer_keep_apart() -> None:
    """The second of a kind in a layer is numbered, a second output too; nodes of unknown origin keep their names."""
    scopes = {exporter._SCOPES: "['', 'network', 'network.block', 'mul']"}
    graph_input, first, second, unused, logits = (ir.val(name) for name in ("x", "a", "b", "c", "logits"))
    nodes = [
        ir.Node("", "Mul", [graph_input, graph_input], outputs=[first], name="n1", metadata_props=scopes),
        ir.Node("", "Mul", [first, first], outputs=[second, unused], name="n2", metadata_props=scopes),
        ir.Node("", "Mul", [second, second], outputs=[logits], name="n3"),
    ]
    graph = ir.Graph([graph_input], [logits], nodes=nodes)
    exporter.name_after_layers(graph)
    assert [node.name for node in nodes] == ["block/Mul", "block/Mul_2", "n3"]
    assert [value.name for value in (first, second, unused, logits)] == [
        "block/Mul",
        "block/Mul_2",
        "block/Mul_2.1",
        "logits",
    ]


def test_one_file(tiny_run: Path, model: Any) -> None:
    """Weights are inside the model, never in a file beside it."""
    assert all(not found.external_data for found in model.graph.initializer)
    assert list(tiny_run.glob("*.data")) == []


def test_same_bytes_again(fp32: Artifact, checkpoint: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """The same checkpoint exports to the same bytes, wherever it is written."""
    again, _ = export.to_onnx(checkpoint, sample, out=tmp_path / "deep" / "other.onnx")
    assert fp32.content == again.content == (tmp_path / "deep" / "other.onnx").read_bytes()


def test_pictures_may_be_left_out(
    fp32: Artifact, checkpoint: Artifact, sample: Dataset, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the golden pictures an export holds their digest, and everything else as before."""
    monkeypatch.setattr(exporter, "_trace", lambda *_: model)
    bare, _ = export.to_onnx(checkpoint, sample, out=tmp_path / "bare.onnx", pictures=False)
    assert fp32.manifest.golden is not None
    assert bare.manifest.golden is not None
    assert (bare.manifest.golden.pixels, bare.manifest.golden.pictures_sha256) == ("", golden_images()[1].sha256)
    assert fp32.manifest.golden.logits == bare.manifest.golden.logits


def test_no_shape_is_told_that_can_be_inferred(model: Any) -> None:
    """Shapes of what is computed follow from the operators; those of input and output stand there."""
    assert not model.graph.value_info
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True).graph
    named = {each.name for each in (*inferred.value_info, *inferred.output)}
    assert {name for node in model.graph.node for name in node.output} <= named


@pytest.mark.parametrize("opset", [18, 25])
def test_oldest_and_newest_opset(opset: int, checkpoint: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """The ends of the supported range export, are proven, and are what they say."""
    kept, parity = export.to_onnx(checkpoint, sample, out=tmp_path / "model.onnx", opset=opset)
    assert parity.passed
    model = onnx.load_model_from_string(kept.content)
    assert opset == kept.manifest.opset
    assert [opset] == [entry.version for entry in model.opset_import if entry.domain in {"", "ai.onnx"}]


@pytest.mark.parametrize("opset", [17, 26, 0])
def test_other_opsets_are_refused(opset: int, checkpoint: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """An opset outside of the range is refused before anything is done."""
    with pytest.raises(UsageError, match=f"opset {opset} is not supported: expected 18 to 25"):
        export.to_onnx(checkpoint, sample, out=tmp_path / "model.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_only_checkpoints_are_exported(fp32: Artifact, sample: Dataset, tmp_path: Path) -> None:
    """An exported model cannot be exported again."""
    with pytest.raises(BadInput, match=r"expected a checkpoint\.safetensors"):
        export.to_onnx(fp32, sample, out=tmp_path / "model.onnx")


@pytest.mark.parametrize("name", ["features.0.conv.weight", "hidden.bias", "scale"])
@pytest.mark.parametrize("existing", [True, False])
def test_damaged_export_is_not_kept(
    name: str,
    existing: bool,
    own_run: Path,
    sample: Dataset,
    model: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One constant off by a thousandth fails the proof: nothing is written, and an older export stays."""
    perturbed = onnx.numpy_helper.to_array(initializer(model, name)).copy()
    perturbed.flat[0] += 1e-3 * max(1, abs(perturbed.flat[0]))
    initializer(model, name).CopyFrom(onnx.numpy_helper.from_array(perturbed, initializer(model, name).name))
    monkeypatch.setattr(exporter, "_trace", lambda *_: model)
    path = own_run / "fp32.onnx"
    if not existing:
        path.unlink()
    before = {file.name: file.read_bytes() for file in own_run.iterdir()}
    with pytest.raises(CheckFailed, match=r"was not kept: largest logit difference is .* and must be ≤ "):
        export.to_onnx(open_artifact(own_run / runs.CHECKPOINT), sample)
    assert before == {file.name: file.read_bytes() for file in own_run.iterdir()}


def test_given_reference_and_limits(
    fp32: Artifact, checkpoint: Artifact, sample: Dataset, model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stored logits serve as the reference, and limits of one's own are the ones that decide."""
    monkeypatch.setattr(exporter, "_trace", lambda *_: model)
    stored = find_reference(fp32, sample, "stored")
    kept, parity = export.to_onnx(checkpoint, sample, out=tmp_path / "a.onnx", reference=stored)
    assert stored.source == parity.reference
    assert kept.info == parity.artifact
    with pytest.raises(CheckFailed, match=r"top-1 agreement is 1 and must be ≥ 1\.1"):
        export.to_onnx(checkpoint, sample, out=tmp_path / "b.onnx", limits=Limits(min_agreement=1.1))
    assert not (tmp_path / "b.onnx").exists()
