"""AOTInductor packages: code for processors like this one and no other, and what is taken out of it."""

import dataclasses
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from machines import plant
from places import moved

torch = pytest.importorskip("torch")

from edgefashion.artifact import Artifact, open_artifact  # noqa: E402 - after the skip
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.errors import BadInput, NotAvailable, UsageError  # noqa: E402
from edgefashion.export import aotinductor as converter  # noqa: E402
from edgefashion.export import convert  # noqa: E402
from edgefashion.records import Manifest, SessionSpec  # noqa: E402
from edgefashion.runtimes import aotinductor as runtime  # noqa: E402
from edgefashion.runtimes import open_session, torch_compile  # noqa: E402
from edgefashion.runtimes.aotinductor import Target, check_processor, instructions_here, target_of  # noqa: E402

CPU = SessionSpec("aotinductor", "cpu")
LEVEL_3, LEVEL_4 = (target for _, target in reversed(converter._TARGETS))
HASH = "c5w2cjfry4lh3xnyotdocvadms3od5jgdxeuzpr32eln6wl2veo2"
INSIDE = "model/data/aotinductor/model"


def packed(files: dict[str, bytes]) -> bytes:
    """A zip file."""
    content = BytesIO()
    with zipfile.ZipFile(content, "w") as package:
        for name, text in files.items():
            package.writestr(name, text)
    return content.getvalue()


def saying(metadata: Any) -> bytes:
    """A package with this metadata and nothing else."""
    return packed({f"{INSIDE}/{HASH}.wrapper_metadata.json": json.dumps(metadata).encode()})


def artifact(content: bytes, manifest: Manifest) -> Artifact:
    """A package that was never written."""
    return Artifact(Path("aotinductor-fp32.pt2"), manifest, content)


def cpu_info(*flags: str) -> dict[str, str]:
    """The file that tells what a processor can do."""
    return {"proc/cpuinfo": f"processor\t: 0\nflags\t\t: fpu {' '.join(flags)}\n"}


HERE = {"AOTI_MACHINE": platform.machine(), runtime.TARGET: "x86-64", runtime.INSTRUCTIONS: ""}


def test_code_for_more_than_this_processor(tmp_path: Path) -> None:
    """Code with instructions that the processor lacks is refused by name; with all of them there it is not."""
    target = Target(platform.machine(), "x86-64-v4", frozenset({"avx2", "avx512f", "avx512vl"}))
    poor = plant(tmp_path / "poor", cpu_info("avx2"))
    with pytest.raises(
        NotAvailable, match=r"m\.pt2 is .* for x86-64-v4: this processor lacks avx512f, avx512vl; export"
    ):
        check_processor(target, Path("m.pt2"), root=poor)
    check_processor(
        target, Path("m.pt2"), root=plant(tmp_path / "rich", cpu_info("avx512vl", "avx512f", "avx2", "amx"))
    )


def test_processor_that_tells_nothing(tmp_path: Path) -> None:
    """Where nothing is known of the processor, code that needs anything is refused."""
    with pytest.raises(NotAvailable, match="this processor lacks avx2"):
        check_processor(Target(platform.machine(), "x", frozenset({"avx2"})), Path("m.pt2"), root=tmp_path)


