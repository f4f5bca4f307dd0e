"""C as a runtime: what is compiled, with what, and what is refused."""

import gc
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from c_models import CODE, answers, files, manifest_in_c

from edgefashion.artifact import Artifact, from_files, open_artifact, save
from edgefashion.data import Dataset
from edgefashion.errors import BadInput, NotAvailable, UsageError
from edgefashion.records import Manifest, SessionSpec
from edgefashion.runtimes import c as runtime
from edgefashion.runtimes import default_spec, open_session

needs_compiler = pytest.mark.skipif(
    not any(map(shutil.which, ("cc", "gcc", "clang"))), reason="there is no C compiler here"
)


@pytest.fixture(autouse=True)
def _own_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test sees the compiler that the person who runs it has chosen."""
    monkeypatch.delenv("CC", raising=False)


@pytest.fixture
def model(manifest: Manifest) -> Artifact:
    """A model written by hand."""
    return made(manifest)


def made(manifest: Manifest, code: str = CODE) -> Artifact:
    """A model of this code."""
    return from_files(Path("model.c"), files(code), manifest_in_c(manifest))


def spec(*, threads: int = 1, **options: str) -> SessionSpec:
    """A session of c."""
    return SessionSpec("c", "cpu", threads=threads, options=options)


@needs_compiler
@pytest.mark.parametrize("level", ["0", "1", "2", "3", "s"])
def test_answers(level: str, model: Artifact, sample: Dataset) -> None:
    """Each picture is answered by the code, whatever the compiler makes of it."""
    pixels = sample.test.pixels[:7]
    with open_session(model, spec(O=level)) as session:
        np.testing.assert_array_equal(answers(pixels), session.run(pixels))
        np.testing.assert_array_equal(answers(pixels[:, ::-1]), session.run(pixels[:, ::-1]))
        assert session.run(pixels[:0]).shape == (0, 10)


@needs_compiler
def test_default(model: Artifact) -> None:
    """Models in C run here by default; every function of the code counts as an operator."""
    assert spec() == default_spec(model)
    with open_session(model, spec()) as session:
        assert session.placement.nodes == {"cpu": 2}
        assert [model.manifest.input] == session.inputs


@needs_compiler
def test_bound_call_owns_its_pictures(manifest: Manifest, sample: Dataset) -> None:
    """A bound call still reads its pictures when nobody else holds them any more, and reads all of them each time."""
    spying = "static long total; long seen(void) { return total; }\n"
    code = CODE.replace("    clear(logits);", "    total = 1000 * total + picture[300];\n    clear(logits);")
    with open_session(made(manifest, spying + code), spec()) as session:
        assert isinstance(session, runtime.CSession)
        call = session.bind(np.stack([np.full((28, 28), value, np.uint8) for value in (1, 2, 3)]))
        gc.collect()
        filling = [np.full((3, 28, 28), 9, np.uint8) for _ in range(100)]
        call()
        answer = session.run(sample.test.pixels[:1])
        np.testing.assert_array_equal(answers(sample.test.pixels[:1]), answer)
        assert filling
        assert session.library.seen() // 1000 == 1_002_003


@needs_compiler
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 28, 27), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((2, 28, 28), np.float32),
        np.zeros((2, 1, 28, 28), np.uint8),
    ],
)
def test_other_pictures(images: np.ndarray, model: Artifact) -> None:
    """What the code would read past its end, or wrongly, is refused before the call."""
    with open_session(model, spec()) as session:
        with pytest.raises(BadInput, match=r"takes uint8\[N, 28, 28\]: got"):
            session.run(images)
        with pytest.raises(BadInput, match=r"takes uint8\[N, 28, 28\]: got"):
            session.bind(images)


def test_options_that_make_no_sense(model: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """An unknown option, an unknown optimization and a second thread are refused."""
    monkeypatch.setattr(runtime, "require_provider", lambda *_: None)
    with pytest.raises(UsageError, match="unknown option of c 'o'"):
        open_session(model, spec(o="3"))
    with pytest.raises(UsageError, match="the option O of c is one of 0, 1, 2, 3, s, not 'fast'"):
        open_session(model, spec(O="fast"))
    with pytest.raises(UsageError, match="c computes in one thread: 2 were asked for"):
        open_session(model, spec(threads=2))


def test_without_a_compiler(model: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a compiler it is not available, says where it looked, and what helps."""
    monkeypatch.setenv("PATH", str(tmp_path))
    found = runtime.available()
    assert found.version is None
    assert found.providers == {"cpu": "no C compiler: looked for cc, gcc, clang"}
    with pytest.raises(NotAvailable, match=r"c is not installed: install a C compiler .*gcc"):
        open_session(model, spec())


@needs_compiler
def test_a_compiler_that_was_named_is_not_replaced(model: Artifact, monkeypatch: pytest.MonkeyPatch) -> None:
    """CC is taken at its word: where it does not exist, or does not work, no other compiler is."""
    monkeypatch.setenv("CC", "my-own-compiler -m64")
    assert runtime.available().providers == {"cpu": "no C compiler: looked for my-own-compiler"}
    monkeypatch.setenv("CC", "false")
    assert "false does not run" in runtime.available().providers["cpu"]
    with pytest.raises(NotAvailable):
        open_session(model, spec())


@needs_compiler
def test_the_compiler_that_was_named_is_used(
    model: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CC may have arguments; with it go the flags that keep the bits of a sum."""
    compiler = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")
    own = tmp_path / "own-cc"
    own.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/said\nexec {compiler} "$@"\n')
    own.chmod(0o755)
    monkeypatch.setenv("CC", f"{own} -DMINE")
    with open_session(model, spec(O="s")) as session:
        np.testing.assert_array_equal(answers(sample.test.pixels[:1]), session.run(sample.test.pixels[:1]))
    said = (tmp_path / "said").read_text().splitlines()[-1].split()
    assert said[0] == "-DMINE"
    assert {"-std=c99", "-ffp-contract=off", "-Os"} <= set(said)


@needs_compiler
def test_code_that_is_none(manifest: Manifest) -> None:
    """Code that does not compile, or lacks the entry, is bad input; the compiler's own words say why."""
    with pytest.raises(BadInput, match=r"refuses model\.c: model\.c:1:.*error"):
        open_session(made(manifest, "this is no C;"), spec())
    with pytest.raises(BadInput, match=r"model\.c cannot be called .*edgefashion_run"):
        open_session(made(manifest, "int nothing;"), spec())


@needs_compiler
def test_nothing_is_left(model: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither code nor library stays on the disk."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with open_session(model, spec()) as session:
        assert list(tmp_path.iterdir()) == []
        session.run(np.zeros((1, 28, 28), np.uint8))


@pytest.mark.parametrize("name", ["model.c", "model.h", "model.c.json"])
def test_damage_is_refused(name: str, manifest: Manifest, tmp_path: Path) -> None:
    """A flipped bit in any file of a model is found before a compiler sees it."""
    path = tmp_path / "model.c"
    save(from_files(path, files(), manifest_in_c(manifest)))
    assert open_artifact(path).parts.keys() == {"model.h"}
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BadInput, match="does not match the SHA-256"):
        open_artifact(path)
