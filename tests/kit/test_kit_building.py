"""What a kit is made of, and what it is not made of."""

import ast
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest
from packing import RUN, model, pack

from edgefashion import kit
from edgefashion.artifact import Artifact
from edgefashion.errors import BadInput, CannotWrite, CheckFailed, NotAvailable, UsageError
from edgefashion.files import sha256
from edgefashion.kit.oldest import needs_of, oldest_for
from edgefashion.records.kit import Kit, Link, OldestRuntime, OldestRuntimes


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return kit.build(model())


def changed(artifact: Artifact, **changes: object) -> Artifact:
    """The same file, saying something else of itself."""
    return replace(artifact, manifest=msgspec.structs.replace(artifact.manifest, **changes))


def test_same_model_same_bytes(files: dict[str, bytes], tmp_path: Path) -> None:
    """Packed twice, as a folder's files and as a zip."""
    assert files == kit.build(model())
    first, second = (kit.write_zip(files, tmp_path / place / "a.zip").read_bytes() for place in ("one", "two"))
    assert first == second


def test_the_zip_is_the_folder(files: dict[str, bytes], tmp_path: Path) -> None:
    """Under one folder of the zip's name, readable by everyone."""
    with zipfile.ZipFile(kit.write_zip(files, tmp_path / "edge-kit.zip")) as archive:
        assert {f"edge-kit/{name}": content for name, content in files.items()} == {
            entry.filename: archive.read(entry) for entry in archive.infolist()
        }
        assert {0o100644} == {entry.external_attr >> 16 for entry in archive.infolist()}


def test_the_package_imports_nothing_that_a_device_lacks(files: dict[str, bytes]) -> None:
    """Top-level imports are of the standard library, numpy and itself, and each module of its own is there."""
    modules = {name.removesuffix(".py").replace("/", ".") for name in files if name.endswith(".py")}
    for name, content in files.items():
        if not name.endswith(".py"):
            continue
        tree = ast.parse(content)
        own = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}
        assert set() == {module for module in own if module.startswith("edgefashion")} - modules
        # Modules are named in texts as well: as places where a runtime is, and in what a new process runs.
        assert b"edgefashion.kit" not in content
        top = {node.module or "" for node in tree.body if isinstance(node, ast.ImportFrom)}
        top |= {alias.name for node in tree.body if isinstance(node, ast.Import) for alias in node.names}
        assert {module.split(".")[0] for module in top} <= {*sys.stdlib_module_names, "numpy", "edgefashion_kit"}


def test_the_first_file_to_run_is_empty(files: dict[str, bytes]) -> None:
    """Python runs __init__.py before anything can look at it: where there are no bytes none is damaged."""
    assert files["edgefashion_kit/__init__.py"] == b""


def test_the_chain_leads_from_the_data_set_to_the_kit(files: dict[str, bytes]) -> None:
    """Each digest is that of the thing it names, and the README tells all of them."""
    artifact = model()
    chain = {link.what: link for link in msgspec.json.decode(files["kit.json"], type=Kit).chain}
    manifest = artifact.manifest
    assert manifest.quantization is not None
    assert [
        manifest.training_data.sha256,
        sha256((RUN / "checkpoint.safetensors").read_bytes()),
        manifest.quantization.calibration_sha256,
        sha256((RUN / "int8-static.onnx").read_bytes()),
        sha256(files["golden-pictures.npy"]),
        sha256(files["golden-logits.npy"]),
    ] == [link.sha256 for link in chain.values()]
    assert [link.read for link in chain.values()] == [False, True, False, True, True, True]
    assert [link for link in chain.values() if link.sha256 not in files["README.md"].decode()] == []


def test_golden_pictures_are_the_model_s_own(packed: Path) -> None:
    """Ten pictures and, bit for bit, the logits in the model's manifest."""
    golden = model().manifest.golden
    assert golden is not None
    assert np.array_equal(np.float32(golden.logits), np.load(packed / "golden-logits.npy"))
    assert np.array_equal(golden.pictures(RUN), np.load(packed / "golden-pictures.npy"))


def test_pictures_of_the_sample_are_packed_where_the_model_has_none() -> None:
    """A device has no sample: what the model carries only by number is in the kit as pictures."""
    lean = kit.build(kit.choose(RUN.parent / "edge")[0])
    rich = kit.build(model())
    assert lean["golden-pictures.npy"] == rich["golden-pictures.npy"]


def test_a_model_without_its_checkpoint_is_packed_and_says_so(tmp_path: Path) -> None:
    """The checkpoint's digest is then only repeated."""
    lone = replace(model(), path=tmp_path / "int8-static.onnx")
    listed = msgspec.json.decode(kit.build(lone)["kit.json"], type=Kit)
    found: dict[str, Link] = {link.what: link for link in listed.chain}
    assert (False, model().manifest.checkpoint_sha256) == (found["checkpoint"].read, found["checkpoint"].sha256)


def test_another_run_s_checkpoint_is_refused() -> None:
    """A chain whose links do not hold together is none."""
    with pytest.raises(BadInput, match="was not exported from"):
        kit.build(replace(model(), path=RUN.parent / "edge" / "int8-static.onnx"))


