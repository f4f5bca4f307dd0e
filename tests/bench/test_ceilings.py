"""Ceilings, measured on this machine, and what happens where they cannot be."""

from pathlib import Path

import pytest

from edgefashion.bench.profiling import ceilings, native
from edgefashion.bench.profiling.ceilings import cache_bytes, measure_ceilings
from edgefashion.environment import usable_cpus
from edgefashion.errors import NotAvailable

PACKAGE = Path(native.__file__).parent


@pytest.fixture
def compiler() -> None:
    """Skips where there is none."""
    if not any(map(native.shutil.which, native.COMPILERS)):
        pytest.skip("needs a C compiler")


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A compiler that is a shell script: write it, and it is the only one."""
    found = tmp_path / "cc"
    found.touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(native, "COMPILERS", ("cc",))
    return found


@pytest.mark.usefixtures("compiler")
def test_every_ceiling_is_measured_and_plausible(monkeypatch: pytest.MonkeyPatch) -> None:
    """One core does between a hundred million and a trillion or so a second, whichever processor it is."""
    monkeypatch.setattr(ceilings, "_SECONDS_EACH", 0.02)
    cpus = usable_cpus()[:1]
    found = measure_ceilings(cpus)
    assert cpus == found.cpus
    assert found.float_per_s is not None
    assert 1e8 < found.float_per_s < 1e12
    assert found.int8_per_s is None or 1e8 < found.int8_per_s < 1e13
    assert found.bandwidths[-1].level == "memory"
    assert found.bandwidths[-1].capacity_bytes is None
    assert all(1e8 < each.bytes_per_s < 1e13 for each in found.bandwidths)
    assert "compiled on this machine" in found.source


@pytest.mark.usefixtures("compiler")
def test_nothing_is_compiled_into_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's folder is the same afterwards."""
    monkeypatch.setattr(ceilings, "_SECONDS_EACH", 0.001)
    before = {path.name for path in PACKAGE.iterdir()}
    measure_ceilings(usable_cpus()[:1])
    assert before == {path.name for path in PACKAGE.iterdir()}


@pytest.mark.usefixtures("compiler")
def test_rates_of_several_cores_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each core runs its own process; zero means that the processor has no such instruction."""
    monkeypatch.setattr(ceilings, "_run_on_each", lambda _, cpus: [[1.0, 0.0, 2.0, 3.0, 4.0] for _ in cpus])
    monkeypatch.setattr(ceilings, "cache_bytes", lambda cpus, level: 1000 * level * len(cpus))
    found = measure_ceilings([0, 1])
    assert (found.float_per_s, found.int8_per_s) == (2.0, None)
    assert [(each.level, each.capacity_bytes, each.bytes_per_s) for each in found.bandwidths] == [
        ("L2", 4000, 4.0),
        ("L3", 6000, 6.0),
        ("memory", None, 8.0),
    ]


@pytest.mark.usefixtures("compiler")
def test_the_program_refuses_to_guess(tmp_path: Path) -> None:
    """Without its arguments it ends with an error, which is no measurement."""
    program = native.build("ceilings.c", tmp_path / "ceilings")
    with pytest.raises(NotAvailable, match="ended with exit code 2"):
        ceilings._run_on_each([str(program)], usable_cpus()[:1])


def test_without_a_compiler_there_are_no_ceilings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is measured, and the reason is kept."""
    monkeypatch.setattr(native, "COMPILERS", ("no-such-compiler",))
    found = measure_ceilings(usable_cpus()[:1])
    assert (found.float_per_s, found.int8_per_s, found.bandwidths) == (None, None, [])
    assert found.source == "no C compiler was found (looked for no-such-compiler)"


def test_a_compiler_that_fails_is_quoted(script: Path) -> None:
    """Its first line is the reason."""
    script.write_text("#!/bin/sh\necho 'error: no such header' >&2\nexit 1\n")
    assert measure_ceilings(usable_cpus()[:1]).source.endswith("cc failed: error: no such header")


def test_a_compiler_that_knows_only_the_second_spelling(script: Path, tmp_path: Path) -> None:
    """Some name this very processor -mcpu=native."""
    script.write_text('#!/bin/sh\ncase "$*" in *-march=*) exit 1;; esac\necho "$*" > "$0.words"\n')
    native.build("ceilings.c", tmp_path / "ceilings")
    assert "-mcpu=native" in (tmp_path / "cc.words").read_text()


def test_a_program_that_cannot_run_is_no_ceiling(script: Path) -> None:
    """Compiled for another machine, it is a reason and no crash."""
    script.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho rubbish > "$2"\nchmod +x "$2"\n')
    found = measure_ceilings(usable_cpus()[:1])
    assert found.float_per_s is None
    assert "the compiled program cannot be run" in found.source


def test_caches_are_counted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that two cores share is one; instruction caches and unreadable ones are none."""
    monkeypatch.setattr(ceilings, "_CACHES", str(tmp_path / "cpu{cpu}"))
    for cpu in (0, 1):
        _write_cache(tmp_path / f"cpu{cpu}" / "index0", "Instruction", 1, "32K", str(cpu))
        _write_cache(tmp_path / f"cpu{cpu}" / "index1", "Unified", 2, "1024K", str(cpu))
        _write_cache(tmp_path / f"cpu{cpu}" / "index2", "Unified", 3, "32M", "0-1")
        _write_cache(tmp_path / f"cpu{cpu}" / "index3", "Unified", 4, "", "0-1")
    assert cache_bytes([0], level=2) == 1024**2
    assert cache_bytes([0, 1], level=2) == 2 * 1024**2
    assert cache_bytes([0, 1], level=3) == 32 * 1024**2
    assert [cache_bytes([0, 1], level=level) for level in (1, 4)] == [0, 0]
    assert cache_bytes([7], level=2) == 0


def _write_cache(folder: Path, kind: str, level: int, size: str, shared_by: str) -> None:
    folder.mkdir(parents=True)
    for name, text in (("type", kind), ("level", str(level)), ("size", size), ("shared_cpu_list", shared_by)):
        (folder / name).write_text(text + "\n")
