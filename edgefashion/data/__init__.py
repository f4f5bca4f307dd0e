"""Find or fetch Fashion-MNIST, check it byte for byte, split it.

split = data.load()          # from the first source that has it, fetching if need be
split = data.load("sample")  # the 3,000 pictures that ship with edgefashion
"""

import os
from collections.abc import Callable
from pathlib import Path

from edgefashion.data import fetch
from edgefashion.data.dataset import (
    FASHION_MNIST,
    Dataset,
    Images,
    find_file,
    golden_images,
    load_sample,
    read_folder,
)
from edgefashion.errors import BadInput, CannotWrite, NotAvailable, UsageError

__all__ = ["Dataset", "Images", "cache_folder", "golden_images", "load", "load_present", "load_sample"]

SYSTEM_FOLDER = Path("/usr/share/datasets/fashion-mnist")

Note = Callable[[str], None]


def silent(_: str) -> None:
    """Take a note and do nothing with it."""


def cache_folder() -> Path:
    """Where fetched files are kept: EDGEFASHION_CACHE, or the user's cache folder."""
    from platformdirs import user_cache_path

    chosen = os.environ.get("EDGEFASHION_CACHE")
    return (Path(chosen) if chosen else user_cache_path("edgefashion")) / "fashion-mnist"


def load(where: str | Path | None = None, *, note: Note = silent, update_lists: bool = True) -> Dataset:
    """Fashion-MNIST from the first source that has it; what is nowhere on this machine is fetched.

    The order: `where` or EDGEFASHION_DATA, alone if given; the cache; the system's folder; torchvision's
    download; Debian's package.

    Args:
        where: A folder with the four IDX files, or "sample" for the bundled sample.
        note: Is told which sources are tried and what came of it.
        update_lists: Whether fetching from Debian may download package lists of its own.

    Raises:
        BadInput: A file that was found is not the published one.
        NotAvailable: No source has the data; the message names what was tried.
    """
    present = _chosen(where, note) or _on_this_machine(note)
    if present is not None:
        return present
    cache = cache_folder()
    failures = []
    attempts: dict[str, Callable[[], None]] = {
        "torchvision": lambda: fetch.from_torchvision(cache, note),
        "Debian": lambda: fetch.from_debian(cache, note, update_lists=update_lists),
    }
    for name, attempt in attempts.items():
        try:
            attempt()
        except NotAvailable as error:
            note(f"{name}: {error}")
            failures.append(f"{name}: {error}")
        else:
            return read_folder(cache, FASHION_MNIST, origin=f"{cache} (fetched through {name})")
    raise NotAvailable(
        f"Fashion-MNIST is not in {cache} or {SYSTEM_FOLDER} and could not be fetched ({'; '.join(failures)}). "
        "Put its four IDX files into a folder and give it with --data, or use --data sample"
    )


def load_present(where: str | Path | None = None, *, note: Note = silent) -> Dataset:
    """Like `load`, but fetches nothing: without the data set on this machine it is the bundled sample.

    The sample names itself in its identity, and every report shows that name.
    """
    present = _chosen(where, note) or _on_this_machine(note)
    if present is not None:
        return present
    note("the full data set is not on this machine: using the bundled sample; `edgefashion data` fetches all of it")
    return load_sample()


def _chosen(where: str | Path | None, note: Note) -> Dataset | None:
    if where is not None and str(where) == "":
        raise UsageError("an empty name was given for the data: expected a folder or 'sample'")
    chosen = where or os.environ.get("EDGEFASHION_DATA")
    if not chosen:
        return None
    note(f"data: {chosen}, as {'the call says' if where else 'EDGEFASHION_DATA says'}")
    if str(chosen) == "sample":
        return load_sample()
    folder = Path(chosen)
    if not folder.is_dir():
        raise BadInput(f"{folder} is not a folder: expected one with Fashion-MNIST's four IDX files, or 'sample'")
    return read_folder(folder, FASHION_MNIST, origin=str(folder))


def _on_this_machine(note: Note) -> Dataset | None:
    for name, folder in (("cache", cache_folder()), ("system folder", SYSTEM_FOLDER)):
        found = [find_file(folder, stem) is not None for stem in FASHION_MNIST.digests]
        if not any(found):
            note(f"{name}: nothing in {folder}")
            continue
        try:
            dataset = read_folder(folder, FASHION_MNIST, origin=str(folder))
        except (BadInput, CannotWrite) as error:
            # A damaged cache must not stop a run that another source can serve; the damage is said aloud.
            note(f"{name}: {error}")
        else:
            note(f"{name}: {folder}")
            return dataset
    return None
