"""Reading what the kernel tells about itself: whatever cannot be read is None, and never an error."""

from pathlib import Path


def read(path: Path) -> str | None:
    """The text of a small file without white space around it; None where it is absent or unreadable."""
    try:
        # Firmware ends its strings with a zero byte.
        return path.read_text(errors="replace").strip("\0\n\t ")
    except (OSError, ValueError):  # a ValueError is a path, made of what another file says, that none can have
        return None


def number(path: Path) -> int | None:
    """The whole number that a file consists of, or None."""
    return as_number(read(path))


def as_number(text: str | None) -> int | None:
    """`text` as a whole number, or None where it is none."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def switch(path: Path) -> bool | None:
    """Whether a file that holds 0 or 1 holds 1, or None."""
    value = number(path)
    return None if value is None else value == 1


def field(text: str, name: str) -> str | None:
    """The value of the first line "name : value", or None."""
    for line in text.splitlines():
        key, colon, value = line.partition(":")
        if colon and key.strip() == name:
            return value.strip()
    return None
