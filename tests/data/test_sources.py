"""Where the data set comes from, in which order, and what happens when it cannot be had."""

import gzip
import shutil
import socket
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgefashion import data
from edgefashion.data import fetch, torchvision_shim
from edgefashion.data.dataset import SAMPLE, SAMPLE_FOLDER
from edgefashion.errors import BadInput, CannotWrite, NotAvailable


class Machine:
    """A machine whose "full" data set is the sample, with nothing on it yet."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.cache = root / "cache" / "fashion-mnist"
        self.system = root / "system"
        self.bin = root / "bin"
        self.log = root / "apt.log"
        self.notes: list[str] = []
        self.bin.mkdir()
        self.log.touch()
        monkeypatch.setattr(data, "FASHION_MNIST", SAMPLE)
        monkeypatch.setattr(fetch, "FASHION_MNIST", SAMPLE)
        monkeypatch.setattr(data, "SYSTEM_FOLDER", self.system)
        monkeypatch.setattr(fetch, "find_spec", lambda _: None)
        monkeypatch.setenv("EDGEFASHION_CACHE", str(self.cache.parent))
        monkeypatch.setenv("PATH", str(self.bin))

    def install(self, name: str, script: str) -> None:
        """Put a program on the PATH."""
        program = self.bin / name
        program.write_text(f"#!/bin/sh\nexport PATH=/usr/bin:/bin\n{script}")
        program.chmod(0o755)

    def install_debian(self, *, known_at_once: bool, package_folder: Path = SAMPLE_FOLDER) -> None:
        """Stand-ins for apt-get, which logs how it is called, and for dpkg-deb."""
        updated = self.bin / "updated"
        if known_at_once:
            updated.touch()
        self.install(
            "apt-get",
            f"""echo "$@" >> {self.log}
for last; do :; done
case "$last" in
  update) touch {updated} ;;
  dataset-fashion-mnist)
    if [ -e {updated} ]; then touch dataset-fashion-mnist_0.0_all.deb
    else echo "W: some warning" >&2; echo "E: Unable to locate package dataset-fashion-mnist" >&2; exit 100; fi ;;
esac
""",
        )
        self.install(
            "dpkg-deb",
            f"""[ "$1" = -x ] && [ -f "$2" ] || exit 2
