"""Fetching Fashion-MNIST into the cache: through torchvision, or from Debian's archive without root."""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from edgefashion.data.dataset import FASHION_MNIST, find_file, read_folder
from edgefashion.errors import BadInput, CannotWrite, NotAvailable
from edgefashion.files import atomic_write, read_bounded

Note = Callable[[str], None]

_DEBIAN_PACKAGE = "dataset-fashion-mnist"
_DEBIAN_FOLDER = Path("usr/share/datasets/fashion-mnist")
_NETWORK_TIMEOUT_S = 20.0
_APT_TIMEOUT_S = 300.0


def from_torchvision(cache: Path, note: Note) -> None:
    """Download through torchvision's FashionMNIST into `cache`.

    Raises:
        NotAvailable: torchvision is absent or its mirrors cannot be reached.
    """
    if find_spec("torchvision") is None or find_spec("torch") is None:
        raise NotAvailable("torchvision is not installed")
    from edgefashion.data import torchvision_shim

    note("downloading through torchvision")
    with _workspace(cache) as folder:
        try:
            with _socket_timeout(_NETWORK_TIMEOUT_S):
                torchvision_shim.load().datasets.FashionMNIST(str(folder), download=True)
        except (OSError, RuntimeError) as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise NotAvailable(f"its download failed: {reason}") from error
        _keep(folder, cache)


def from_debian(cache: Path, note: Note, *, update_lists: bool) -> None:
    """Take the files out of Debian's package with `apt-get download` and `dpkg-deb -x`; installs nothing.

    Where the system's package lists do not know the package, lists of our own are fetched into a temporary
    folder, if `update_lists` allows it. The system's lists stay untouched, so no privileges are needed.

    Raises:
        NotAvailable: This is no Debian or Ubuntu, or its archive cannot be reached.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NotAvailable("apt-get and dpkg-deb are not on this machine")
    with _workspace(cache) as folder:
        note(f"downloading Debian's package {_DEBIAN_PACKAGE}")
        try:
            _apt(["download", _DEBIAN_PACKAGE], folder)
        except NotAvailable:
            if not update_lists:
                raise
            note("the package lists do not know it: fetching lists into a temporary folder")
            private = _private_lists(folder)
            _apt([*private, "update"], folder)
            _apt([*private, "download", _DEBIAN_PACKAGE], folder)
        packages = list(folder.glob(f"{_DEBIAN_PACKAGE}_*.deb"))
        if not packages:
            raise NotAvailable(f"apt-get left no {_DEBIAN_PACKAGE} package")
        _run(["dpkg-deb", "-x", str(packages[0]), str(folder)], folder)
        _keep(folder / _DEBIAN_FOLDER, cache)


def _private_lists(folder: Path) -> list[str]:
    for name in ("lists/partial", "archives/partial"):
        (folder / name).mkdir(parents=True)
    settings = [f"Dir::State::Lists={folder / 'lists'}", f"Dir::Cache={folder}"]
    return [argument for setting in settings for argument in ("-o", setting)]


def _apt(arguments: list[str], folder: Path) -> None:
    # As root apt would drop to a user that may not write here, and print a warning for each file.
    sandbox = ["-o", "APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    _run(["apt-get", "-q", *sandbox, *arguments], folder)


def _run(command: list[str], folder: Path) -> None:
    try:
        english = {**os.environ, "LC_ALL": "C"}  # the reason is found by its English mark
        done = subprocess.run(
            command, cwd=folder, env=english, capture_output=True, text=True, timeout=_APT_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"{command[0]} did not end within {_APT_TIMEOUT_S:.0f} s") from None
    except OSError as error:
        raise NotAvailable(f"{command[0]} cannot be run: {error.strerror}") from error
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if line.startswith("E:")] or ["no reason given"]
        raise NotAvailable(f"{command[0]} failed: {lines[-1].removeprefix('E: ')}")


def _keep(folder: Path, cache: Path) -> None:
    """Check what was fetched, then move it into the cache, file by file and each one whole."""
    read_folder(folder, FASHION_MNIST, origin=str(folder))
    for stem in FASHION_MNIST.digests:
        source = find_file(folder, stem)
        if source is None:
            raise BadInput(f"{folder} lost {stem} while it was read")
        atomic_write(cache / source.name, read_bounded(source))


@contextmanager
def _workspace(cache: Path) -> Iterator[Path]:
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache):
            pass
    except OSError as error:
        raise CannotWrite(f"cannot write to the cache {cache}: {error.strerror}; set EDGEFASHION_CACHE") from error
    with tempfile.TemporaryDirectory(prefix=".fetch-", dir=cache) as folder:
        yield Path(folder)


@contextmanager
def _socket_timeout(seconds: float) -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