def test_what_cannot_be_proven_is_not_packed() -> None:
    """A model without golden outputs, one that does not repeat them, and a format without a runner."""
    golden = model().manifest.golden
    assert golden is not None
    with pytest.raises(NotAvailable, match="carries no golden outputs"):
        kit.build(changed(model(), golden=None))
    wrong = msgspec.structs.replace(golden, logits=[row[::-1] for row in golden.logits])
    with pytest.raises(CheckFailed, match="does not repeat its own golden outputs here"):
        kit.build(changed(model(), golden=wrong))
    with pytest.raises(UsageError, match="a kit is made of onnx"):
        kit.build(changed(model(), format="safetensors"))


# On disk


def test_a_kit_replaces_a_kit(tmp_path: Path) -> None:
    """Files of the earlier one go, results stay, and the new one is whole."""
    folder = pack(tmp_path / "kit")
    (folder / "kit-result.json").write_text("mine")
    pack(folder, "fp32")
    assert ((folder / "int8-static.onnx").exists(), (folder / "fp32.onnx").exists()) == (False, True)
    assert (folder / "kit-result.json").read_text() == "mine"
    assert Kit.load(folder / "kit.json").artifact.variant == "fp32"


def test_a_folder_of_something_else_stays(tmp_path: Path, files: dict[str, bytes]) -> None:
    """A kit is never written among other people's files."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(CannotWrite, match="is no kit"):
        kit.write_folder(files, tmp_path)
    assert [tmp_path / "letter.txt"] == list(tmp_path.iterdir())


def test_a_hostile_kit_deletes_nothing_elsewhere(tmp_path: Path, files: dict[str, bytes]) -> None:
    """What an earlier kit.json lists outside of its folder is left alone."""
    (tmp_path / "letter.txt").write_text("dear")
    folder = kit.write_folder(files, tmp_path / "kit")
    listed = Kit.load(folder / "kit.json")
    msgspec.structs.replace(listed, files={**listed.files, "../letter.txt": "0" * 64}).save(folder / "kit.json")
    kit.write_folder(files, folder)
    assert (tmp_path / "letter.txt").exists()


# Which model


@pytest.mark.parametrize(
    ("kept", "variant", "why"),
    [
        (("fp32", "int8-dynamic", "int8-static"), "int8-static", "of 2 int8 models the one quantized by 'static'"),
        (("fp32", "int8-dynamic"), "int8-dynamic", "the run's int8 model"),
        (("fp32",), "fp32", "the run has no int8 model"),
    ],
)
def test_an_int8_model_is_preferred(tmp_path: Path, kept: tuple[str, ...], variant: str, why: str) -> None:
    """Of several the one whose operators fuse everywhere; without any, float32."""
    for name in kept:
        (tmp_path / f"{name}.onnx").write_bytes((RUN / f"{name}.onnx").read_bytes())
    chosen, reason = kit.choose(tmp_path)
    assert (variant, True) == (chosen.manifest.variant, reason.startswith(why))


def test_a_model_can_be_named(tmp_path: Path) -> None:
    """By its variant or its file; a wrong name is told the right ones."""
    assert kit.choose(RUN, "fp32")[0].manifest.variant == "fp32"
    assert kit.choose(RUN, str(RUN.parent / "tiny" / "fp32.onnx"))[0].manifest.name == "tiny"
    with pytest.raises(UsageError, match="expected one of fp32, int8-dynamic, int8-static"):
        kit.choose(RUN, "int4")
    with pytest.raises(BadInput, match="has no exported ONNX model"):
        kit.choose(tmp_path)


# The oldest runtime


def oldest(**changes: object) -> OldestRuntime:
    needs = msgspec.structs.replace(needs_of(model()), **changes)
    return OldestRuntime(needs, "1.2.0", "1.1.3", "it refuses the model", "1.9.0", "3.11", "x86_64")


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("edgefashion.kit.oldest.STORED", tmp_path / "stored.json")
    return tmp_path / "stored.json"


def test_needs_are_read_without_the_onnx_package() -> None:
    """Format, operator set, operators and precision, as the file says."""
    needs = needs_of(model())
    assert (needs.precision, needs.ir_version, needs.opset) == ("int8", 10, 20)
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= set(needs.operators)
    assert needs.operators == sorted(set(needs.operators))
    assert {1, 3} <= set(needs.types)  # float32 and int8


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, True),
        ({"operators": [*needs_of(model()).operators, "Erf"]}, False),
        ({"types": [1]}, False),
        ({"opset": 21}, False),
        ({"ir_version": 11}, False),
        ({"precision": "float32"}, False),
    ],
)
def test_only_a_file_with_the_same_needs_is_measured(stored: Path, changes: dict[str, object], *, found: bool) -> None:
    """A file with another operator or type may work in older releases, or in none of these."""
    OldestRuntimes(runtime="onnxruntime", measured=[oldest(**changes)]).save(stored)
    assert found == (oldest_for(model()) is not None)


def test_what_was_not_measured_is_not_told(stored: Path) -> None:
    """A kit without a measurement says so, one with it tells release and reason."""
    without = kit.build(model())
    assert b"was not measured" in without["README.md"]
    OldestRuntimes(runtime="onnxruntime", measured=[oldest()]).save(stored)
    measured = kit.build(model())
    assert b"correctly is 1.2.0" in measured["README.md"]
    assert b"1.1.3 fails: it refuses the model" in measured["README.md"]


def test_the_stored_measurement_is_sound() -> None:
    """What was measured of the committed models is found by them."""
    found = [oldest_for(model(variant)) for variant in ("fp32", "int8-static", "int8-dynamic")]
    assert None not in found
