"""What the C library does with memory that a training gives back after every step."""

import ctypes
import os

# mallopt(3): its parameters, and the values that it documents as "never map" and "never trim".
_MMAP_MAX, _NO_MAPS = -4, 0
_TRIM_THRESHOLD, _NEVER = -1, -1


def keep_freed_memory() -> bool:
    """Let glibc keep the memory that tensors leave behind, for the next step's tensors.

    By default it maps every block of more than 32 MB anew and gives the free end of its heap back to the system, so
    that the kernel clears the same pages again in each step: a quarter of the time of seed-wide. From here on the
    process keeps what it once needed. That cannot be undone: mallopt does not tell what was set before.

    Returns:
        Whether the C library took the settings: False where it is not glibc.
    """
    if not _is_glibc():
        return False
    library = ctypes.CDLL(None)
    return bool(library.mallopt(_MMAP_MAX, _NO_MAPS) and library.mallopt(_TRIM_THRESHOLD, _NEVER))


def _is_glibc() -> bool:
    try:
        return (os.confstr("CS_GNU_LIBC_VERSION") or "").startswith("glibc")
    except (ValueError, OSError):
        return False  # another C library does not know the name
