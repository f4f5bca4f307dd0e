"""Models whose format has no room for a manifest: it lies beside them, and vouches for every byte."""

import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion import artifact as artifacts
from edgefashion import runs
from edgefashion.artifact import Artifact, from_files, open_artifact, save, sidecar_of
from edgefashion.errors import BadInput
from edgefashion.files import UNSEALED, seal
from edgefashion.records import Manifest, Sidecar
from edgefashion.records.base import encode_unsealed
from edgefashion.subjects import open_model

COMMITTED = Path(__file__).parents[1] / "exported" / "seed-reference"
FILES = {"ncnn-fp32.param": b"7767517\n", "ncnn-fp32.bin": bytes(range(64))}


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """That of a committed model, as if it were of another format."""
    found = open_artifact(COMMITTED / "fp32.onnx").manifest
    return msgspec.structs.replace(found, format="ncnn", variant="ncnn-fp32", seal=UNSEALED)


@pytest.fixture
def kept(manifest: Manifest, tmp_path: Path) -> Artifact:
    """A model of two files, written."""
    made = from_files(tmp_path / "ncnn-fp32.param", FILES, manifest)
    save(made)
    return made


def test_what_is_saved_is_what_is_opened(kept: Artifact) -> None:
    """Content, further files and manifest come back; the digest is that of all bytes, the size too."""
    found = open_artifact(kept.path)
    assert (kept.content, kept.parts, kept.sha256, 72) == (found.content, found.parts, found.sha256, found.size_bytes)
    assert msgspec.structs.replace(kept.manifest, seal="") == msgspec.structs.replace(found.manifest, seal="")
    assert (found.format, found.info.variant, found.info.file) == ("ncnn", "ncnn-fp32", "ncnn-fp32.param")


def test_commands_take_it_like_any_other_model(kept: Artifact) -> None:
    """What opens models that may be foreign knows it as an artifact."""
    assert kept.sha256 == open_model(kept.path).sha256


@given(data=st.data())
def test_no_changed_byte_passes(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory, manifest: Manifest
) -> None:
    """A flipped bit or a cut in any of the files is refused in one line that names a file."""
    folder = tmp_path_factory.mktemp("flip")
    save(from_files(folder / "ncnn-fp32.param", FILES, manifest))
    victim = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = victim.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    if data.draw(st.booleans()):
        changed = content[:position]
    else:
        changed = bytearray(content)
        changed[position] ^= 1 << data.draw(st.integers(0, 7))
    victim.write_bytes(changed)
    with pytest.raises(BadInput, match=r"ncnn-fp32") as caught:
        open_artifact(folder / "ncnn-fp32.param")
    assert "\n" not in str(caught.value)
    shutil.rmtree(folder)


def test_a_lost_file_is_named(kept: Artifact) -> None:
    """A model that was copied without its second file is refused."""
    kept.path.with_name("ncnn-fp32.bin").unlink()
    with pytest.raises(BadInput, match=r"ncnn-fp32\.bin does not exist"):
        open_artifact(kept.path)


def test_a_lost_manifest_is_named(kept: Artifact) -> None:
    """A model that was copied without its manifest is refused, and the message says what should lie beside it."""
    sidecar_of(kept.path).unlink()
    with pytest.raises(BadInput, match=r"ncnn-fp32\.param\.json is not beside it"):
        open_artifact(kept.path)


def test_a_renamed_model_is_said_to_be_renamed(kept: Artifact) -> None:
    """A manifest that speaks of files of other names vouches for nothing."""
    other = kept.path.with_name("mine.param")
    kept.path.rename(other)
    sidecar_of(kept.path).rename(sidecar_of(other))
    with pytest.raises(BadInput, match=r"is not about mine\.param: .* was one renamed\?"):
        open_artifact(other)


@pytest.mark.parametrize("name", ["../checkpoint.safetensors", "/etc/hostname", "sub/x.bin"])
def test_files_lie_in_one_folder(name: str, kept: Artifact) -> None:
    """A manifest that names a file elsewhere is refused before that is read."""
    assert isinstance(kept.manifest, Sidecar)
    elsewhere = msgspec.structs.replace(kept.manifest, files={**kept.manifest.files, name: UNSEALED})
    sidecar_of(kept.path).write_bytes(seal(encode_unsealed(elsewhere)))
    with pytest.raises(BadInput, match="expected files in its own folder"):
        open_artifact(kept.path)


def test_the_manifest_is_written_last(kept: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut off at any of its files, what was there before no longer passes for a whole model."""
    write = artifacts.atomic_write
    for cut in range(3):
        save(kept)
        written: list[Path] = []

        def stop_at(path: Path, content: bytes, cut: int = cut, written: list[Path] = written) -> Path:
            if len(written) == cut:
                raise KeyboardInterrupt
            written.append(path)
            return write(path, content)

        with monkeypatch.context() as patch:
            patch.setattr(artifacts, "atomic_write", stop_at)
            with pytest.raises(KeyboardInterrupt):
                save(kept)
        with pytest.raises(BadInput):
            open_artifact(kept.path)


class TestInARun:
    """A run's folder holds models of every format."""

    @pytest.fixture
    def run(self, manifest: Manifest, tmp_path: Path) -> Path:
        folder = Path(shutil.copytree(COMMITTED, tmp_path / "run"))
        save(from_files(folder / "ncnn-fp32.param", FILES, manifest))
        in_c = msgspec.structs.replace(manifest, format="c", variant="c-fp32")
        save(from_files(folder / "c-fp32" / "model.c", {"model.c": b"int x;", "model.h": b"extern int x;"}, in_c))
        return folder

    def test_all_are_found_onnx_first(self, run: Path) -> None:
        """Those with a folder of their own too."""
        found = [each.manifest.variant for each in runs.artifacts_in(run)]
        assert [*(each.manifest.variant for each in runs.onnx_in(run)), "c-fp32", "ncnn-fp32"] == found
        assert found[0] == "fp32"

    def test_each_knows_its_run(self, run: Path) -> None:
        """Where the checkpoint lies, also for a model in a folder of its own."""
        assert {run} == {runs.run_of(each) for each in runs.artifacts_in(run)}

    def test_training_anew_removes_them(self, run: Path) -> None:
        """No model of an earlier training is left beside a new checkpoint."""
        runs.clear(run)
        assert runs.artifacts_in(run) == []

    def test_a_damaged_one_is_refused_with_the_run(self, run: Path) -> None:
        """As a damaged ONNX model would be."""
        (run / "c-fp32" / "model.h").write_bytes(b"extern long x;")
        with pytest.raises(BadInput, match=r"model\.h does not match the SHA-256 in model\.c\.json"):
            runs.artifacts_in(run)
