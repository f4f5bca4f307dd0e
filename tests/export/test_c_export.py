"""Export to C: the same bits as ONNX Runtime, in files that prove themselves wherever they are copied."""

import ctypes
import re
import shutil
import site
import subprocess
import tempfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from places import moved

onnx = pytest.importorskip("onnx")
pytest.importorskip("torch")
onnxruntime = pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper, numpy_helper  # noqa: E402 - after the skips

from edgefashion import data, environment, export, quantize  # noqa: E402
from edgefashion.artifact import Artifact, open_artifact  # noqa: E402
from edgefashion.cli.emulate import source_of  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import c as converter  # noqa: E402
from edgefashion.export.c_files.beside import c_float, c_string  # noqa: E402
from edgefashion.export.c_files.code import Tensor, assign_places, generate, share_memory  # noqa: E402
from edgefashion.export.c_files.graph import for_one_picture  # noqa: E402
from edgefashion.quantize import qat  # noqa: E402
from edgefashion.runtimes import c as runtime  # noqa: E402
from edgefashion.runtimes import default_spec, open_session, run_all  # noqa: E402
from edgefashion.verify import Limits, find_reference  # noqa: E402

GENERATOR = environment.installed("emx-onnx-cgen")
MAKE = shutil.which("make")
needs_compiler = pytest.mark.skipif(
    runtime.available().version is None or MAKE is None, reason="there is no C compiler, or no make"
)
needs_generator = pytest.mark.skipif(GENERATOR is None, reason="emx-onnx-cgen is not installed")

LOOSE = Limits(min_agreement=0.9)


@pytest.fixture(scope="module")
def run_in_c(tiny_run: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with its models in C."""
    folder = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("c") / "tiny"))
    quantize.apply(open_artifact(folder / "fp32.onnx"), "qoperator", sample, limits=LOOSE)
    for precision in converter.PRECISIONS:
        export.convert("c", open_artifact(folder / "checkpoint.safetensors"), sample, precision=precision)
    return folder


@pytest.fixture(params=["c-fp32", "c-int8"])
def model(request: pytest.FixtureRequest, run_in_c: Path) -> Artifact:
    """A model in C."""
    return open_artifact(run_in_c / request.param / "model.c")


@pytest.fixture
def own_folder(model: Artifact, tmp_path: Path) -> Path:
    """A copy of its folder that a test may damage."""
    return Path(shutil.copytree(model.path.parent, tmp_path / "own"))


def beside_fp32(checkpoint: Artifact, folder: Path) -> Artifact:
    """A checkpoint in another folder with the float32 model beside it."""
    shutil.copy(checkpoint.path.with_name("fp32.onnx"), folder)
    return moved(checkpoint, folder)


def logits_of(artifact: Artifact, pixels: np.ndarray) -> np.ndarray:
    """What an artifact answers in its own runtime, picture by picture."""
    with open_session(artifact, default_spec(artifact)) as session:
        return run_all(session, pixels)


def make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run make in a folder."""
    assert MAKE is not None
    return subprocess.run([MAKE, *arguments], cwd=folder, capture_output=True, text=True, check=False, timeout=120)


# What it computes


@needs_generator
@needs_compiler
def test_integers_have_the_bits_of_onnx_runtime(run_in_c: Path, sample: Dataset) -> None:
    """int8 logits in C are those of ONNX Runtime for every picture, to the last bit."""
    model = open_artifact(run_in_c / "c-int8" / "model.c")
    np.testing.assert_array_equal(logits_of(source_of(model), sample.test.pixels), logits_of(model, sample.test.pixels))


@needs_generator
@needs_compiler
def test_floats_decide_like_pytorch(run_in_c: Path, sample: Dataset) -> None:
    """float32 logits in C decide every picture as PyTorch does, and differ by no more than the order of sums."""
    model = open_artifact(run_in_c / "c-fp32" / "model.c")
    expected = logits_of(open_artifact(run_in_c / "checkpoint.safetensors"), sample.test.pixels)
    logits = logits_of(model, sample.test.pixels)
    np.testing.assert_array_equal(expected.argmax(1), logits.argmax(1))
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@needs_generator
@needs_compiler
@pytest.mark.slow
@pytest.mark.parametrize("name", ["seed-reference", "tiny", "edge"])
def test_released_models_on_the_whole_test_set(name: str, full: Dataset, tmp_path: Path) -> None:
    """A released model in C gives ONNX Runtime's int8 bits, and PyTorch's decisions, on all 10,000 pictures."""
    released = Path(__file__).parents[2] / "exported" / name
    run = Path(shutil.copytree(released, tmp_path / name))
    checkpoint, fp32 = open_artifact(run / "checkpoint.safetensors"), open_artifact(run / "fp32.onnx")
    quantize.apply(fp32, "qoperator", full)
    _, parity = export.convert("c", checkpoint, full, precision="int8")
    assert (parity.images, parity.max_abs) == (10_000, 0.0)
    reference = find_reference(fp32, full, "pytorch")
    _, parity = export.convert("c", checkpoint, full, reference=reference)
    assert (parity.images, parity.agreement) == (10_000, 1.0)


@needs_generator
@needs_compiler
def test_sums_in_the_middle_of_two_levels() -> None:
    """A fully connected layer rounds where ONNX Runtime rounds, also where float64 would round to the other level."""
    data_scale, weight_scale, output_scale = np.float32([0.0123, 0.00345, 4.56])
    middles = (np.arange(-120, 120) + 0.5) / float(data_scale * weight_scale / output_scale)
    sums = (middles[:, None] + np.arange(-2, 3)).round().astype(np.int32).ravel()
    as_float32 = sums.astype(np.float32) * (data_scale * weight_scale / output_scale)
    as_float64 = sums.astype(np.float64) * float(data_scale) * float(weight_scale) / float(output_scale)
    told_apart = sums[np.rint(as_float32) != np.rint(as_float64)][:32]
    assert len(told_apart) > 5
    model = fully_connected(told_apart, float(data_scale), float(weight_scale), float(output_scale))
    given = np.zeros((1, 4), np.uint8)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {"images": given})
    np.testing.assert_array_equal(expected, call(generate(for_one_picture(model)), given, expected.shape))


