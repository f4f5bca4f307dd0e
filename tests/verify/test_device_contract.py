"""Outputs computed elsewhere: each fault, injected by other code than the one that looks for it, is named."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")

import onnxruntime  # noqa: E402 - after the skips
from PIL import Image  # noqa: E402

from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.cli.contract import run_contract, save_golden  # noqa: E402
from edgefashion.data import Dataset, golden_images  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, NotAvailable  # noqa: E402
from edgefashion.models.checkpoint import load_model  # noqa: E402
from edgefashion.quantize import calibration_images, static  # noqa: E402
from edgefashion.records.contract import Contract, ContractReport  # noqa: E402
from edgefashion.report.contract_grids import contract_grid  # noqa: E402
from edgefashion.verify.contract import diagnose, network  # noqa: E402
from edgefashion.verify.contract.conclusion import chance_of  # noqa: E402
from edgefashion.verify.contract.prediction import Prediction  # noqa: E402
from edgefashion.verify.contract.ranking import explain  # noqa: E402
from edgefashion.verify.contract.readouts import AS_THEY_ARE  # noqa: E402

Array = NDArray[Any]
COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference" / "fp32.onnx"
MEAN, STD = 0.2860, 0.3530
PIXELS = golden_images()[1].pixels


@dataclasses.dataclass(frozen=True)
class Device:
    """Another implementation of an artifact.

    Attributes:
        artifact: What it should be.
        bytes_in: Logits of uint8[N, H, W].
        values_in: Logits of float32[N, 1, H, W], which are what its first layer sees.
    """

    artifact: Artifact
    bytes_in: Callable[[Array], Array]
    values_in: Callable[[Array], Array]


@pytest.fixture(scope="module")
def float_device(tiny_run: Path) -> Device:
    """PyTorch, on the checkpoint."""
    model = load_model(open_artifact(tiny_run / "checkpoint.safetensors")).eval()

    def ask(module: Any) -> Callable[[Array], Array]:
        @torch.inference_mode()
        def answer(images: Array) -> Array:
            return module(torch.tensor(np.ascontiguousarray(images))).numpy()

        return answer

    return Device(open_artifact(tiny_run / "fp32.onnx"), ask(model), ask(model.network))


@pytest.fixture(scope="module")
def int8_device(tiny_run: Path, sample: Dataset) -> Device:
    """ONNX Runtime without fusion, which computes between rounded values in floats, on the graph that still has all."""
    fp32 = onnx.load(tiny_run / "fp32.onnx")
    calibration = calibration_images(sample, static.Config().calibration_images, static.Config().calibration_seed)
    whole = static.apply(fp32, static.Config(), calibration.pixels)
    first_layer = next(node for node in fp32.graph.node if node.op_type == "Conv")
    network_alone = onnx.utils.Extractor(whole).extract_model([first_layer.input[0]], ["logits"])

    def ask(model: Any) -> Callable[[Array], Array]:
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        name = session.get_inputs()[0].name
        return lambda images: np.concatenate([session.run(None, {name: images[i : i + 1]})[0] for i in range(10)])

    return Device(open_artifact(tiny_run / "int8-static.onnx"), ask(whole), ask(network_alone))


@pytest.fixture(params=["float_device", "int8_device"])
def device(request: pytest.FixtureRequest) -> Device:
    """Both of them, one after the other."""
    return request.getfixturevalue(request.param)


# Faults, and how each is made. Values are float32[N, 1, H, W] of 0 to 255.


def normalised(values: Array, mean: float = MEAN, std: float = STD) -> Array:
    return ((values / 255 - mean) / std).astype(np.float32)


def as_plane(mode: str) -> Array:
    """The bytes of each picture in another mode of pillow's, cut to one plane."""
    planes = [np.frombuffer(Image.fromarray(each).convert(mode).tobytes(), np.uint8)[: 28 * 28] for each in PIXELS]
    return np.stack(planes).reshape(PIXELS.shape)


