"""Quantization-aware training: what it repairs, and that the device computes what was trained."""

import dataclasses
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

from edgefashion import export, train  # noqa: E402 - after the skips
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.data import Dataset, Images  # noqa: E402
from edgefashion.errors import CheckFailed, UsageError  # noqa: E402
from edgefashion.models.fake_quantized import FakeQuantized  # noqa: E402
from edgefashion.quantize import calibration_images, qat, static  # noqa: E402
from edgefashion.stats import PairedDrop, mean_of  # noqa: E402

QUICK = qat.Config(calibration_images=50, epochs=2, batch_size=64)


def model_of(artifact: Artifact) -> Any:
    """An artifact's onnx.ModelProto."""
    return onnx.load_model_from_string(artifact.content)


def calibrated(model: Any, config: static.Config, data: Dataset) -> Any:
    """The static scheme's graph, which training starts from."""
    pixels = calibration_images(data, config.calibration_images, config.calibration_seed).pixels
    return static.apply(model, config, pixels)


def logits_of(model: Any, images: Images) -> np.ndarray:
    """ONNX Runtime's logits."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    result: np.ndarray = session.run(None, {session.get_inputs()[0].name: images.pixels})[0]
    return result


def initializers(model: Any) -> dict[str, np.ndarray]:
    """What a graph holds."""
    return {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}


# The module that is trained


@pytest.fixture
def shaken(fp32: Artifact, small: Dataset, request: pytest.FixtureRequest) -> tuple[Any, FakeQuantized]:
    """A QDQ graph with other settings each time, and its module after its parameters were moved about."""
    model = calibrated(model_of(fp32), static.Config(calibration_images=50, **request.param), small)
    module = FakeQuantized(model).eval()
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.2 * parameter.std() * torch.randn_like(parameter))
    return model, module


each_setting = pytest.mark.parametrize(
    "shaken", [{}, {"per_channel": False}, {"weights": "uint8"}, {"reduce_range": True}], ids=str, indirect=True
)


@each_setting
def test_device_computes_what_was_trained(shaken: tuple[Any, FakeQuantized], small: Dataset) -> None:
    """ONNX Runtime's logits of the graph that is written are the module's, bit for bit."""
    model, module = shaken
    written = qat._with_levels(model, module.levels())
    with torch.no_grad():
        trained = module(torch.tensor(small.test.pixels)).numpy()
    np.testing.assert_array_equal(logits_of(written, small.test), trained)
    assert np.abs(trained - logits_of(model, small.test)).max() > 0.01


@each_setting
def test_levels_stay_where_the_static_scheme_put_them(shaken: tuple[Any, FakeQuantized]) -> None:
    """Weights keep their type, shape and ends: a reduced range stays reduced."""
    model, module = shaken
    before, after = initializers(model), module.levels()
    assert {name for name in before if name.endswith(("weight_quantized", "bias_quantized"))} == after.keys()
    for name, levels in after.items():
        assert (before[name].dtype, before[name].shape) == (levels.dtype, levels.shape)
        if levels.dtype != np.int32:
            assert before[name].min() <= levels.min() < levels.max() <= before[name].max()
            assert (before[name] != levels).mean() > 0.5


def test_training_computes_what_evaluation_does(fp32: Artifact, small: Dataset) -> None:
    """With and without exact sums the module decides alike, and starts as the graph it was made from."""
    model = calibrated(model_of(fp32), QUICK, small)
    module, pixels = FakeQuantized(model), torch.tensor(small.test.pixels)
    with torch.no_grad():
        exact, quick = module.eval()(pixels).numpy(), module.train()(pixels).numpy()
    np.testing.assert_array_equal(exact, logits_of(model, small.test))
    np.testing.assert_allclose(quick, exact, atol=1e-3)


# The scheme


@pytest.fixture(scope="module")
def tuned(tiny_run: Path, small: Dataset) -> tuple[Any, Any, list[str]]:
    """The tiny run's float32 model, what became of it, and what was told meanwhile."""
    model, notes = model_of(open_artifact(tiny_run / "fp32.onnx")), list[str]()
    return model, qat.fine_tune(model, QUICK, small, notes.append), notes


