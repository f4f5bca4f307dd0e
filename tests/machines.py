"""Machines made of files: trees of /proc and /sys that a test can read instead of the real ones."""

from collections.abc import Mapping
from pathlib import Path


def plant(root: Path, files: Mapping[str, str]) -> Path:
    """Write each text to its place below `root`, lone surrogates as the bytes they stand for; returns `root`."""
    for name, text in files.items():
        place = root / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(text.encode(errors="surrogateescape"))
    return root


def make_unreadable(root: Path, *names: str) -> Path:
    """Put a folder where each file was: reading it fails for every user, root too."""
    for name in names:
        place = root / name
        place.unlink(missing_ok=True)
        place.mkdir(parents=True, exist_ok=True)
    return root