mkdir -p "$3/usr/share/datasets/fashion-mnist"
cp {package_folder}/*.gz "$3/usr/share/datasets/fashion-mnist/"
""",
        )

    @property
    def apt_calls(self) -> list[str]:
        """The verbs apt-get was called with."""
        lines = self.log.read_text().splitlines()
        return [next(verb for verb in ("update", "download") if verb in line.split()) for line in lines]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """An empty machine."""
    return Machine(tmp_path, monkeypatch)


def fill(folder: Path) -> Path:
    """Put the four files into `folder`."""
    folder.mkdir(parents=True)
    for path in SAMPLE_FOLDER.glob("*.gz"):
        shutil.copy(path, folder)
    return folder


def damage(folder: Path) -> None:
    """Change one picture in a folder, well-formed as before."""
    path = folder / "t10k-images-idx3-ubyte.gz"
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[-1] ^= 1
    path.write_bytes(gzip.compress(bytes(content)))


# The order of the sources


def test_given_folder_comes_first(machine: Machine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is asked for wins over EDGEFASHION_DATA, which wins over the cache, then the system's folder."""
    asked, named = fill(tmp_path / "asked"), fill(tmp_path / "named")
    fill(machine.cache)
    fill(machine.system)
    monkeypatch.setenv("EDGEFASHION_DATA", str(named))
    assert str(asked) == data.load(asked).origin
    assert str(named) == data.load().origin
    monkeypatch.delenv("EDGEFASHION_DATA")
    assert str(machine.cache) == data.load().origin
    shutil.rmtree(machine.cache)
    assert str(machine.system) == data.load().origin


def test_sample_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """The word "sample" means the bundled one, as an argument and in EDGEFASHION_DATA."""
    assert data.load("sample").origin == "bundled sample"
    monkeypatch.setenv("EDGEFASHION_DATA", "sample")
    assert data.load().origin == "bundled sample"


def test_empty_variable_means_nothing(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty EDGEFASHION_DATA is no folder."""
    fill(machine.cache)
    monkeypatch.setenv("EDGEFASHION_DATA", "")
    assert str(machine.cache) == data.load().origin


def test_given_folder_has_no_substitute(machine: Machine, tmp_path: Path) -> None:
    """A folder that was asked for and is absent or damaged is an error, whatever else could serve."""
    fill(machine.cache)
    with pytest.raises(BadInput, match="is not a folder: expected one with"):
        data.load(tmp_path / "absent")
    given = fill(tmp_path / "given")
    damage(given)
    with pytest.raises(BadInput, match="another SHA-256"):
        data.load(given)


def test_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The cache is below EDGEFASHION_CACHE, or below the user's cache folder."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user"))
    assert tmp_path / "user" / "edgefashion" / "fashion-mnist" == data.cache_folder()
    monkeypatch.setenv("EDGEFASHION_CACHE", str(tmp_path / "own"))
    assert tmp_path / "own" / "fashion-mnist" == data.cache_folder()


def test_damaged_cache_is_reported_and_skipped(machine: Machine) -> None:
    """A damaged cache does not stop a run that another source can serve, and is not passed over in silence."""
    damage(fill(machine.cache))
    fill(machine.system)
    assert str(machine.system) == data.load(note=machine.notes.append).origin
    assert "another SHA-256" in machine.notes[0]
    assert str(machine.cache) in machine.notes[0]


def test_damaged_cache_is_replaced_by_fetching(machine: Machine) -> None:
    """What was damaged is whole again after fetching."""
    damage(fill(machine.cache))
    machine.install_debian(known_at_once=True)
    assert data.load().test.sha256 == data.load_sample().test.sha256
    assert str(machine.cache) == data.load().origin


def test_incomplete_cache_is_reported(machine: Machine) -> None:
    """A cache with a file missing is reported, not treated as absent."""
    (fill(machine.cache) / "train-labels-idx1-ubyte.gz").unlink()
    data.load_present(note=machine.notes.append)
    assert "has no train-labels-idx1-ubyte.gz" in machine.notes[0]


def test_load_present_fetches_nothing(machine: Machine) -> None:
    """Without the data set on the machine, the sample is used, aloud, and no program is started."""
    machine.install_debian(known_at_once=True)
    found = data.load_present(note=machine.notes.append)
    assert found.identity.is_sample
    assert "using the bundled sample" in machine.notes[-1]
    assert machine.apt_calls == []


# Fetching


@pytest.mark.usefixtures("machine")
def test_nothing_can_be_fetched() -> None:
    """When no source has the data, the message lists why each failed and what can be done."""
    with pytest.raises(NotAvailable) as raised:
        data.load()
    message = str(raised.value)
    assert "torchvision: torchvision is not installed" in message
    assert "Debian: apt-get and dpkg-deb are not on this machine" in message
    assert "--data sample" in message


def test_debian_updates_its_own_lists_only_when_needed(machine: Machine) -> None:
    """Where the package is known, lists are not updated; the cache then holds the files and nothing else."""
    machine.install_debian(known_at_once=True)
    fetch.from_debian(machine.cache, machine.notes.append, update_lists=True)
    assert machine.apt_calls == ["download"]
    assert {path.name for path in SAMPLE_FOLDER.glob("*.gz")} == {path.name for path in machine.cache.iterdir()}


def test_debian_updates_when_the_package_is_unknown(machine: Machine) -> None:
    """Where the package is unknown, lists are fetched into a folder of their own, and it is tried again."""
    machine.install_debian(known_at_once=False)
    found = data.load(note=machine.notes.append)
    assert machine.apt_calls == ["download", "update", "download"]
    assert found.origin.endswith("(fetched through Debian)")
    _, update, download = machine.log.read_text().splitlines()
    for call in (update, download):
        assert f"Dir::State::Lists={machine.cache}/.fetch-" in call
        assert f"Dir::Cache={machine.cache}/.fetch-" in call


def test_debian_does_not_update_when_forbidden(machine: Machine) -> None:
    """Lists are not fetched where that is not allowed; apt's own reason is passed on, and nothing is left behind."""
    machine.install_debian(known_at_once=False)
    with pytest.raises(NotAvailable, match="apt-get failed: Unable to locate package dataset-fashion-mnist"):
        fetch.from_debian(machine.cache, machine.notes.append, update_lists=False)
    assert machine.apt_calls == ["download"]
    assert list(machine.cache.iterdir()) == []


def test_debian_with_other_content(machine: Machine, tmp_path: Path) -> None:
    """A package that holds other pictures is refused, and the cache stays empty."""
    folder = fill(tmp_path / "package")
    damage(folder)
    machine.install_debian(known_at_once=True, package_folder=folder)
    with pytest.raises(BadInput, match="another SHA-256"):
        fetch.from_debian(machine.cache, machine.notes.append, update_lists=True)
    assert list(machine.cache.iterdir()) == []


def test_debian_hangs(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that does not end is ended, and reported."""
    machine.install_debian(known_at_once=True)
    machine.install("apt-get", "exec sleep 30\n")
    monkeypatch.setattr(fetch, "_APT_TIMEOUT_S", 0.2)
    with pytest.raises(NotAvailable, match="apt-get did not end within"):
        fetch.from_debian(machine.cache, machine.notes.append, update_lists=False)


def test_cache_cannot_be_written(machine: Machine) -> None:
    """A cache that cannot be written is reported before anything is downloaded."""
    machine.install_debian(known_at_once=True)
    machine.cache.parent.touch()
    with pytest.raises(CannotWrite, match="set EDGEFASHION_CACHE"):
        data.load()
    assert machine.apt_calls == []


# torchvision


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch, machine: Machine) -> Callable[[Callable[[Path], None]], Path]:
    """Let torchvision's download do what a test says; gives the cache."""

    def install(download: Callable[[Path], None]) -> Path:
        def fashion_mnist(folder: str, *, download: bool, do: Callable[[Path], None] = download) -> None:
            assert download
            do(Path(folder))

        module = SimpleNamespace(datasets=SimpleNamespace(FashionMNIST=fashion_mnist))
        monkeypatch.setattr(fetch, "find_spec", lambda _: object())
        monkeypatch.setattr(torchvision_shim, "load", lambda: module)
        return machine.cache

    return install


def test_torchvision_fills_the_cache(torchvision: Callable[[Callable[[Path], None]], Path]) -> None:
    """What torchvision downloads is checked and kept; the next load finds it there."""
    timeouts: list[float | None] = []

    def download(folder: Path) -> None:
        timeouts.append(socket.getdefaulttimeout())
        fill(folder / "FashionMNIST" / "raw")

    before = socket.getdefaulttimeout()
    cache = torchvision(download)
    assert data.load().origin.endswith("(fetched through torchvision)")
    assert str(cache) == data.load().origin
    assert timeouts == [20.0]
    assert before == socket.getdefaulttimeout()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (RuntimeError("Error downloading:\nTried https://a\nname resolution failed"), "name resolution failed"),
        (TimeoutError("timed out"), "timed out"),
        (ConnectionResetError(), "ConnectionResetError"),
    ],
)
def test_torchvision_fails(
    error: Exception, reason: str, torchvision: Callable[[Callable[[Path], None]], Path], machine: Machine
) -> None:
    """A failed download is reported in one line, leaves nothing behind, and the next source is tried."""

    def download(folder: Path) -> None:
        (folder / "part").touch()
        raise error

    torchvision(download)
    machine.install_debian(known_at_once=True)
    found = data.load(note=machine.notes.append)
    assert found.origin.endswith("(fetched through Debian)")
    assert f"torchvision: its download failed: {reason}" in machine.notes


@pytest.mark.skipif(
    find_spec("torch") is None or find_spec("torchvision") is None, reason="torchvision is not installed"
)
def test_torchvision_imports_beside_this_torch() -> None:
    """Torchvision's data sets can be used with the torch that is installed, its compiled extension loading or not."""
    assert hasattr(torchvision_shim.load().datasets, "FashionMNIST")
