"""One model on the emulated board: pictures in, answers and counts out, held against ONNX Runtime on the host."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefashion.artifact import Artifact
from edgefashion.data import Dataset
from edgefashion.emulate import toolchain
from edgefashion.errors import CheckFailed, UsageError
from edgefashion.records import Check
from edgefashion.records.microcontroller import EmulatedPicture, Emulation
from edgefashion.runtimes import Logits, Pixels, default_spec, open_session, run_all
from edgefashion.verify import default_limits
from edgefashion.verify.parity import differences, judge

BOARD = f"Arm MPS2, Cortex-M4 with FPU ({toolchain.MACHINE} in QEMU)"

# SysTick runs at 25 MHz there, and an instruction takes a nanosecond: it counts in steps of 40.
_INSTRUCTIONS_PER_TICK = 40
_START_S = 60.0
_PICTURE_S = 120.0


def run(model: Artifact, source: Artifact, data: Dataset, *, pictures: int, level: str = "2") -> Emulation:
    """Compile `model` for a Cortex-M4, run some test pictures there, and compare with `source` on this machine.

    int8 must give the same bits. float32 must keep to the limits of golden outputs: no decision changes, and logits
    differ by no more than another order of sums explains.

    Args:
        model: In C.
        source: The ONNX model that it was made from.
        data: Its test pictures are taken at even distances.
        pictures: How many.
        level: The compiler's optimization: 1, 2, 3 or s.

    Raises:
        NotAvailable: The cross compiler or the emulator is not here.
        UsageError: There are not so many pictures.
        CheckFailed: The program does not fit, faults, or does not end.
    """
    toolchain.require_tools()
    if not 0 < pictures <= len(data.test):
        raise UsageError(f"{pictures} pictures were asked for: expected 1 to {len(data.test):,}")
    indices = np.linspace(0, len(data.test), pictures, endpoint=False).astype(np.intp)
    chosen = data.test.take(indices)
    with open_session(source, default_spec(source)) as session:
        expected = run_all(session, chosen.pixels)
    with tempfile.TemporaryDirectory(prefix="edgefashion-emulate-") as name:
        folder = Path(name)
        for file, content in {model.path.name: model.content, **model.parts}.items():
            (folder / file).write_bytes(content)
        firmware, sections = toolchain.link(folder, model.path.name, level=level)
        harness = toolchain.link_nothing(folder, level=level)
        stack_bytes, ticks, logits = _answers(firmware, chosen.pixels, classes=expected.shape[1])
    return Emulation(
        artifact=model.info,
        reference=source.info,
        flags=[*toolchain.FLAGS, f"-O{level}"],
        firmware=sections,
        harness=harness,
        stack_bytes=stack_bytes,
        pictures=[
            EmulatedPicture(int(index), int(count) * _INSTRUCTIONS_PER_TICK, answer.tolist(), wanted.tolist())
            for index, count, answer, wanted in zip(indices, ticks, logits, expected, strict=True)
        ],
        checks=_checks(model, logits, expected, chosen.labels),
    )


def _answers(firmware: Path, pixels: Pixels, *, classes: int) -> tuple[int, NDArray[np.uint64], Logits]:
    """Bytes of stack, ticks uint64[N] and logits float32[N, classes] that the firmware wrote."""
    pixels.tofile(firmware.with_name("pictures.bin"))
    toolchain.execute(firmware, timeout_s=_START_S + _PICTURE_S * (len(pixels) + 1))
    written = firmware.with_name("answers.bin").read_bytes()
    # As in harness.c.
    stack = np.dtype("<u4")
    answer: np.dtype[Any] = np.dtype([("ticks", "<u8"), ("logits", "<f4", classes)])
    expected = stack.itemsize + answer.itemsize * len(pixels)
    if len(written) != expected:
        raise CheckFailed(f"the emulated Cortex-M4 wrote {len(written)} bytes: expected {expected}")
    answers = np.frombuffer(written, answer, offset=stack.itemsize)
    return int(np.frombuffer(written, stack, count=1)[0]), answers["ticks"], answers["logits"]


def _checks(model: Artifact, logits: Logits, expected: Logits, labels: NDArray[np.uint8]) -> list[Check]:
    precision = model.manifest.precision
    if precision == "int8":
        others = int((logits != expected).any(axis=1).sum())
        return [Check(name="pictures with other bits", value=others, limit=0, relation="≤")]
    broken = int((~np.isfinite(logits)).any(axis=1).sum())
    if broken:
        return [Check(name="pictures without finite logits", value=broken, limit=0, relation="≤")]
    limits = default_limits(precision, len(labels), golden=True)
    return judge(differences(logits, expected, labels), limits)
