"""Quantized graphs beside the float32 one: rounding is told from damage, and segments from the whole."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion import quantize
from edgefashion.artifact import Artifact, from_content, open_artifact, stamp_onnx
from edgefashion.cli.locate import find_drift, save_drift
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, UsageError
from edgefashion.records.drift import Drift
from edgefashion.report.drift_grids import drift_grid
from edgefashion.report.drift_plot import drift_by_depth
from edgefashion.verify import Limits
from edgefashion.verify.locate import locate, replay, save_segment
from edgefashion.verify.locate.cuts import quantization_of
from edgefashion.verify.locate.graph import Graph, extract
from edgefashion.verify.locate.matching import Match, match
from edgefashion.verify.locate.rounding import Float16, Steps, rms
from edgefashion.verify.locate.running import run

onnx = pytest.importorskip("onnx")

PICTURES = 32
LAYERS = ["features.0.conv", "features.1.conv", "features.2.conv", "hidden", "classify"]
INTEGER = ["int8-static", "int8-dynamic", "int8-qoperator"]
VARIANTS = [*INTEGER, "fp16"]


@pytest.fixture(scope="module")
def images(sample: Dataset) -> np.ndarray:
    """A few pictures."""
    return sample.test.pixels[:PICTURES]


@pytest.fixture(scope="module")
def models(tiny_run: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Artifact]:
    """The tiny run's models by variant, and one whose tensors are stored as integers."""
    found = {name: open_artifact(tiny_run / f"{name}.onnx") for name in ("fp32", *VARIANTS) if "qop" not in name}
    out = tmp_path_factory.mktemp("qoperator") / "int8-qoperator.onnx"
    limits = Limits(min_agreement=0.9)
    found["int8-qoperator"], _ = quantize.apply(found["fp32"], "qoperator", sample, out=out, limits=limits)
    return found


def with_scaled(artifact: Artifact, layer: str, factor: float, *, of: str = "weight") -> Artifact:
    """The artifact with the scale of a layer's weight, or of its result, multiplied."""
    model = onnx.load_model_from_string(artifact.content)
    constant = scale_of(Graph(model), layer, of)
    tensor = next(each for each in model.graph.initializer if each.name == constant)
    values = onnx.numpy_helper.to_array(tensor) * np.float32(factor)
    tensor.CopyFrom(onnx.numpy_helper.from_array(values, constant))
    return from_content(stamp_onnx(model, artifact.manifest), artifact.path)


def scale_of(graph: Graph, layer: str, of: str) -> str:
    """The name of a scale: integer operators take it themselves, others through what stands beside them."""
    node = next(each for each in graph.nodes if each.name.startswith(f"{layer}/") and len(each.input) > 2)
    if of == "result":
        return graph.consumers[node.output[0]][0].input[1]
    return node.input[4] if node.op_type.startswith("Q") else graph.producers[node.input[1]].input[1]


@pytest.mark.parametrize("variant", VARIANTS)
def test_rounding_is_no_departure(variant: str, models: dict[str, Artifact], images) -> None:
    """A sound quantized model has errors everywhere, and none is larger than rounding explains."""
    drift = locate(models[variant], models["fp32"], images)
    assert None is drift.first
    assert set(LAYERS) <= {point.layer for point in drift.worst}


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("variant", ["int8-static", "int8-qoperator"])
def test_a_damaged_weight_scale_is_located_at_its_layer(
    variant: str, layer: str, models: dict[str, Artifact], images
) -> None:
    """Weights that are all an eighth too large depart where they are used, and nowhere else."""
    damaged = with_scaled(models[variant], layer, 1.125)
    drift = locate(damaged, models["fp32"], images)
    assert [layer] == [point.layer for point in drift.points if point.departs]
    assert drift.first == drift.worst[0]


def test_a_range_that_is_too_narrow_is_located_where_it_saturates(models: dict[str, Artifact], images) -> None:
    """Activations cut off at a third of their range depart at the layer that gives them."""
    narrow = with_scaled(models["int8-static"], "hidden", 1 / 3, of="result")
    drift = locate(narrow, models["fp32"], images)
    assert drift.first is not None
    assert (drift.first.layer, drift.first.operators[-2]) == ("hidden", "QuantizeLinear")


def test_a_relu_that_integers_made_needless_is_not_missed(models: dict[str, Artifact], images) -> None:
    """The tensor before a ReLU that a quantizer left out is compared with what comes behind it."""
    drift = locate(models["int8-qoperator"], models["fp32"], images)
    references = {point.tensor: point.reference for point in drift.points}
    assert references["features.0.conv/Conv_quantized"] == "features.0.relu/Relu"
    convolutions = [f"features.{index}.conv/Conv" for index in range(3)]
    assert [f"preprocessing/{each}" for each in ("Cast", "Mul", "Add")] + convolutions == drift.reference_only


