"""Compiling the two small C files of this folder on the spot, into a temporary place; nothing is installed."""

import shutil
import subprocess
from pathlib import Path

from edgefashion.errors import NotAvailable

COMPILERS = ("cc", "gcc", "clang")

_HERE = Path(__file__).parent
# x86 compilers know the first spelling of "this very processor", some ARM ones only the second.
_THIS_PROCESSOR = ("-march=native", "-mcpu=native")
_TIMEOUT_S = 60.0


def build(source: str, target: Path, *flags: str) -> Path:
    """Compile the C file `source` of this folder to `target`; returns it.

    Raises:
        NotAvailable: There is no C compiler, or it fails.
    """
    compiler = next(filter(None, map(shutil.which, COMPILERS)), None)
    if compiler is None:
        raise NotAvailable(f"no C compiler was found (looked for {', '.join(COMPILERS)})")
    said = ""
    for processor in _THIS_PROCESSOR:
        # Contraction makes a fused multiply-add of a product and a sum; it is off where strict C is asked for.
        optimized = ("-std=c11", "-O3", processor, "-ffp-contract=fast")
        command = [compiler, *optimized, *flags, "-o", str(target), str(_HERE / source)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotAvailable(f"{compiler} could not be run: {error}") from None
        if done.returncode == 0:
            return target
        said = said or done.stderr.strip()
    first_line = said.splitlines()[0] if said else "it does not say why"
    raise NotAvailable(f"{compiler} failed: {first_line}")