PICTURES: dict[str, Callable[[], Array]] = {
    "inverted": lambda: np.bitwise_not(PIXELS),
    "transposed": lambda: np.swapaxes(PIXELS, 1, 2),
    "flipped left-right": lambda: np.stack([np.fliplr(each) for each in PIXELS]),
    "flipped upside down": lambda: np.stack([np.flipud(each) for each in PIXELS]),
    "rotated by 180°": lambda: np.stack([np.array(Image.fromarray(each).rotate(180)) for each in PIXELS]),
    "rotated by 90° to the left": lambda: np.stack([np.array(Image.fromarray(each).rotate(90)) for each in PIXELS]),
    "rotated by 90° to the right": lambda: np.stack([np.array(Image.fromarray(each).rotate(-90)) for each in PIXELS]),
    "wrong channel layout: interleaved RGB read": lambda: as_plane("RGB"),
    "wrong channel layout: interleaved RGBA": lambda: as_plane("RGBA"),
    "row padding": lambda: (
        np.concatenate([PIXELS, np.zeros((10, 28, 4), np.uint8)], axis=2).reshape(10, -1)[:, :784].reshape(10, 28, 28)
    ),
    "divided by 255 before the cast": lambda: (PIXELS / 255).astype(np.uint8),
}
VALUES: dict[str, Callable[[Array], Array]] = {
    "not normalised": lambda values: values,
    "only divided by 255": lambda values: values / np.float32(255),
    "mean forgotten": lambda values: normalised(values, mean=0),
    "standard deviation forgotten": lambda values: normalised(values, std=1),
    "division by 255 forgotten": lambda values: normalised(values * 255),
    "normalised twice: mean": lambda values: normalised(normalised(values) * 255),
    "normalised twice: all": lambda values: normalised(normalised(values)),
    "normalised twice: divided": lambda values: normalised(values / 255),
    "wrong mean and scale: those of MNIST": lambda values: normalised(values, 0.1307, 0.3081),
    "wrong mean and scale: those of ImageNet's green": lambda values: normalised(values, 0.456, 0.224),
    "wrong mean and scale: those of [-1, 1]": lambda values: (values / 127.5 - 1).astype(np.float32),
    "wrong mean: 128 subtracted": lambda values: values - 128,
    "bytes read as signed": lambda values: normalised(np.where(values > 127, values - 256, values)),
}
READOUTS: dict[str, Callable[[Array], Array]] = {
    "softmax": lambda logits: torch.softmax(torch.tensor(logits), dim=1).numpy(),
    "log-softmax": lambda logits: torch.log_softmax(torch.tensor(logits), dim=1).numpy(),
    "sigmoid": lambda logits: torch.sigmoid(torch.tensor(logits)).numpy(),
    "labels permuted": lambda logits: logits[:, [0, 2, 3, 1, 4, 5, 6, 7, 9, 8]],
    "outputs scaled": lambda logits: logits * 0.4 - 3,
}


def named(contract: Contract) -> str:
    """The fault that ranks first, which must fit: the others may, but none before it."""
    first = contract.hypotheses[0]
    assert (contract.conclusion, first.rank, first.fits) == ("explained", 1, True), contract.sentence
    assert contract.sentence.startswith(first.fault)
    assert first.remedy in contract.sentence
    return first.fault


def floats() -> Array:
    return PIXELS[:, None].astype(np.float32)


class TestMatch:
    def test_right_outputs(self, device: Device) -> None:
        """Another implementation of the same model matches, and nothing is guessed about it."""
        contract = diagnose(device.artifact, device.bytes_in(PIXELS))
        assert (
            contract.passed,
            contract.conclusion,
            contract.hypotheses,
            contract.remarks,
        ) == (True, "match", [], [])

    def test_other_kernels_may_decide_otherwise(self, int8_device: Device) -> None:
        """Steps of integer kernels that flip a decision with hardly any margin are rounding, not a fault."""
        outputs = int8_device.bytes_in(PIXELS)
        picture = np.diff(np.sort(outputs, axis=1)[:, -2:]).argmin()
        first, second = outputs[picture].argsort()[::-1][:2]
        outputs[picture, second] = outputs[picture, first] + 1e-3
        assert named(diagnose(int8_device.artifact, outputs)) == "arithmetic that rounds otherwise"