def divergence(model: Any, reference: Any, images: Images) -> float:
    """Mean Kullback-Leibler divergence of a model's classes from another's, in nats."""
    found, expected = (torch.tensor(logits_of(each, images)).log_softmax(1) for each in (model, reference))
    return float((expected.exp() * (expected - found)).sum(1).mean())


def test_integer_operators_get_the_trained_weights(tuned: tuple[Any, Any, list[str]], small: Dataset) -> None:
    """In QOperator form every layer is an integer operator with the very levels that were trained in QDQ form."""
    model, in_qdq, _ = tuned
    found = qat.fine_tune(model, dataclasses.replace(QUICK, operators=True), small)
    assert {node.op_type for node in found.graph.node} >= {"QLinearConv", "QGemm"}
    assert not {node.op_type for node in found.graph.node} & {"Conv", "Gemm", "MatMul"}
    trained, levels = initializers(in_qdq), initializers(found)
    rounded = [name for name in levels if name.endswith("_quantized")]
    assert len(rounded) == 2 * sum(node.op_type in {"QLinearConv", "QGemm"} for node in found.graph.node)
    for name in rounded:
        np.testing.assert_array_equal(trained[name], levels[name])
    decisions = [logits_of(each, small.test).argmax(1) for each in (in_qdq, found)]
    assert np.mean(decisions[0] == decisions[1]) > 0.97


def test_what_was_trained_is_never_left_out(tuned: tuple[Any, Any, list[str]]) -> None:
    """A weight that the other form does not have by its name is an error, and no untrained layer."""
    _, in_qdq, _ = tuned
    levels = {"hidden.weight_elsewhere": np.zeros(3, np.int8)}
    with pytest.raises(CheckFailed, match=r"hidden\.weight_elsewhere.*no place"):
        qat._with_levels(in_qdq, levels)


@pytest.mark.parametrize("damage", [{"per_channel": False}, {"calibration_images": 2}], ids=str)
def test_bad_quantization_is_repaired(damage: dict[str, Any], fp32: Artifact, sample: Dataset) -> None:
    """Coarse weights, or ranges that clip, change the answers; training takes most of the change back."""
    model, config = model_of(fp32), dataclasses.replace(QUICK, learning_rate=1e-3, **damage)
    damaged = divergence(calibrated(model, config, sample), model, sample.test)
    repaired = divergence(qat.fine_tune(model, config, sample), model, sample.test)
    assert repaired < 0.7 * damaged


def test_only_weights_and_biases_change(tuned: tuple[Any, Any, list[str]], small: Dataset) -> None:
    """The graph is the static scheme's: same nodes, same scales, same types; only rounded weights are others."""
    model, found, _ = tuned
    expected = calibrated(model, QUICK, small)
    assert expected.graph.node == found.graph.node
    before, after = initializers(expected), initializers(found)
    assert list(before) == list(after)
    changed = {name for name in before if not np.array_equal(before[name], after[name])}
    assert changed
    assert all(name.endswith(("weight_quantized", "bias_quantized")) for name in changed)
    onnx.checker.check_model(found, full_check=True)


def test_same_bytes_again(tuned: tuple[Any, Any, list[str]], small: Dataset) -> None:
    """The same model, settings and pictures give the same bytes, whatever the test pictures are; a seed does not."""
    model, found, _ = tuned
    blank = dataclasses.replace(small, test=Images(np.zeros_like(small.test.pixels), np.zeros_like(small.test.labels)))
    before = model.SerializeToString()
    again, other = (qat.fine_tune(model, config, blank) for config in (QUICK, dataclasses.replace(QUICK, seed=1)))
    assert found.SerializeToString() == again.SerializeToString()
    assert found.SerializeToString() != other.SerializeToString()
    assert before == model.SerializeToString()


