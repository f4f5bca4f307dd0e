"""The application: its commands in the order of the line, and how errors leave it."""

import functools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from types import FrameType
from typing import Annotated, ParamSpec

import typer

from edgefashion import __version__
from edgefashion.cli.bench import bench
from edgefashion.cli.card import card
from edgefashion.cli.confusions import confusions
from edgefashion.cli.data import data
from edgefashion.cli.doctor import doctor
from edgefashion.cli.emulate import emulate
from edgefashion.cli.explain import explain
from edgefashion.cli.export import export
from edgefashion.cli.kit import kit
from edgefashion.cli.pick import pick
from edgefashion.cli.predict import predict
from edgefashion.cli.quickstart import quickstart
from edgefashion.cli.recipes import recipes
from edgefashion.cli.report import report
from edgefashion.cli.selftest import selftest
from edgefashion.cli.sensitivity import sensitivity, stability
from edgefashion.cli.train import train
from edgefashion.cli.tune import tune
from edgefashion.cli.verify import verify
from edgefashion.errors import EdgefashionError, ExitCode

P = ParamSpec("P")

_BROKEN_PIPE = 128 + signal.SIGPIPE
_DEBUG = "EDGEFASHION_DEBUG"

COMMANDS: tuple[Callable[..., None], ...] = (
    quickstart,
    data,
    recipes,
    train,
    tune,
    export,
    sensitivity,
    stability,
    verify,
    bench,
    explain,
    report,
    pick,
    confusions,
    emulate,
    kit,
    card,
    selftest,
    predict,
    doctor,
)


def main() -> None:
    """Run the command line and exit with the code that `edgefashion.errors` lists."""
    signal.signal(signal.SIGTERM, _terminate)
    for stream in (sys.stdout, sys.stderr):
        # A terminal that cannot show a character gets a question mark, not a traceback.
        stream.reconfigure(errors="replace")  # type: ignore[union-attr]  # both are text files here
    try:
        build_app()()
    except KeyboardInterrupt:  # before a command had begun
        sys.exit(ExitCode.INTERRUPTED)


def build_app() -> typer.Typer:
    """The typer application with every command registered."""
    # Without typer's markup and its own tracebacks, --help does not import rich.
    app = typer.Typer(
        name="edgefashion",
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        add_completion=False,
        no_args_is_help=True,
    )
    app.callback()(_options)
    for command in COMMANDS:
        app.command(command.__name__)(guarded(command))
    return app


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """`command` with its exceptions turned into one or two lines on stderr and an exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except EdgefashionError as error:
            _leave(error.exit_code, str(error))
        except KeyboardInterrupt:
            _leave(ExitCode.INTERRUPTED, "interrupted")
        except BrokenPipeError:
            # Whoever read our output has left; Python would complain once more when it flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(_BROKEN_PIPE)
        except OSError as error:
            _leave(
                ExitCode.CANNOT_WRITE, f"cannot read or write {error.filename or 'a file'}: {error.strerror or error}"
            )
        except (typer.Exit, typer.Abort):
            raise
        except Exception as error:  # noqa: BLE001 - the last place where a bug can be called one
            _leave(
                ExitCode.BUG,
                f"a bug in edgefashion: {type(error).__name__}: {error}\n"
                "Run again as `edgefashion --debug …` and report what it prints.",
            )

    return run


def _print_version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"edgefashion {__version__}\n")
        raise typer.Exit


def _options(
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback with every error.")] = False,
    version: Annotated[  # noqa: ARG001 - acted on by its callback, before a command is looked for
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Train a small image classifier, export it, prove the export, measure it.

    Each command takes up where the one before it left off and runs without arguments:
    data, train, export, verify, bench, report. `edgefashion quickstart` does them all.

    Exit codes: 0 done, 1 a check said no, 2 usage, 3 inconclusive, 4 bad input, 5 not installed or not present,
    6 cannot read or write, 70 a bug, 130 interrupted.
    """
    if debug:
        os.environ[_DEBUG] = "1"


def _leave(code: int, message: str) -> None:
    if os.environ.get(_DEBUG):
        traceback.print_exc()
    sys.stderr.write(f"edgefashion: {message}\n")
    sys.exit(code)


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    # An exception, so that temporary files are removed and workers ended on the way out.
    sys.exit(ExitCode.TERMINATED)
