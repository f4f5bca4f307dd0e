"""Every error that edgefashion raises on purpose, and the exit code that the command line gives it.

    EdgefashionError
    ├── CheckFailed       1  a check said no: parity does not hold, a gate fails
    ├── UsageError        2  the request itself makes no sense
    ├── Inconclusive      3  the evidence does not decide
    ├── BadInput          4  a file that is missing, truncated, corrupt, hostile or of the wrong kind
    ├── NotAvailable      5  something is not installed or not present on this machine
    └── CannotWrite       6  cannot read or write: full, locked, forbidden

Anything else that escapes is a bug in edgefashion and exits with 70; signals exit with 128 + their number.
A message names the value, what was expected, and the remedy, in one or two lines.
"""

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process tells its caller."""

    OK = 0
    CHECK_FAILED = 1
    USAGE = 2
    INCONCLUSIVE = 3
    BAD_INPUT = 4
    NOT_AVAILABLE = 5
    CANNOT_WRITE = 6
    BUG = 70
    INTERRUPTED = 130
    TERMINATED = 143


class EdgefashionError(Exception):
    """The root of the tree; never raised itself."""

    exit_code = ExitCode.BUG


class CheckFailed(EdgefashionError):  # noqa: N818 - reads as the sentence it stands for
    """A check said no: parity does not hold, a gate fails."""

    exit_code = ExitCode.CHECK_FAILED


class UsageError(EdgefashionError):
    """The request itself makes no sense: an unknown name, a contradiction between options."""

    exit_code = ExitCode.USAGE


class Inconclusive(EdgefashionError):  # noqa: N818 - reads as the sentence it stands for
    """The evidence does not decide."""

    exit_code = ExitCode.INCONCLUSIVE


class BadInput(EdgefashionError):  # noqa: N818 - reads as the sentence it stands for
    """A file that is missing, truncated, corrupt, hostile or of the wrong kind."""

    exit_code = ExitCode.BAD_INPUT


class NotAvailable(EdgefashionError):  # noqa: N818 - reads as the sentence it stands for
    """Something is not installed or not present on this machine."""

    exit_code = ExitCode.NOT_AVAILABLE


class CannotWrite(EdgefashionError):  # noqa: N818 - reads as the sentence it stands for
    """A file or folder cannot be read or written: full, locked, forbidden."""

    exit_code = ExitCode.CANNOT_WRITE