def test_a_dynamic_model_is_run_one_picture_at_a_time(models: dict[str, Artifact], images) -> None:
    """Pictures that share a call would share a range: the logits are those of the file as it is used."""
    drift = locate(models["int8-dynamic"], models["fp32"], images)
    assert drift.unfused_max_abs < 1e-4 * drift.peak_logit


def test_first_tensors_err_alike_alone_and_together(models: dict[str, Artifact], images) -> None:
    """Where nothing lies before a segment, its own error is the accumulated one; later ones gather more."""
    drift = locate(models["int8-static"], models["fp32"], images)
    assert drift.points[0].own == drift.points[0].accumulated
    assert drift.points[-1].own.rms < drift.points[-1].accumulated.rms


@pytest.fixture(scope="module")
def matches(models: dict[str, Artifact], images) -> dict[str, Match]:
    """Each quantized model cut at the float32 one's tensors."""
    return {name: match(models[name], models["fp32"], images[:4]) for name in VARIANTS}


@given(variant=st.sampled_from(INTEGER), kept=st.sets(st.integers(0, 15)))
@settings(max_examples=15)
def test_segments_one_after_the_other_are_the_whole(matches: dict[str, Match], variant: str, kept: set[int]) -> None:
    """Wherever the graph is cut, its segments on each other's results give what the graph gives, bit for bit."""
    found = matches[variant]
    stops = [cut.tensor for index, cut in enumerate(found.cuts) if index in kept or cut.tensor == found.graph.output]
    computed = {found.graph.input: found.images}
    for stop in stops:
        segment = extract(found.graph, set(stops), stop, found.values)
        feeds = {each.name: computed[each.name] for each in segment.graph.input}
        computed |= run(segment, feeds, batch=found.batch)
    assert all(np.array_equal(found.whole[stop], computed[stop]) for stop in stops)


@pytest.mark.parametrize("variant", INTEGER)
def test_bringing_tensors_to_float_changes_nothing(variant: str, matches: dict[str, Match], models, images) -> None:
    """A graph whose tensors pass through float32 gives the logits of the graph in the file."""
    found = matches[variant]
    plain = run(onnx.load_model_from_string(models[variant].content), {"images": images[:4]}, batch=found.batch)
    assert np.array_equal(plain["logits"], found.whole["logits"])


def test_float16_tensors_in_the_open_cost_no_more_than_rounding_them(matches, models, images) -> None:
    """Onnxruntime rounds tensors that it gives up, and may not round the others: an epsilon tells them apart."""
    whole = matches["fp16"].whole["logits"]
    plain = run(onnx.load_model_from_string(models["fp16"].content), {"images": images[:4]})
    assert np.abs(plain["logits"] - whole).max() < np.finfo(np.float16).eps * np.abs(whole).max()


# The segment as a file


@pytest.fixture
def damaged(models: dict[str, Artifact]) -> Artifact:
    """A static model with one layer spoilt."""
    return with_scaled(models["int8-static"], "features.1.conv", 2)


def first_of(drift: Drift):
    """The node that departs first, which there must be."""
    assert drift.first is not None
    return drift.first


def test_the_saved_segment_makes_the_error_again(damaged, models, images, tmp_path: Path) -> None:
    """One layer, one input and the output expected are enough to see what is wrong."""
    drift = locate(damaged, models["fp32"], images)
    path = save_segment(damaged, models["fp32"], images, first_of(drift), tmp_path)
    assert path.name == "int8-static-features.1.conv.onnx"
    onnx.checker.check_model(onnx.load(path), full_check=True)
    assert {"Conv", "DequantizeLinear", "QuantizeLinear"} == {node.op_type for node in onnx.load(path).graph.node}
    case, error = replay(path)
    assert case.error == error
    assert drift.first == case.point
    assert error.rms > first_of(drift).limit
    assert first_of(drift).own.max_abs == error.max_abs


def test_the_segment_of_a_sound_model_makes_no_such_error(models, images, tmp_path: Path) -> None:
    """What is saved is the candidate's own part: without the damage it stays within its limit."""
    drift = locate(models["int8-static"], models["fp32"], images)
    point = next(point for point in drift.points if point.layer == "features.1.conv")
    _, error = replay(save_segment(models["int8-static"], models["fp32"], images, point, tmp_path))
    assert error.rms < point.limit


@pytest.mark.parametrize("variant", VARIANTS)
def test_segments_of_every_scheme_can_be_saved(variant: str, models, images, tmp_path: Path) -> None:
    """Integer and float16 tensors enter and leave a saved segment as float32."""
    drift = locate(models[variant], models["fp32"], images[:4])
    path = save_segment(models[variant], models["fp32"], images[:4], drift.worst[0], tmp_path)
    case, error = replay(path)
    assert case.error == error
    assert {1} == {value.type.tensor_type.elem_type for value in onnx.load(path).graph.input}