def fully_connected(biases: np.ndarray, data_scale: float, weight_scale: float, output_scale: float) -> Any:
    """A QGemm whose sums for a picture of zeros are its biases, and the levels that they are rounded to."""
    constants = {
        "s": np.float32(data_scale),
        "z": np.uint8(0),
        "w": np.ones((len(biases), 4), np.int8),
        "ws": np.float32([weight_scale] * len(biases)),
        "wz": np.zeros(len(biases), np.int8),
        "b": biases,
        "ys": np.float32(output_scale),
        "yz": np.uint8(128),
    }
    nodes = [
        helper.make_node(
            "QGemm",
            ["images", "s", "z", "w", "ws", "wz", "b", "ys", "yz"],
            ["levels"],
            name="gemm",
            domain="com.microsoft",
            transB=1,
        ),
        helper.make_node("DequantizeLinear", ["levels", "ys", "yz"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", len(biases)])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("com.microsoft", 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def call(code: str, given: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """What generated code answers."""
    inputs, outputs = ("".join(f"[{size}]" for size in sizes[1:]) for sizes in (given.shape, shape))
    entry = f"void entry(void *given, void *got) {{ network((uint8_t (*){inputs})given, (float (*){outputs})got); }}"
    got = np.empty(shape, np.float32)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "code.c").write_text(f"{code}\n{entry}\n")
        command = [*runtime.find_compiler(), *runtime.STANDARD, "-w", "-shared", "-fPIC", "code.c", "-o", "code.so"]
        subprocess.run([*command, "-lm"], cwd=folder, check=True)
        ctypes.CDLL(f"{folder}/code.so").entry(ctypes.c_void_p(given.ctypes.data), ctypes.c_void_p(got.ctypes.data))
    return got


# What it writes


@needs_generator
@needs_compiler
def test_manifest(model: Artifact) -> None:
    """The manifest names the format and what it was made from and with."""
    source = source_of(model)
    manifest = model.manifest
    short = {"float32": "fp32", "int8": "int8"}[manifest.precision]
    assert (f"c-{short}", "c", None) == (manifest.variant, manifest.format, manifest.opset)
    assert source.manifest.quantization == manifest.quantization
    assert source.manifest.checkpoint_sha256 == manifest.checkpoint_sha256
    assert manifest.versions["emx-onnx-cgen"] == GENERATOR
    assert manifest.golden is not None
    assert {"model.h", "selftest.c", "golden.h", "example.c", "Makefile", "README.md"} == model.parts.keys()


@needs_generator
@needs_compiler
def test_same_bytes_again(run_in_c: Path) -> None:
    """The same model gives the same bytes, without a path of this machine in them."""
    model = open_artifact(run_in_c / "c-int8" / "model.c")
    files = {model.path.name: model.content, **model.parts}
    assert converter.c_files(source_of(model)) == files
    for name, content in files.items():
        text = content.decode()
        for place in (str(model.path.parent.parent), str(Path.home()), *site.getsitepackages()):
            assert place not in text, name
        assert "@" not in re.sub(r"\$@", "", text) or name == "model.c", f"{name} has a place that was not filled in"


@needs_generator
@needs_compiler
def test_one_name_is_visible(own_folder: Path) -> None:
    """Firmware that links the model gets one name, and calls nothing but the mathematics of the C library."""
    make(own_folder, "model.o")
    nm = shutil.which("nm")
    assert nm is not None
    said = subprocess.run([nm, "model.o"], cwd=own_folder, capture_output=True, text=True, check=True).stdout
    names = {line.split()[-1]: line.split()[-2] for line in said.splitlines()}
    assert [name for name, kind in names.items() if kind.isupper() and kind != "U"] == ["edgefashion_run"]
    used = {name for name, kind in names.items() if kind == "U"} - {"_GLOBAL_OFFSET_TABLE_", "__stack_chk_fail"}
    assert used <= {"expf", "nearbyintf", "nearbyint", "fmaxf", "fminf", "memcpy", "memset", "memmove"}


@needs_generator
@needs_compiler
def test_no_warning(own_folder: Path) -> None:
    """Nothing warns; only the generated file is not asked to be pedantic."""
    done = make(own_folder, "all", "CFLAGS=-O2 -Werror")
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split()[-1] for line in done.stdout.splitlines() if "-pedantic" not in line] == ["model.c"]


@needs_generator
@needs_compiler
def test_self_test(own_folder: Path) -> None:
    """`make test` passes as it is, and the example names the golden pictures."""
    done = make(own_folder, "test")
    assert done.returncode == 0, done.stderr
    assert "10 of 10 golden pictures are answered as they must be" in done.stdout
    make(own_folder, "example")
    said = subprocess.run([own_folder / "example"], capture_output=True, text=True, check=True).stdout
    assert len(said.splitlines()) == 10


@needs_generator
@needs_compiler
def test_self_test_finds_another_weight(own_folder: Path) -> None:
    """One changed weight of the last layer makes `make test` fail: the gate fires."""
    code = own_folder / "model.c"
    text = code.read_text()
    # The last weights in the file are those of the last layer.
    values = list(re.finditer(r"^static const EMX_UNUSED (?:int8_t|float) \w+(?:\[\d+\]){2,} = {", text, re.MULTILINE))
    place = re.compile(r"-?\d[^,\s}]*").search(text, values[-1].end())
    assert place is not None
    other = "-128" if "int8_t" in values[-1][0] and place[0] != "-128" else "100"
    code.write_text(text[: place.start()] + other + text[place.end() :])
    done = make(own_folder, "test")
    assert done.returncode != 0
    assert re.search(r"picture \d+, class \d+: \S+, expected", done.stdout)


@needs_generator
@needs_compiler
@pytest.mark.parametrize("name", ["model.c", "model.h", "golden.h", "selftest.c", "Makefile", "model.c.json"])
def test_damage_is_refused(name: str, own_folder: Path) -> None:
    """A flipped bit in any file is found when the model is opened."""
    open_artifact(own_folder / "model.c")
    content = bytearray((own_folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (own_folder / name).write_bytes(content)
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        open_artifact(own_folder / "model.c")


# What it refuses


@needs_generator
@needs_compiler
def test_another_source(run_in_c: Path, sample: Dataset, tmp_path: Path) -> None:
    """What was trained with rounding in the loop, in QOperator form, becomes C with its very bits too."""
    fp32 = moved(open_artifact(run_in_c / "fp32.onnx"), tmp_path)
    config = qat.Config(operators=True, calibration_images=50)
    trained, _ = quantize.apply(fp32, "qat", sample, config=config, limits=LOOSE)
    checkpoint = moved(open_artifact(run_in_c / "checkpoint.safetensors"), tmp_path)
    made, _ = export.convert("c", checkpoint, sample, precision="int8", source=trained, limits=LOOSE)
    assert (made.manifest.variant, made.manifest.quantization) == ("c-int8", trained.manifest.quantization)
    (tmp_path / "fp32.onnx").write_bytes(fp32.content)
    assert source_of(made).content == trained.content


@needs_generator
@needs_compiler
def test_one_other_bit_is_found(
    run_in_c: Path, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Code that rounds otherwise is not kept, although it decides well enough."""
    source = open_artifact(run_in_c / "int8-qoperator.onnx")
    files = converter.c_files(source)
    text = files["model.c"].decode()
    towards_zero = text.replace("nearbyintf(scaled)", "truncf(scaled)", 1)
    assert towards_zero != text
    monkeypatch.setattr(converter, "c_files", lambda *_: {**files, "model.c": towards_zero.encode()})
    shutil.copy(source.path, tmp_path)
    checkpoint = moved(open_artifact(run_in_c / "checkpoint.safetensors"), tmp_path)
    with pytest.raises(CheckFailed, match=r"of 100 pictures, first \d+, have other logits in C than int8-qoperator"):
        export.convert("c", checkpoint, small, precision="int8", limits=LOOSE)
    assert [path.name for path in tmp_path.iterdir()] == [source.path.name]


@pytest.mark.skipif(GENERATOR is not None, reason="emx-onnx-cgen is installed")
def test_without_the_generator(checkpoint: Artifact, small: Dataset, tmp_path: Path) -> None:
    """The format is refused with what installs it."""
    with pytest.raises(NotAvailable, match=r"exporting to c needs emx_onnx_cgen.*edgefashion\[c\]"):
        export.convert("c", beside_fp32(checkpoint, tmp_path), small)


@needs_compiler
@pytest.mark.parametrize("variant", ["int8-static", "int8-dynamic"])
def test_models_that_it_does_not_take(variant: str, tiny_run: Path, small: Dataset, tmp_path: Path) -> None:
    """Integers in QDQ form, and ranges that are found as the model runs, are refused before any work."""
    source = open_artifact(tiny_run / f"{variant}.onnx")
    with pytest.raises(UsageError, match=r"computes in float32 .* qoperator and qat:operators=true make"):
        converter.convert(source, small, precision="int8", path=tmp_path / "model.c", note=data.silent)


@needs_generator
def test_without_a_compiler(
    checkpoint: Artifact, small: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compiler nothing can be proven, and so nothing is generated."""
    monkeypatch.setenv("CC", "my-own-compiler")
    monkeypatch.setattr(converter, "c_files", lambda *_: pytest.fail("generated"))
    with pytest.raises(NotAvailable, match="c is not installed"):
        export.convert("c", beside_fp32(checkpoint, tmp_path), small)


@needs_generator
@needs_compiler
def test_the_self_test_keeps_its_pictures(checkpoint: Artifact, small: Dataset, tmp_path: Path) -> None:
    """Without pictures in the manifest the C beside it still has those that it tests itself with."""
    made, _ = export.convert("c", beside_fp32(checkpoint, tmp_path), small, pictures=False)
    assert made.manifest.golden is not None
    assert made.manifest.golden.pixels == ""
    assert "#define GOLDEN_PICTURES 10\n" in (made.path.parent / "golden.h").read_text()


@needs_generator
def test_operators_that_cannot_be_written(fp32: Artifact) -> None:
    """A model with an operator that the generator does not know fails with its name."""
    model = for_one_picture(onnx.load_model_from_string(fp32.content))
    model.graph.node[-1].op_type = "NoSuchOperator"
    with pytest.raises(CheckFailed, match=r"emx-onnx-cgen cannot write this model in C: .*NoSuchOperator"):
        generate(model)


# Pieces


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5), st.integers(0, 5)), max_size=12))
def test_tensors_in_one_place_do_not_meet(drawn: list[tuple[int, int, int]]) -> None:
    """Every tensor gets one place, and those in the same place are used one after the other."""
    tensors = [Tensor(f"t{n}", size, first, first + more) for n, (size, first, more) in enumerate(drawn)]
    places = assign_places(tensors)
    assert sorted(t.name for t in tensors) == sorted(t.name for place in places for t in place)
    assert all(before.last < after.first for place in places for before, after in pairwise(place))


def test_a_chain_takes_two_places() -> None:
    """Layers one after the other take the largest of the even and of the odd tensors."""
    chain = [Tensor(f"t{index}", 100 - index, index, index + 1) for index in range(6)]
    assert [[t.name for t in place] for place in assign_places(chain)] == [["t0", "t2", "t4"], ["t1", "t3", "t5"]]


def test_memory_is_shared_in_the_code() -> None:
    """Tensors move into unions, with the calls that use them; code of another shape stays as it is."""
    code = (
        "int before;\nvoid network(const uint8_t images[restrict 1][2], float logits[restrict 1][2]) {\n"
        "    uint8_t tmp0_a[1][2];\n    float tmp1_b[1][2];\n    uint8_t tmp2_c[1][2];\n"
        "    node0(images, tmp0_a);\n    node1(tmp0_a, weight, tmp1_b);\n    node2(tmp1_b, tmp2_c);\n"
        "    node3(tmp2_c, logits);\n}\n"
    )
    shared = share_memory(code)
    assert "    union {\n        uint8_t tmp0_a[1][2];\n        uint8_t tmp2_c[1][2];\n    } place0;\n" in shared
    assert "    union {\n        float tmp1_b[1][2];\n    } place1;\n" in shared
    assert "    node2(place1.tmp1_b, place0.tmp2_c);\n    node3(place0.tmp2_c, logits);\n}\n" in shared
    assert "node1(place0.tmp0_a, weight, place1.tmp1_b);" in shared
    other = code.replace("network", "another")
    assert other == share_memory(other)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_keep_their_bits(value: float) -> None:
    """A float in C is a number with a point or an exponent, and reads as the same float32."""
    text = c_float(np.float32(value))
    assert re.fullmatch(r"-?\d+(\.\d+)?(e[+-]?\d+)?f", text)
    assert "." in text or "e" in text
    assert np.float32(text[:-1]).tobytes() == np.float32(value).tobytes()


@given(st.text())
def test_strings_are_plain(text: str) -> None:
    """A string in C is plain ASCII that ends nowhere early, and stands for the same UTF-8."""
    literal = c_string(text)
    inside = literal[1:-1]
    assert (literal[0], literal[-1]) == ('"', '"')
    assert inside.isascii()
    assert not set(inside) & set('"?\n')
    read = re.sub(rb"\\([0-7]{3})", lambda found: bytes((int(found[1], 8),)), inside.encode())
    assert read == text.encode()
