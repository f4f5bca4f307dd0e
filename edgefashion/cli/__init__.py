"""The command line: parse, call one function, render; errors become exit codes.

Results go to stdout, progress and notes to stderr. Commands import their stage inside the command, so that
`edgefashion --help` costs no more than an interpreter and typer.
"""

from edgefashion.cli.app import main

__all__ = ["main"]