class TestNamed:
    @pytest.mark.parametrize("fault", PICTURES)
    def test_pictures(self, fault: str, device: Device) -> None:
        """Every change of the pictures is named."""
        assert named(diagnose(device.artifact, device.bytes_in(PICTURES[fault]()))).startswith(fault)

    @pytest.mark.parametrize("fault", VALUES)
    def test_normalisation(self, fault: str, device: Device) -> None:
        """Every known fault of the normalisation is named."""
        contract = diagnose(device.artifact, device.values_in(VALUES[fault](floats())))
        first = contract.hypotheses[0]
        equal = [each for each in contract.hypotheses if each.unexplained - first.unexplained < 1e-12]
        assert named(contract)
        assert any(each.fault.startswith(fault) for each in equal)
        assert len(equal) == 1 or device.artifact.manifest.precision == "int8"

    def test_what_eight_bits_cannot_tell_apart(self, int8_device: Device) -> None:
        """Two faults that round to the same first layer are both named."""
        outputs = int8_device.bytes_in((PIXELS / 255).astype(np.uint8))
        twice = int8_device.values_in(normalised(floats() / 255))
        sentence = diagnose(int8_device.artifact, outputs).sentence
        same = np.array_equal(outputs, twice)
        assert same == (", or normalised twice: divided by 255 twice, which gives the same outputs here," in sentence)

    @pytest.mark.parametrize("fault", READOUTS)
    def test_outputs(self, fault: str, device: Device) -> None:
        """Every change of the logits is named."""
        outputs = READOUTS[fault](device.bytes_in(PIXELS)).astype(np.float32)
        assert named(diagnose(device.artifact, outputs)).startswith(fault)

    def test_the_permutation_is_told(self, float_device: Device) -> None:
        """Which column holds which class is part of the answer, for the columns that moved."""
        outputs = READOUTS["labels permuted"](float_device.bytes_in(PIXELS))
        found = diagnose(float_device.artifact, outputs).hypotheses[0].parameters
        moved = {1: 2, 2: 3, 3: 1, 8: 9, 9: 8}
        assert {f"column {column} holds class": held for column, held in moved.items()} == found

    @pytest.mark.parametrize(("mean", "std"), [(0.31, 0.28), (0.05, 0.9), (0.6, -0.45)])
    def test_an_arbitrary_normalisation_is_measured(self, mean: float, std: float, device: Device) -> None:
        """A mean and a deviation that nobody uses are found as numbers, be they of an inverted picture."""
        contract = diagnose(device.artifact, device.values_in(normalised(floats(), mean, std)))
        assert named(contract) == "wrong mean or scale"
        found = contract.hypotheses[0].parameters
        tolerance = 1e-4 if device.artifact.manifest.precision == "float32" else 0.02
        assert found == pytest.approx({"mean": mean, "standard deviation": std}, abs=tolerance)

    @pytest.mark.parametrize(("fault", "readout"), [("inverted", "softmax"), ("flipped left-right", "labels permuted")])
    def test_one_fault_on_either_side(self, fault: str, readout: str, device: Device) -> None:
        """A fault before the model and one behind it are named together."""
        outputs = READOUTS[readout](device.bytes_in(PICTURES[fault]()))
        found = named(diagnose(device.artifact, outputs))
        assert found.startswith(f"{fault} and {readout}")

    def test_an_arbitrary_normalisation_behind_a_softmax(self, float_device: Device) -> None:
        """A mean and a deviation are found through probabilities as well."""
        logits = float_device.values_in(normalised(floats(), 0.2, 0.5))
        contract = diagnose(float_device.artifact, READOUTS["softmax"](logits))
        assert named(contract) == "wrong mean or scale and softmax already applied"
        found = contract.hypotheses[0].parameters
        assert found == pytest.approx({"mean": 0.2, "standard deviation": 0.5}, abs=1e-3)

    @pytest.mark.parametrize("fault", ["transposed", "wrong channel layout: interleaved RGB read"])
    def test_kernels_that_differ_by_steps(self, fault: str, int8_device: Device) -> None:
        """Errors of a few of int8's steps do not hide a fault."""
        outputs = int8_device.bytes_in(PICTURES[fault]())
        steps = np.random.default_rng(0).normal(0, np.abs(outputs).max() / 128, outputs.shape)
        assert named(diagnose(int8_device.artifact, outputs + steps.astype(np.float32))).startswith(fault)

    def test_float16(self, float_device: Device, tiny_run: Path, tmp_path: Path) -> None:
        """Half the digits are named as such, where no float16 artifact lies beside that answers the same."""
        half = load_model(open_artifact(tiny_run / "checkpoint.safetensors")).eval().network.half()
        with torch.inference_mode():
            outputs = half(torch.tensor(normalised(floats())).half()).float().numpy()
        alone = open_artifact(Path(shutil.copy(float_device.artifact.path, tmp_path)))
        assert named(diagnose(alone, outputs)).startswith("float16 arithmetic")

    def test_another_variant(self, float_device: Device, int8_device: Device) -> None:
        """Outputs of another file in the folder are told by its name."""
        outputs = int8_device.bytes_in(PIXELS)
        assert named(diagnose(float_device.artifact, outputs)) == "another variant runs: int8-static (int8)"

    def test_an_older_artifact(self, float_device: Device) -> None:
        """An artifact that carries no pictures is diagnosed on the sample's."""
        golden = float_device.artifact.manifest.golden
        assert golden is not None
        indices_only = msgspec.structs.replace(golden, pixels="", shape=(), labels=())
        manifest = msgspec.structs.replace(float_device.artifact.manifest, golden=indices_only)
        older = dataclasses.replace(float_device.artifact, manifest=manifest)
        assert named(diagnose(older, float_device.bytes_in(255 - PIXELS))) == "inverted"


