"""Where reference logits come from."""

import dataclasses
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

pytest.importorskip("torch")

from edgefashion import runs, tensors, verify
from edgefashion.artifact import Artifact, open_artifact, stamp_checkpoint
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.files import UNSEALED
from edgefashion.records import Reference
from edgefashion.verify import find_reference, reference


@pytest.fixture
def without_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine on which torch is not installed, as far as the choice of a reference can tell."""
    monkeypatch.setattr(reference, "installed", lambda _: None)


def replace_checkpoint(run: Path) -> None:
    """Put another training's checkpoint into a run."""
    checkpoint = open_artifact(run / runs.CHECKPOINT)
    manifest = msgspec.structs.replace(checkpoint.manifest, training_seed=99, seal=UNSEALED)
    checkpoint.path.write_bytes(stamp_checkpoint(tensors.arrays(checkpoint.content, checkpoint.path), manifest))


def other_data(sample: Dataset) -> Dataset:
    """The sample under another data set's name."""
    return dataclasses.replace(sample, identity=msgspec.structs.replace(sample.identity, name="other"))


def test_auto_prefers_pytorch(fp32: Artifact, sample: Dataset) -> None:
    """Where torch and the checkpoint are here, the reference is PyTorch itself."""
    found = find_reference(fp32, sample)
    assert found.source.startswith("tiny/pytorch in pytorch 2.")
    assert found.logits.shape == (1_000, 10)
    assert not found.golden


@pytest.mark.usefixtures("without_torch")
def test_auto_takes_stored_logits_without_torch(fp32: Artifact, sample: Dataset) -> None:
    """Without torch the reference is what PyTorch answered when the model was trained."""
    found = find_reference(fp32, sample)
    stored = tensors.arrays((fp32.path.parent / runs.REFERENCE).read_bytes(), fp32.path)["logits"]
    assert found.source.startswith("stored logits of PyTorch 2.")
    np.testing.assert_array_equal(stored, found.logits)
    assert verify.compare(fp32, found, sample).passed


@pytest.mark.usefixtures("without_torch")
def test_auto_takes_golden_outputs_for_other_data(fp32: Artifact, sample: Dataset) -> None:
    """Stored logits of another data set are left alone for the golden outputs; asked for, they are refused."""
    assert find_reference(fp32, other_data(sample)).golden
    with pytest.raises(NotAvailable, match="holds logits for fashion-mnist-sample, not for other"):
        find_reference(fp32, other_data(sample), "stored")


def test_golden_outputs_travel_with_the_file(tiny_run: Path, sample: Dataset, tmp_path: Path) -> None:
    """A file that was copied alone is verified by the ten answers that it carries, and claims no accuracy."""
    for name in ("fp32", "int8-static", "fp16"):
        artifact = open_artifact(Path(shutil.copy(tiny_run / f"{name}.onnx", tmp_path)))
        found = find_reference(artifact, sample)
        assert found.source == "golden outputs in the artifact (10 pictures)"
        parity = verify.compare(artifact, found, sample)
        assert parity.passed
        assert (parity.images, parity.quality, parity.reference_quality) == (10, None, None)
        assert parity.max_abs < 1e-5


def test_golden_outputs_catch_another_model(tiny_run: Path, own_run: Path, sample: Dataset) -> None:
    """Golden outputs that are another model's do not pass."""
    golden = find_reference(open_artifact(own_run / "fp16.onnx"), sample, "golden")
    assert not verify.compare(open_artifact(tiny_run / "fp32.onnx"), golden, sample).passed


def test_stored_logits_work_without_torch_for_real(tiny_run: Path) -> None:
    """Verification against stored logits imports neither torch nor onnx, which a device does not have."""
    code = """
import sys
from pathlib import Path

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"torch", "torchvision", "onnx", "onnxscript"}:
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Absent())
from edgefashion import data, verify
from edgefashion.artifact import open_artifact
sample = data.load_sample()
artifact = open_artifact(Path(sys.argv[1]))
print(verify.compare(artifact, verify.find_reference(artifact, sample, "stored"), sample).passed)
print(verify.compare(artifact, verify.find_reference(artifact, sample, "golden"), sample).passed)
"""
    command = [sys.executable, "-c", code, str(tiny_run / "fp32.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True\nTrue\n"


@pytest.mark.parametrize("choice", ["auto", "pytorch"])
def test_checkpoint_of_another_training(choice: str, own_run: Path, sample: Dataset) -> None:
    """A checkpoint that the artifact was not exported from is refused as its reference."""
    replace_checkpoint(own_run)
    with pytest.raises(BadInput, match=r"checkpoint\.safetensors is not what .*fp32\.onnx was exported from"):
        find_reference(open_artifact(own_run / "fp32.onnx"), sample, choice)


def test_stored_logits_of_another_training(own_run: Path, sample: Dataset) -> None:
    """Stored logits of another checkpoint are refused."""
    path = own_run / runs.REFERENCE
    arrays, record = tensors.read(path, tensors.REFERENCE_KEY, Reference)
    other = msgspec.structs.replace(record, checkpoint_sha256="0" * 64, seal=UNSEALED)
    path.write_bytes(tensors.pack(arrays, tensors.REFERENCE_KEY, other))
    with pytest.raises(BadInput, match=r"reference\.safetensors is not what"):
        find_reference(open_artifact(own_run / "fp32.onnx"), sample, "stored")


@pytest.mark.usefixtures("without_torch")
def test_damaged_stored_logits(own_run: Path, sample: Dataset) -> None:
    """Damaged stored logits are reported, not passed over for the golden outputs."""
    path = own_run / runs.REFERENCE
    content = bytearray(path.read_bytes())
    content[-7] ^= 4
    path.write_bytes(content)
    for choice in ("auto", "stored"):
        with pytest.raises(BadInput, match="SHA-256"):
            find_reference(open_artifact(own_run / "fp32.onnx"), sample, choice)


def test_path_of_another_artifact(tiny_run: Path, sample: Dataset) -> None:
    """Any other artifact can be the reference, by its path."""
    int8 = open_artifact(tiny_run / "int8-static.onnx")
    found = find_reference(int8, sample, str(tiny_run / "fp32.onnx"))
    assert found.source.startswith("tiny/fp32 in onnxruntime 1.")
    with pytest.raises(BadInput, match=r"absent\.onnx does not exist"):
        find_reference(int8, sample, str(tiny_run / "absent.onnx"))


def test_unknown_choice(fp32: Artifact, sample: Dataset) -> None:
    """A misspelt kind of reference is answered with the nearest and the alternative."""
    with pytest.raises(UsageError, match=r"unknown reference 'pytroch': did you mean 'pytorch'\?.*path of an artifact"):
        find_reference(fp32, sample, "pytroch")


def test_artifact_without_golden_outputs(fp32: Artifact, sample: Dataset) -> None:
    """An artifact without golden outputs says what to give instead."""
    bare = dataclasses.replace(fp32, manifest=msgspec.structs.replace(fp32.manifest, golden=None))
    with pytest.raises(NotAvailable, match="carries no golden outputs: give --reference"):
        find_reference(bare, sample, "golden")


def test_a_model_is_no_reference_of_its_own(own_run: Path, sample: Dataset) -> None:
    """What agrees with itself proves nothing, under whatever name the file lies there."""
    copy = Path(shutil.copy(own_run / "fp32.onnx", own_run / "copy.onnx"))
    with pytest.raises(UsageError, match="compared with itself"):
        find_reference(open_artifact(own_run / "fp32.onnx"), sample, str(copy))
