"""Where trials are kept: any database that SQLAlchemy opens, so that workers on many machines can share a study."""

import logging
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage, RetryHeartbeatStaleTrialCallback
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, OperationalError, SQLAlchemyError

from edgefashion.errors import BadInput, CannotWrite, EdgefashionError, NotAvailable, UsageError

_EXPECTED = "expected sqlite:///FILE or postgresql://USER:PASSWORD@HOST/NAME, as SQLAlchemy spells it"
# A worker says this often that it is alive, and is given up after so long without a sign.
HEARTBEAT_S, GRACE_S = 15, 60
# What kills its worker again and again is not tried for ever.
MOST_REPEATS = 3
# SQLite locks the whole file for a write; five seconds, its default, are short for several workers.
_SQLITE_TIMEOUT_S = 60
# Workers that begin at the same moment make the same dozen tables; whoever comes second begins again, and finds them.
_ATTEMPTS = 20
_PAUSE_S = 0.2


def read_url(text: str) -> URL:
    """The address of a database.

    Raises:
        UsageError: It is none, or of one that forgets everything.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        raise UsageError(f"{text!r} is no address of a database: {_EXPECTED}") from None
    if url.drivername == "postgresql":
        # The driver that edgefashion[tune] installs; another is named as postgresql+DRIVER.
        url = url.set(drivername="postgresql+psycopg")
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        raise UsageError(f"{text!r} is no file: {_EXPECTED}")
    return url


def shown(url: URL) -> str:
    """The address without its password."""
    return url.render_as_string(hide_password=True)


@contextmanager
def opened(url: URL, *, heartbeat_s: int = HEARTBEAT_S, grace_s: int = GRACE_S) -> Iterator[RDBStorage]:
    """A storage whose trials have a heartbeat: those of a killed worker are tried again, up to three times.

    Other storages of Optuna have no heartbeat, so that a killed worker's trial would seem to run for ever. Optuna says
    nothing meanwhile: neither in its log nor by warnings about what it calls experimental.

    Args:
        url: From `read_url`; the folder of an SQLite file is made.
        heartbeat_s: Seconds between two signs of life of a running trial.
        grace_s: Seconds without one after which the trial is given up.

    Raises:
        UsageError: There is no such kind of database.
        NotAvailable: Its driver is not installed.
        BadInput: The file is no database, or is one of another Optuna.
        CannotWrite: It cannot be reached or written.
    """
    with _quiet():
        storage = _open(url, heartbeat_s=heartbeat_s, grace_s=grace_s)
        try:
            yield storage
        except (SQLAlchemyError, StorageInternalError) as error:
            raise _explained(error, url) from error
        finally:
            storage.remove_session()
            storage.engine.dispose()


def _open(url: URL, *, heartbeat_s: int, grace_s: int) -> RDBStorage:
    settings = _prepared(url)
    end_s = time.monotonic() + _SQLITE_TIMEOUT_S
    for attempts_left in reversed(range(_ATTEMPTS)):
        try:
            return RDBStorage(
                url.render_as_string(hide_password=False),
                engine_kwargs=settings,
                heartbeat_interval=heartbeat_s,
                grace_period=grace_s,
                heartbeat_stale_trial_callback=RetryHeartbeatStaleTrialCallback(max_retry=MOST_REPEATS),
            )
        except (SQLAlchemyError, ImportError, RuntimeError) as error:
            # SQLite does not always wait where two begin a file at once; where it did, that was long enough.
            locked = "database is locked" in str(error) and time.monotonic() < end_s
            if not (attempts_left and (_is_race(error) or locked)):
                raise _explained(error, url) from None
            if locked:
                time.sleep(_PAUSE_S)
    raise AssertionError("the last attempt returns or raises")


def _is_race(error: Exception) -> bool:
    """Whether another worker made the same tables or rows at the same moment: they are there now."""
    return isinstance(error, IntegrityError) or "already exists" in str(error)


def _prepared(url: URL) -> dict[str, Any]:
    """How SQLAlchemy is to use a database; the folder of a file is made."""
    if url.get_backend_name() != "sqlite":
        return {"pool_pre_ping": True}  # a connection may lie idle as long as a trial takes
    folder = Path(str(url.database)).parent
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot make the folder {folder}: {error.strerror or error}") from error
    return {"connect_args": {"timeout": _SQLITE_TIMEOUT_S, "factory": _Connection}}


class _Connection(sqlite3.Connection):
    """A connection whose readers do not wait for writers, and whose writers do not wait for the disk.

    What was written survives the death of its process, and the file is sound after a power cut, though the last trials
    may then be missing: https://www.sqlite.org/wal.html.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")


def _explained(error: Exception, url: URL) -> EdgefashionError:
    """The error for people, in one line."""
    lines = str(error.__cause__ or getattr(error, "orig", None) or error).splitlines()
    reason = lines[0] if lines else type(error).__name__
    match error:
        case ArgumentError():
            return UsageError(f"{shown(url)}: {reason}; {_EXPECTED}")
        case ImportError():
            return NotAvailable(f"{shown(url)} needs a driver that is not installed ({reason}): install it with pip")
        case OperationalError():
            return CannotWrite(f"cannot use {shown(url)}: {reason}")
        case DatabaseError() | RuntimeError():
            return BadInput(f"{shown(url)} is no storage of trials: {reason}")
    return CannotWrite(f"cannot use {shown(url)}: {reason}")


@contextmanager
def _quiet() -> Iterator[None]:
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", category=ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
