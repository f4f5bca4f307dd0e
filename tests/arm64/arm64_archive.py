"""Packages of another Debian release and another architecture, by the ordinary apt and without root.

apt gets a configuration of its own: sources, lists, an empty package database and downloads lie in one folder. So it
resolves dependencies as on an empty machine, and the configuration of this machine stays untouched. The mirror is the
one that this machine is configured with. Signatures are checked.
"""

import os
import shutil
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgefashion.errors import NotAvailable

SUITE = "trixie"  # the first release whose qemu-user runs these wheels: the one before it crashes
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_TIMEOUT_S = 300.0
_SETTINGS = (
    "APT::Get::AllowUnauthenticated=false",
    "Acquire::AllowInsecureRepositories=false",
    "Acquire::Retries=2",
    "Acquire::http::Timeout=20",
    "Acquire::https::Timeout=20",
    "APT::Update::Error-Mode=any",  # a mirror that does not answer is an error and not a warning
)


@dataclass(frozen=True)
class Archive:
    """Package lists of `SUITE`, in a folder of their own.

    Attributes:
        folder: Where the configuration, the lists and what is downloaded lie.
    """

    folder: Path

    def fetch(self, packages: Sequence[str], *, architecture: str) -> list[Path]:
        """The files of `packages` and of everything that they need on an empty machine.

        Raises:
            NotAvailable: The archive does not have them, or cannot be reached.
        """
        downloads = self.folder / architecture
        (downloads / "partial").mkdir(parents=True, exist_ok=True)
        wanted = ["install", "--download-only", "--no-install-recommends", "--yes", *packages]
        settings = [
            f"Dir::Cache::archives={downloads}",
            f"APT::Architecture={architecture}",
            f"APT::Architectures::={architecture}",
        ]
        run(["apt-get", "-q", *_options([*_own_folders(self.folder), *settings]), *wanted])
        return sorted(downloads.glob("*.deb"))


def open_archive(folder: Path, architectures: Iterable[str], *, mirrors: Sequence[str] | None = None) -> Archive:
    """Fetch the package lists of `SUITE` into an empty folder, from the first mirror that has them.

    Args:
        folder: Where everything is kept.
        architectures: Those whose packages will be fetched.
        mirrors: Addresses of Debian archives; by default those that this machine is configured with.

    Raises:
        NotAvailable: There is no apt here, or no mirror has the release, signed with Debian's key.
    """
    for name in ("lists/partial", "none"):
        (folder / name).mkdir(parents=True)
    (folder / "status").touch()
    failures = []
    for mirror in mirrors if mirrors is not None else _own_mirrors():
        signed = f"arch={','.join(architectures)} signed-by={KEYRING}"
        (folder / "sources.list").write_text(f"deb [{signed}] {mirror} {SUITE} main\n")
        try:
            run(["apt-get", "-q", *_options(_own_folders(folder)), "update"])
        except NotAvailable as error:
            failures.append(f"{mirror}: {error}")
        else:
            return Archive(folder)
    raise NotAvailable(f"Debian's {SUITE} cannot be fetched: {'; '.join(failures) or 'apt has no mirror'}")


def own_architecture() -> str:
    """Debian's name of this machine's architecture.

    Raises:
        NotAvailable: This is no Debian or Ubuntu.
    """
    return run(["dpkg", "--print-architecture"]).strip()


def run(command: Sequence[str]) -> str:
    """What a program writes to stdout.

    Raises:
        NotAvailable: It is not here, failed, or did not end; with its own last words.
    """
    if shutil.which(command[0]) is None:
        raise NotAvailable(f"{command[0]} is not on this machine")
    english = {**os.environ, "LC_ALL": "C"}  # the reason is found by its English mark
    try:
        done = subprocess.run(command, env=english, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"{command[0]} did not end within {_TIMEOUT_S:.0f} s") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or ["no reason given"]
        errors = [line for line in said if line.startswith(("E:", "ERROR:"))] or said[-1:]
        raise NotAvailable(f"{command[0]} failed: {errors[0].partition(': ')[2] or errors[0]}")
    return done.stdout


def _own_mirrors() -> list[str]:
    told = run(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
    return list(dict.fromkeys(told.split()))


def _own_folders(folder: Path) -> list[str]:
    return [
        f"Dir::Etc::SourceList={folder / 'sources.list'}",
        f"Dir::Etc::SourceParts={folder / 'none'}",
        f"Dir::Etc::Preferences={folder / 'none' / 'preferences'}",
        f"Dir::Etc::PreferencesParts={folder / 'none'}",
        f"Dir::State={folder}",
        f"Dir::State::Lists={folder / 'lists'}",
        f"Dir::State::status={folder / 'status'}",
        f"Dir::Cache={folder}",
    ]


def _options(settings: Iterable[str]) -> list[str]:
    # As root apt would drop to a user that may not write here, and print a warning for each file.
    sandbox = ["APT::Sandbox::User=root"] if os.geteuid() == 0 else []
    return [argument for setting in (*_SETTINGS, *sandbox, *settings) for argument in ("-o", setting)]