def test_a_segment_beside_another_s_input_is_refused(damaged, models, images, tmp_path: Path) -> None:
    """The model and its input are held together by a digest."""
    point = first_of(locate(damaged, models["fp32"], images))
    path = save_segment(damaged, models["fp32"], images, point, tmp_path)
    path.write_bytes(models["fp32"].content)
    with pytest.raises(BadInput, match="is not the segment"):
        replay(path)


def test_a_point_of_another_model_is_refused(damaged, models, images, tmp_path: Path) -> None:
    """A cut point that these two models do not have cannot be saved."""
    point = first_of(locate(damaged, models["fp32"], images))
    with pytest.raises(UsageError, match="is no cut point"):
        save_segment(models["int8-dynamic"], models["fp32"], images, point, tmp_path)


# Rounding, and the table


@given(st.integers(2, 8), st.integers(0, 2**32 - 1))
def test_what_a_step_makes_of_even_values_is_its_root_mean_square(bits: int, seed: int) -> None:
    """The error of rounding values that fall anywhere is a step over the root of twelve."""
    values = np.random.default_rng(seed).uniform(-3, 2, 4096).astype(np.float32)
    rounding = Steps(bits)
    assert pytest.approx(rounding.error(values), rel=0.1) == rms(rounding.round(values).astype(np.float64) - values)


@given(st.floats(1e-3, 1e3), st.integers(0, 2**32 - 1))
def test_float16_errs_no_more_than_its_epsilon_allows(scale: float, seed: int) -> None:
    """The error of float16 is between that of the finest and of the coarsest of a number's steps."""
    values = (scale * np.random.default_rng(seed).normal(size=4096)).astype(np.float32)
    error = rms(Float16().round(values).astype(np.float64) - values)
    assert Float16().error(values) / 2 <= error <= Float16().error(values)


def test_the_table_names_the_node(damaged, models, images) -> None:
    """The first node that departs has a row of its own tone and the first note."""
    drift = locate(damaged, models["fp32"], images)
    grid = drift_grid(drift)
    assert [row.cells[1:3] for row in grid.rows if row.tone == "bad"] == [("features.1.conv", "DQ ×2, Conv, Q")]
    assert grid.notes[0].startswith("first to depart: features.1.conv (DQ ×2, Conv, Q)")
    assert grid.notes[1].startswith("most error is added by features.1.conv (")
    assert {len(grid.columns)} == {len(row.cells) for row in grid.rows}


def test_the_figure_has_a_row_for_each_cut_point(models, images) -> None:
    """Nothing of the table is missing from the figure."""
    drift = locate(models["int8-static"], models["fp32"], images)
    (axes,) = drift_by_depth(drift).axes
    assert [point.layer for point in drift.points] == [label.get_text() for label in axes.get_yticklabels()]


# The command line's part


def test_the_evidence_lies_in_the_run(damaged, own_run: Path, sample: Dataset) -> None:
    """A run keeps the drift of a model that departs, and the segment that does, in a folder of its own."""
    (own_run / "int8-static.onnx").write_bytes(damaged.content)
    artifact = open_artifact(own_run / "int8-static.onnx")
    drift = find_drift(artifact, sample)
    written = save_drift(drift, artifact, sample)
    folder = own_run / "drift" / "int8-static"
    assert written == [folder / "drift.json", folder / "drift.png", folder / "int8-static-features.1.conv.onnx"]
    assert Drift.load(written[0]).first == replay(written[2])[0].point


def test_a_sound_model_leaves_no_segment(own_run: Path, sample: Dataset) -> None:
    """A float32 model is compared with PyTorch; where nothing departs there is nothing to save but the table."""
    artifact = open_artifact(own_run / "fp32.onnx")
    drift = find_drift(artifact, sample)
    assert drift.reference == "tiny/pytorch"
    folder = own_run / "drift" / "fp32"
    folder.mkdir(parents=True)
    (folder / "fp32-hidden.onnx").write_bytes(b"of a fault that was mended")
    assert save_drift(drift, artifact, sample) == [folder / "drift.json", folder / "drift.png"]
    assert not (folder / "fp32-hidden.onnx").exists()
    assert {row.tone for row in drift_grid(drift).rows} == {"plain"}
    assert drift_grid(drift).notes[0] == "no node departs: each error is of the size that rounding explains"


def test_integers_without_a_scale_are_no_counterpart() -> None:
    """A tensor that no node dequantizes cannot be compared, whatever its name is."""
    helper = onnx.helper
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["y_quantized"]),
        helper.make_node("Identity", ["y_quantized"], ["z"]),
    ]
    graph = Graph(helper.make_model(helper.make_graph(nodes, "g", [onnx.ValueInfoProto(name="x")], [])))
    assert quantization_of(graph, "y_quantized") is None
