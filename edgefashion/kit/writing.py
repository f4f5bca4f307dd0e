"""A kit on disk: as a folder, or as one zip file."""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path

from edgefashion.errors import CannotWrite
from edgefashion.files import atomic_write
from edgefashion.kit.runner.integrity import KIT_FILE
from edgefashion.records.kit import Kit

_READABLE = 0o100644  # a regular file, rw-r--r--
_UNIX = 3


def write_folder(files: Mapping[str, bytes], folder: Path) -> Path:
    """Write every file into `folder`, kit.json last, so that no part passes for the whole; returns `folder`.

    A kit that lies there is replaced: its own files go, anything else in the folder (results) stays.

    Raises:
        CannotWrite: Something lies there that is no kit, or the place is full or forbidden.
        BadInput: The kit that lies there is damaged.
    """
    if (folder / KIT_FILE).is_file():
        earlier = Kit.load(folder / KIT_FILE).files
        (folder / KIT_FILE).unlink()
        for name in earlier.keys() - files.keys():
            # A seal keeps out damage and not malice: what a kit lists elsewhere is not its own.
            if (folder / name).resolve().is_relative_to(folder.resolve()):
                (folder / name).unlink(missing_ok=True)
    elif folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise CannotWrite(f"{folder} is there and is no kit: choose another place with --out")
    for name in sorted(files, key=lambda name: name == KIT_FILE):
        atomic_write(folder / name, files[name])
    return folder


def write_zip(files: Mapping[str, bytes], path: Path) -> Path:
    """Write a zip with every file in a folder called like the zip; returns `path`. Same files, same bytes.

    Stored and not deflated, since releases of zlib compress differently; dates are those that zip begins with.

    Raises:
        CannotWrite: The place is full or forbidden.
    """
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(files):
            entry = zipfile.ZipInfo(f"{path.stem}/{name}")
            entry.create_system, entry.external_attr = _UNIX, _READABLE << 16
            archive.writestr(entry, files[name])
    return atomic_write(path, content.getvalue())
