"""The cross compiler, its C library, and the emulator: programs of the system, not Python packages."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgefashion.errors import BadInput, CheckFailed, NotAvailable
from edgefashion.records.microcontroller import Sections

COMPILER = "arm-none-eabi-gcc"
SIZE = "arm-none-eabi-size"
EMULATOR = "qemu-system-arm"

MACHINE = "mps2-an386"
# Sums stay what C says they are: a fused product would give other bits than the host's.
FLAGS = (
    "-mcpu=cortex-m4",
    "-mthumb",
    "-mfloat-abi=hard",
    "-mfpu=fpv4-sp-d16",
    "-std=c99",
    "-ffp-contract=off",
    "-ffunction-sections",
    "-fdata-sections",
)

_PACKAGES = {COMPILER: "gcc-arm-none-eabi", SIZE: "binutils-arm-none-eabi", EMULATOR: "qemu-system-arm"}
# The small C library, and the Debian package that it comes in.
_LIBRARY, _LIBRARY_PACKAGE = "nano.specs", "libnewlib-arm-none-eabi"
_BOARD = Path(__file__).parent / "board"
_SCRIPT = "mps2_an386.ld"
_SHORT_S = 60
_COMPILE_S = 600


def require_tools() -> None:
    """Refuse early where a program is missing.

    Raises:
        NotAvailable: Names the programs, and the Debian packages that bring them.
    """
    missing = {tool: package for tool, package in _PACKAGES.items() if shutil.which(tool) is None}
    if COMPILER not in missing and not Path(_said([COMPILER, f"-print-file-name={_LIBRARY}"])).is_absolute():
        missing[_LIBRARY] = _LIBRARY_PACKAGE
    if missing:
        raise NotAvailable(
            f"emulating a Cortex-M4 needs {', '.join(missing)}: apt-get install {' '.join(sorted(missing.values()))}"
        )


def tool_versions() -> dict[str, str]:
    """The first line that each program says about itself."""
    return {tool: _said([tool, "--version"]).partition("\n")[0] for tool in _PACKAGES}


def link(folder: Path, model: str, *, level: str) -> tuple[Path, Sections]:
    """Firmware of the C file `model` in `folder`, and its sizes.

    Args:
        folder: Where the model and model.h lie; the firmware is put there.
        model: Name of the C file.
        level: The compiler's optimization, as 2 or s.

    Raises:
        BadInput: The compiler refuses the code.
        CheckFailed: The program does not fit into the board's memory.
    """
    firmware = folder / f"{Path(model).stem}.elf"
    harness, script = str(_BOARD / "harness.c"), str(_BOARD / _SCRIPT)
    linking = ("-w", f"--specs={_LIBRARY}", "-nostartfiles", "-T", script, "-Wl,--gc-sections", "-I", ".")
    command = [COMPILER, *FLAGS, f"-O{level}", *linking, harness, model, "-lm", "-o", firmware.name]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=_COMPILE_S)
    if done.returncode:
        words = next(
            (line for line in done.stderr.splitlines() if "error" in line or "overflowed" in line), done.stderr
        )
        kind = CheckFailed if "overflowed" in done.stderr else BadInput
        raise kind(f"{COMPILER} makes no firmware of {model}: {words.strip()}")
    return firmware, _sections(firmware)


def link_nothing(folder: Path, *, level: str) -> Sections:
    """Sizes of the same firmware without a model."""
    shutil.copy(_BOARD / "empty.c", folder)
    return link(folder, "empty.c", level=level)[1]


def execute(firmware: Path, *, timeout_s: float) -> None:
    """Run firmware on the emulated board; files that it opens lie in its folder.

    One instruction is one nanosecond of the emulated clock, so that counts are the same each time.

    Raises:
        CheckFailed: The program faulted or did not come to its end.
    """
    command = [EMULATOR, "-M", MACHINE, "-nographic", "-monitor", "none", "-serial", "none", "-icount", "shift=0"]
    command += ["-semihosting-config", "enable=on,target=native", "-kernel", firmware.name]
    try:
        done = subprocess.run(
            command,
            cwd=firmware.parent,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise CheckFailed(f"the emulated Cortex-M4 did not end within {timeout_s:.0f} s") from error
    if done.returncode:
        words = done.stderr.strip().partition("\n")[0] or f"exit code {done.returncode}"
        raise CheckFailed(f"the emulated Cortex-M4 ended with a fault: {words}")


def _sections(firmware: Path) -> Sections:
    text, data, bss = map(int, _said([SIZE, str(firmware)]).splitlines()[1].split()[:3])
    return Sections(text_bytes=text, data_bytes=data, bss_bytes=bss)


def _said(command: Sequence[str]) -> str:
    done = subprocess.run(list(command), capture_output=True, text=True, check=True, timeout=_SHORT_S)
    return done.stdout.strip()