def test_code_for_another_kind_of_processor(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machine code of another architecture is refused before anything is loaded."""
    monkeypatch.setattr(runtime, "_load", lambda _: pytest.fail("it was loaded"))
    model = artifact(saying(HERE | {"AOTI_MACHINE": "sparc64"}), manifest)
    with pytest.raises(
        NotAvailable, match=f"is machine code for sparc64: this is {platform.machine()}; export it here"
    ):
        open_session_of(model)


def test_opening_checks_the_processor(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that needs what no processor has is refused before anything is loaded."""
    monkeypatch.setattr(runtime, "_load", lambda _: pytest.fail("it was loaded"))
    model = artifact(saying(HERE | {runtime.INSTRUCTIONS: "avx9000"}), manifest)
    with pytest.raises(NotAvailable, match="this processor lacks avx9000"):
        open_session_of(model)


def open_session_of(model: Artifact, **options: str) -> Any:
    """A session, whatever the manifest says of the format."""
    return runtime.open_session(model, SessionSpec("aotinductor", "cpu", options=options))


@pytest.mark.parametrize(
    "content",
    [
        b"no zip file",
        packed({}),
        saying({}),
        saying([]),
        saying(HERE | {runtime.INSTRUCTIONS: 5}),
        packed({"a_metadata.json": b"{"}),
        packed({"a_metadata.json": b"{}", "b_metadata.json": b"{}"}),
    ],
)
def test_package_that_does_not_say(content: bytes, manifest: Manifest) -> None:
    """A package that does not say what it needs is never loaded."""
    with pytest.raises(BadInput, match=r"aotinductor-fp32\.pt2 does not say which processor it is for"):
        open_session_of(artifact(content, manifest))


def test_package_that_cannot_be_loaded(manifest: Manifest) -> None:
    """What torch cannot load is refused with its version, that of its maker, and the reason."""
    words = f"torch {torch.__version__} cannot load aotinductor-fp32.pt2, made by torch unknown: ".replace("+", r"\+")
    with pytest.raises(NotAvailable, match=words):
        open_session_of(artifact(saying(HERE), manifest))


def test_options(manifest: Manifest) -> None:
    """It takes no options."""
    with pytest.raises(UsageError, match="aotinductor takes no options: got mode"):
        open_session_of(artifact(saying(HERE), manifest), mode="default")


def test_absent_torch(manifest: Manifest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without torch it says so, and what installs it."""
    monkeypatch.setattr("edgefashion.runtimes.installed", lambda _: None)
    with pytest.raises(NotAvailable, match=r"aotinductor is not installed: pip install 'edgefashion\[train\]'"):
        open_session_of(artifact(saying(HERE), manifest))


# Making packages


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(LEVEL_4.instructions, LEVEL_4), (LEVEL_4.instructions - {"avx512vl"}, LEVEL_3), (LEVEL_3.instructions, LEVEL_3)],
)
def test_highest_level(flags: frozenset[str], expected: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code is made for the highest level that the processor reaches completely."""
    monkeypatch.setattr(converter, "instructions_here", lambda: set(flags))
    monkeypatch.setattr(sys, "platform", "linux")
    assert expected == converter._target_here()[1]


@pytest.mark.parametrize(
    ("lacking", "words"),
    [
        ("compiler", "finds no my-own-compiler: set CXX"),
        ("strip", "there is no strip: install binutils"),
        ("avx2", "needs Linux on an x86-64 processor with AVX2"),
    ],
)
def test_what_compiling_needs(
    lacking: str, words: str, checkpoint: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a compiler, its tools or a processor of a known level nothing is begun."""
    monkeypatch.setattr(converter, "load_model", lambda _: pytest.fail("it began to work"))
    if lacking == "compiler":
        monkeypatch.setenv("CXX", "my-own-compiler")
    if lacking == "avx2":
        monkeypatch.setattr(converter, "instructions_here", lambda: LEVEL_3.instructions - {"avx2"})
    else:
        monkeypatch.setattr(converter, "instructions_here", lambda: set(LEVEL_3.instructions))
    monkeypatch.setattr(
        torch_compile.shutil, "which", lambda name: None if name in {lacking, "my-own-compiler"} else name
    )
    with pytest.raises(NotAvailable, match=f"exporting to aotinductor.* {words}"):
        convert("aotinductor", moved(checkpoint, tmp_path), sample)
    assert list(tmp_path.iterdir()) == []


def test_only_float32(own_run: Path, sample: Dataset) -> None:
    """Packages compute in float32."""
    with pytest.raises(UsageError, match="aotinductor is written in float32: not in int8"):
        convert("aotinductor", open_artifact(own_run / "checkpoint.safetensors"), sample, precision="int8")


def test_origin_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of torch's package the library and its metadata stay, under names that hash nothing, and its needs are added."""
    monkeypatch.setattr(converter, "_stripped", lambda library: library.removesuffix(b"debug"))
    monkeypatch.setattr(converter, "instructions_here", lambda: {"avx512_vnni", "amx_tile"})
    said = {"AOTI_MACHINE": "x86_64", "AOTI_CPU_ISA": "AVX512 AVX512_VNNI"}
    other = HASH.replace("w", "q")
    made = {
        f"{INSIDE}/{HASH}.wrapper.cpp": b"// g++ /home/me",
        f"{INSIDE}/{other}.kernel.cpp": b"// g++ /home/me",
        f"{INSIDE}/{HASH}.wrapper_metadata.json": json.dumps(said).encode(),
        f"{INSIDE}/{other}.kernel_metadata.json": json.dumps(said).encode(),
        f"{INSIDE}/{HASH}.wrapper.so": b"\x7fELF /" + other.encode() + b"/" + HASH.encode() + b".cpp\0debug",
        "model/archive_format": b"pt2",
        "model/.data/serialization_id": b"123",
    }
    slim = converter._without_origin(packed(made), LEVEL_3)
    nothing = "0" * 52
    with zipfile.ZipFile(BytesIO(slim)) as package:
        assert {
            f"{INSIDE}/{nothing}.wrapper.so",
            f"{INSIDE}/{nothing}.wrapper_metadata.json",
            "model/archive_format",
        } == {*package.namelist()}
        assert package.read(f"{INSIDE}/{nothing}.wrapper.so") == f"\x7fELF /{nothing}/{nothing}.cpp\0".encode("latin-1")
        assert {entry.date_time for entry in package.infolist()} == {(1980, 1, 1, 0, 0, 0)}
    wanted = Target("x86_64", "x86-64-v3", LEVEL_3.instructions | {"avx512_vnni"})
    assert wanted == target_of(Artifact(Path("a.pt2"), None, slim))  # type: ignore[arg-type]


# One package for real: half a minute of compiling


@pytest.fixture(scope="module")
def package(tiny_run: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Artifact:
    """The tiny run's checkpoint as machine code for this processor."""
    if shutil.which("g++") is None or not LEVEL_3.instructions <= instructions_here():
        pytest.skip("needs g++ and an x86-64 processor with AVX2")
    source = moved(open_artifact(tiny_run / "checkpoint.safetensors"), tmp_path_factory.mktemp("aotinductor"))
    few = dataclasses.replace(sample, test=sample.test.take(np.arange(50)))
    return open_artifact(convert("aotinductor", source, few)[0].path)


@pytest.mark.slow
def test_answers_like_pytorch(package: Artifact, checkpoint: Artifact, sample: Dataset) -> None:
    """Logits are PyTorch's up to the order of sums, one by one and in batches around those that torch tells apart."""
    pixels = sample.test.pixels[:130]
    with open_session(checkpoint, SessionSpec("pytorch", "cpu")) as session:
        expected = session.run(pixels)
    with open_session(package, CPU) as session:
        for batch in (1, 15, 16, 17, 64, 65, 130):
            np.testing.assert_allclose(expected[:batch], session.run(pixels[:batch]), atol=1e-4)
        calls = [session.bind(pixels[:1]), session.bind(pixels[:5])]
        for call, size in zip(calls, (1, 5), strict=True):
            np.testing.assert_allclose(expected[:size], call()[0].numpy(), atol=1e-4)


@pytest.mark.slow
def test_threads(package: Artifact) -> None:
    """The session sets as many threads as asked for, and gives back the count that was there before."""
    before = torch.get_num_threads()
    with open_session(package, SessionSpec("aotinductor", "cpu", threads=before + 1)):
        assert torch.get_num_threads() == before + 1
    assert before == torch.get_num_threads()


@pytest.mark.slow
def test_one_thread_is_one(package: Artifact) -> None:
    """Code that was compiled on several cores starts no thread of its own when it is to run on one."""
    code = f"""if True:
        import os
        from pathlib import Path
        import numpy as np
        from edgefashion.artifact import open_artifact
        from edgefashion.records import SessionSpec
        from edgefashion.runtimes import open_session
        with open_session(open_artifact(Path({str(package.path)!r})), SessionSpec("aotinductor", "cpu")) as session:
            before = len(os.listdir("/proc/self/task"))
            session.run(np.zeros((64, 28, 28), np.uint8))
            print(len(os.listdir("/proc/self/task")) - before)
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout == "0\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "images",
    [
        np.zeros((1, 28, 28), np.float32),
        np.zeros((1, 27, 28), np.uint8),
        np.zeros((28, 28), np.uint8),
        np.zeros((0, 28, 28), np.uint8),
    ],
)
def test_other_inputs(images: np.ndarray, package: Artifact) -> None:
    """Pictures of another type, shape or number are refused: the code would read beyond them."""
    with open_session(package, CPU) as session:
        for use in (session.run, session.bind):
            with pytest.raises(BadInput, match=r"aotinductor cannot run .*\.pt2 on "):
                use(images)


@pytest.mark.slow
def test_same_bytes_again(
    package: Artifact, tiny_run: Path, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same checkpoint compiles to the same bytes, wherever it is done, without a path of this machine."""
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "elsewhere"))
    few = dataclasses.replace(sample, test=sample.test.take(np.arange(50)))
    again, _ = convert("aotinductor", moved(open_artifact(tiny_run / "checkpoint.safetensors"), tmp_path), few)
    assert package.content == again.content
    for place in (b"/tmp", b"/home", b"/root", b"site-packages", str(Path(torch.__file__).parent).encode()):
        assert place not in package.content
    assert LEVEL_3.instructions <= target_of(package).instructions <= instructions_here()