def test_every_epoch_is_told(tuned: tuple[Any, Any, list[str]]) -> None:
    """There is a line for the start and for each epoch, with loss, agreement and accuracy."""
    assert [note.partition(":")[0] for note in tuned[2]] == ["before training", "epoch 1 of 2", "epoch 2 of 2"]
    assert all(
        re.search(r"validation loss 0\.\d{6}, agreement \d+\.\d\d%, accuracy \d+\.\d\d%", note) for note in tuned[2]
    )


def test_labels_are_learned_only_where_they_weigh(tuned: tuple[Any, Any, list[str]], small: Dataset) -> None:
    """By default the float32 model is the only teacher; with a weight, labels teach too."""
    model, found, _ = tuned
    wrong = dataclasses.replace(small, train=Images(small.train.pixels, (small.train.labels + 1) % 10))
    assert found.SerializeToString() == qat.fine_tune(model, QUICK, wrong).SerializeToString()
    config = dataclasses.replace(QUICK, label_weight=1.0, learning_rate=1e-3)
    static_graph = calibrated(model, config, small).graph
    assert static_graph != qat.fine_tune(model, config, small).graph
    # What wrong labels teach, validation pictures reject.
    assert static_graph == qat.fine_tune(model, config, wrong).graph


def test_training_that_harms_is_not_kept(fp32: Artifact, small: Dataset) -> None:
    """If no epoch is better on validation pictures, the model is the static scheme's."""
    config = dataclasses.replace(QUICK, learning_rate=10.0)
    model = model_of(fp32)
    assert calibrated(model, config, small).graph == qat.fine_tune(model, config, small).graph


@pytest.mark.parametrize(
    "settings",
    [
        {"epochs": 0},
        {"batch_size": 0},
        {"threads": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"label_weight": 1.1},
        {"label_weight": -0.1},
        {"calibration_images": 0},
        {"operators": True, "weights": "uint8"},
    ],
    ids=str,
)
def test_settings_that_make_no_sense(settings: dict[str, Any]) -> None:
    """Settings outside of what can be done are refused before anything is done."""
    with pytest.raises(UsageError):
        qat.Config(**settings)


def test_variant_is_named_after_the_settings() -> None:
    """The default is int8-qat; what differs is in the name, as with every scheme."""
    assert qat.Config().variant == "int8-qat"
    assert qat.Config(epochs=5, per_channel=False).variant == "int8-qat-per-tensor-5-epochs"
    assert qat.Config(operators=True).variant == "int8-qat-operators"


# What it is for


@pytest.mark.slow
def test_at_least_as_accurate_as_without_training(full: Dataset, tmp_path: Path) -> None:
    """On the full data, for three seeds, training loses no accuracy to the static scheme, and decides more alike."""
    drops, flips = [], []
    for seed in range(3):
        checkpoint = train.fit("seed", full, out=tmp_path / str(seed), seed=seed, device="cpu", threads=1)
        model = model_of(export.to_onnx(checkpoint, full)[0])
        graphs = (model, calibrated(model, static.Config(), full), qat.fine_tune(model, qat.Config(), full))
        reference, plain, trained = (logits_of(graph, full.test).argmax(1) for graph in graphs)
        right, right_trained = plain == full.test.labels, trained == full.test.labels
        drop = PairedDrop(
            lost=int((right & ~right_trained).sum()), gained=int((right_trained & ~right).sum()), total=len(right)
        )
        assert drop.p_above(0) > 0.05 / 3  # three tests: Bonferroni
        drops.append(drop.value)
        flips.append([int((decided != reference).sum()) for decided in (plain, trained)])
    assert mean_of(np.array(drops)).p_above(0) > 0.05
    before, after = np.sum(flips, axis=0)
    assert after < before
