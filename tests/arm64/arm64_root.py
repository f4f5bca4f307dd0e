"""An emulated 64-bit ARM machine: a root folder from Debian's archive, wheels for it, and qemu-user to run it.

Neither root nor debootstrap nor binfmt_misc is needed: packages are unpacked and not installed, and the emulator is
given the program that it runs.
"""

import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import arm64_archive

import edgefashion
from edgefashion.errors import CheckFailed, NotAvailable
from edgefashion.files import locked, sha256

ARCHITECTURE = "arm64"
# base-files has the links from /lib to /usr/lib; the wheels are written in C++.
PACKAGES = ("base-files", "python3", "libstdc++6")
EMULATOR = "qemu-aarch64"

Note = Callable[[str], None]

_OLDEST_GLIBC, _ROOT_S_GLIBC = 17, 41  # 2.17 is what the first wheels for this architecture ask for


@dataclass(frozen=True)
class Arm64:
    """A machine that exists only in folders.

    Attributes:
        system: Holds the emulator, and its `root`.
        wheels: Packages of Python, unpacked.
    """

    system: Path
    wheels: Path

    @property
    def emulator(self) -> str:
        """Its name and version, as it tells them."""
        return arm64_archive.run([str(self.system / EMULATOR), "--version"]).splitlines()[0]

    def run(self, program: Path, *arguments: str, processor: str, note: Note = print) -> None:
        """Run a program of Python there, with edgefashion; each line that it prints is a note.

        Raises:
            CheckFailed: It failed; the message ends in the last line that it wrote to stderr.
        """
        root = self.system / "root"
        emulated = [str(self.system / EMULATOR), "-cpu", processor, "-L", str(root), str(_python(root))]
        with (
            tempfile.TemporaryDirectory(prefix="edgefashion-arm64-") as alone,
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [*emulated, str(program), *arguments],
                env=self._environment(Path(alone)),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as process,
        ):
            for line in process.stdout or ():
                note(line.rstrip())
            if process.wait():
                errors.seek(0)
                last = (errors.read().strip().splitlines() or ["no reason given"])[-1]
                raise CheckFailed(f"{program.name} ended with {process.returncode} on {processor}: {last}")

    def _environment(self, alone: Path) -> dict[str, str]:
        """Nothing of this machine's own: its libraries and packages, beside which edgefashion may lie, do not fit."""
        package = Path(edgefashion.__file__).parent
        (alone / package.name).symlink_to(package)
        return {
            "PATH": os.defpath,
            "PYTHONPATH": f"{self.wheels}{os.pathsep}{alone}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONNOUSERSITE": "1",
        }


def make(cache: Path, requirements: Sequence[str], *, note: Note = print) -> Arm64:
    """A machine with Python and the wheels of `requirements` and of what they need; what is in `cache` is used again.

    Each part is made beside its place and moved there when it is whole: what is there is complete.

    Raises:
        NotAvailable: This machine is 64-bit ARM itself, or an archive cannot be reached.
        CannotWrite: Another process makes it, or the folder cannot be written.
    """
    cache = cache.resolve()  # apt changes its folder
    architecture = arm64_archive.own_architecture()
    if architecture == ARCHITECTURE:
        raise NotAvailable("this machine is 64-bit ARM itself: nothing is to be emulated")
    system = cache / arm64_archive.SUITE
    wheels = cache / f"wheels-{sha256(' '.join(sorted(requirements)).encode())[:12]}"
    with locked(cache):
        if not system.is_dir():
            note(f"making a root folder from Debian's archive: {system}")
            with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as work:
                _make_system(Path(work), architecture).rename(system)
        if not wheels.is_dir():
            note(f"fetching wheels for {', '.join(requirements)}: {wheels}")
            with tempfile.TemporaryDirectory(prefix=".making-", dir=cache) as work:
                _install(requirements, _python(system / "root"), Path(work) / "wheels").rename(wheels)
    return Arm64(system, wheels)


def _make_system(work: Path, own_architecture: str) -> Path:
    archive = arm64_archive.open_archive(work / "apt", (own_architecture, ARCHITECTURE))
    system = work / "system"
    (system / "root").mkdir(parents=True)
    for package in archive.fetch(PACKAGES, architecture=ARCHITECTURE):
        arm64_archive.run(["dpkg-deb", "-x", str(package), str(system / "root")])
    # Linked statically, so nothing that it comes with is needed.
    (emulators,) = [
        package
        for package in archive.fetch(["qemu-user"], architecture=own_architecture)
        if package.name.startswith("qemu-user_")
    ]
    _take(emulators, f"./usr/bin/{EMULATOR}", system / EMULATOR)
    return system


def _take(package: Path, member: str, to: Path) -> None:
    """One program out of a package that holds hundreds of megabytes of others."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process,
        tarfile.open(fileobj=process.stdout, mode="r|") as files,
    ):
        for each in files:
            content = files.extractfile(each) if each.name == member else None
            if content is not None:
                to.write_bytes(content.read())
                to.chmod(0o755)
                return
    raise NotAvailable(f"{package.name} has no {member}")


def _install(requirements: Sequence[str], python: Path, folder: Path) -> Path:
    """Let pip choose, for the other machine, wheels alone."""
    version = python.name.removeprefix("python")
    glibc = range(_ROOT_S_GLIBC, _OLDEST_GLIBC - 1, -1)
    platforms = [*(f"manylinux_2_{minor}_aarch64" for minor in glibc), "manylinux2014_aarch64"]
    arm64_archive.run(
        [
            *(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(folder), "--no-compile"),
            *("--implementation", "cp", "--python-version", version, "--only-binary", ":all:"),
            *(argument for platform in platforms for argument in ("--platform", platform)),
            *requirements,
        ]
    )
    return folder


def _python(root: Path) -> Path:
    """The interpreter, by the name that has its version."""
    return root / "usr/bin" / (root / "usr/bin/python3").readlink()