class TestNotNamed:
    def test_random_logits(self, device: Device) -> None:
        """Noise is explained by nothing."""
        outputs = np.random.default_rng(0).normal(size=(10, 10)).astype(np.float32)
        contract = diagnose(device.artifact, outputs)
        assert contract.conclusion == "none fits"
        assert not any(each.fits for each in contract.hypotheses)
        assert contract.sentence.startswith("none fits: the nearest, ")
        assert [*range(1, 1 + len(contract.hypotheses))] == [each.rank for each in contract.hypotheses]
        shares = [each.unexplained for each in contract.hypotheses]
        assert sorted(shares) == shares

    def test_a_buffer_that_nobody_wrote(self, device: Device) -> None:
        """Outputs that are the same for every picture are called that, whatever comes nearest."""
        contract = diagnose(device.artifact, np.zeros((10, 10), np.float32))
        assert contract.conclusion == "none fits"
        assert "the same for every picture" in contract.sentence

    def test_constant_outputs(self) -> None:
        """Outputs without any variance are explained by nothing."""
        logits = np.eye(10, dtype=np.float32)
        found = explain(Prediction("", "", logits, limit=1.0), AS_THEY_ARE, np.zeros((10, 10)))
        assert found is not None
        assert (found.unexplained, found.fits) == (1.0, False)

    def test_predictions_that_overflow(self) -> None:
        """A hypothesis that leads to no finite numbers is not ranked."""
        logits = np.full((10, 10), np.inf, dtype=np.float32)
        assert explain(Prediction("", "", logits, limit=1.0), AS_THEY_ARE, np.eye(10)) is None

    def test_damaged_weights(self, float_device: Device, tiny_run: Path) -> None:
        """A network one of whose weights were shuffled is not taken for a fault of the pictures."""
        damaged = load_model(open_artifact(tiny_run / "checkpoint.safetensors")).eval()
        order = torch.randperm(damaged.network.hidden.weight.numel(), generator=torch.Generator().manual_seed(0))
        with torch.inference_mode():
            damaged.network.hidden.weight.copy_(
                damaged.network.hidden.weight.flatten()[order].reshape_as(damaged.network.hidden.weight)
            )
            outputs = damaged(torch.tensor(PIXELS)).numpy()
        assert diagnose(float_device.artifact, outputs).conclusion == "none fits"

    def test_blurred_pictures(self, int8_device: Device) -> None:
        """Nor are pictures that were changed in a way that nobody thought of."""
        padded = np.pad(floats(), ((0, 0), (0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(2, 3))
        blurred = windows.mean(axis=(-2, -1))[:, 0].astype(np.uint8)
        assert diagnose(int8_device.artifact, int8_device.bytes_in(blurred)).conclusion == "none fits"

    def test_another_model_altogether(self, float_device: Device) -> None:
        """Answers that are right, and still not this model's by any fault, are another model's."""
        other = open_artifact(COMMITTED).manifest.golden
        assert other is not None
        contract = diagnose(float_device.artifact, np.array(other.logits, np.float32))
        assert contract.conclusion == "another model"
        assert f"{contract.correct} of 10 answers are right" in contract.sentence
        assert contract.chance < 0.01

    def test_chance(self) -> None:
        """The probability is that of the binomial distribution, and 1 for no right answer at all."""
        assert chance_of(0, images=10, classes=10) == pytest.approx(1)
        assert chance_of(2, images=10, classes=10) == pytest.approx(1 - 0.9**10 - 0.9**9)


class TestWithoutOnnx:
    @pytest.fixture(autouse=True)
    def _without_onnx(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(_: str, *, purpose: str) -> None:
            raise NotAvailable(f"{purpose} needs onnx")

        monkeypatch.setattr(network, "require", refuse)

    def test_pictures_and_outputs_are_still_tried(self, float_device: Device) -> None:
        """A device without onnx names what it can, and says what it did not try."""
        contract = diagnose(float_device.artifact, float_device.bytes_in(255 - PIXELS))
        assert named(contract) == "inverted"
        words = "not tried: every fault of the normalisation: trying faults of the normalisation needs onnx"
        assert [words] == contract.remarks

    def test_normalisation_is_not_guessed(self, float_device: Device) -> None:
        """What was not tried is not named, and its absence is told."""
        contract = diagnose(float_device.artifact, float_device.values_in(floats()))
        assert contract.conclusion == "none fits"
        assert contract.remarks


class TestBadInput:
    def test_shape(self, float_device: Device) -> None:
        """Outputs of another shape are refused."""
        with pytest.raises(BadInput, match="device: expected 10 by 10 finite numbers"):
            diagnose(float_device.artifact, np.zeros((10, 9), np.float32), source="device")

    def test_no_golden_outputs(self, float_device: Device) -> None:
        """An artifact without golden outputs cannot be compared with."""
        manifest = msgspec.structs.replace(float_device.artifact.manifest, golden=None)
        with pytest.raises(NotAvailable, match="carries no golden outputs to compare with"):
            diagnose(dataclasses.replace(float_device.artifact, manifest=manifest), np.zeros((10, 10), np.float32))

    def test_a_damaged_neighbour(self, own_run: Path, float_device: Device) -> None:
        """A broken file beside the artifact is told, and does not stop the diagnosis."""
        (own_run / "int8-static.onnx").write_bytes(b"damaged")
        contract = diagnose(open_artifact(own_run / "fp32.onnx"), float_device.bytes_in(255 - PIXELS))
        assert named(contract) == "inverted"
        assert contract.remarks[0].startswith("not tried: int8-static.onnx: ")


class TestCommand:
    def test_golden_file_there_and_back(
        self, float_device: Device, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """What is saved for a device passes as what it should write."""
        save_golden(float_device.artifact, tmp_path / "golden.npz")
        report = run_contract(float_device.artifact, tmp_path / "golden.npz", as_json=True)
        assert report.passed
        (tmp_path / "contract.json").write_text(capsys.readouterr().out)
        assert report == msgspec.structs.replace(ContractReport.load(tmp_path / "contract.json"), seal=report.seal)

    def test_difference_fails(self, float_device: Device, tmp_path: Path) -> None:
        """Outputs that differ are a failed check, whatever explains them."""
        np.savetxt(tmp_path / "device.csv", float_device.bytes_in(255 - PIXELS), delimiter=",")
        with pytest.raises(CheckFailed, match=r"device\.csv is not what .*fp32\.onnx answers: explained"):
            run_contract(float_device.artifact, tmp_path / "device.csv", as_json=True)


def test_table_shows_the_nearest_first(float_device: Device) -> None:
    """The table holds at most ten hypotheses with their figures; the notes hold the conclusion."""
    contract = diagnose(float_device.artifact, float_device.bytes_in(255 - PIXELS), source="device.csv")
    grid = contract_grid(contract)
    assert grid.title == "device.csv beside tiny/fp32"
    assert (*grid.rows[0].cells[:2], grid.rows[0].tone, grid.rows[0].cells[-1]) == ("1", "inverted", "good", "fits")
    assert {"does not fit"} == {row.cells[-1] for row in grid.rows[1:]}
    assert len(grid.rows) == 10
    assert contract.sentence == grid.notes[-1]
    assert f"10 of {len(contract.hypotheses)} shown, nearest first" in grid.notes
