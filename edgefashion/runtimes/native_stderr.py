"""What libraries written in C++ say on stderr: kept for the message of an error, or kept from the terminal."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

_STDERR = 2


@contextmanager
def native_stderr() -> Iterator[list[str]]:
    """Lines written to the process's stderr inside the block, by whomever; they are in the list when it is left.

    Such libraries know no handler, level or file: there is only the descriptor, which the whole process shares.
    """
    lines: list[str] = []
    with tempfile.TemporaryFile() as taken:
        sys.stderr.flush()
        terminal = os.dup(_STDERR)
        os.dup2(taken.fileno(), _STDERR)
        try:
            yield lines
        finally:
            sys.stderr.flush()
            os.dup2(terminal, _STDERR)
            os.close(terminal)
            taken.seek(0)
            lines += taken.read().decode(errors="replace").splitlines()
