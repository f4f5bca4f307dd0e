"""The emulated Cortex-M4: answers, counts, stack and sizes of models in C."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
from c_models import CODE, answers, files, manifest_in_c

from edgefashion import emulate
from edgefashion.artifact import Artifact, from_files
from edgefashion.data import Dataset
from edgefashion.emulate import answers as emulation
from edgefashion.emulate import toolchain
from edgefashion.errors import BadInput, CheckFailed, NotAvailable, UsageError

needs_board = pytest.mark.skipif(
    not all(map(shutil.which, (toolchain.COMPILER, toolchain.SIZE, toolchain.EMULATOR))),
    reason="the Debian packages gcc-arm-none-eabi, libnewlib-arm-none-eabi and qemu-system-arm are not installed",
)


def linked(folder: Path, code: str = CODE, *, level: str = "2") -> Path:
    """Firmware of a model of this code."""
    for name, content in files(code).items():
        (folder / name).write_bytes(content)
    return toolchain.link(folder, "model.c", level=level)[0]


def ran(folder: Path, pixels: np.ndarray, code: str = CODE) -> tuple[int, list[int], np.ndarray]:
    """Bytes of stack, ticks a picture, and logits of a model of this code."""
    stack, ticks, logits = emulation._answers(linked(folder, code), pixels, classes=10)
    return stack, ticks.tolist(), logits


@needs_board
def test_answers(tmp_path: Path, sample: Dataset) -> None:
    """Every picture is answered by the code, and a second run counts the same instructions."""
    pixels = sample.test.pixels[:6]
    _, ticks, logits = ran(tmp_path, pixels)
    np.testing.assert_array_equal(answers(pixels), logits)
    assert ticks == ran(tmp_path, pixels)[1]


@needs_board
def test_instructions_are_counted(tmp_path: Path, sample: Dataset) -> None:
    """Instructions that are known to be there are in the count, to the resolution of the timer."""
    pixels = sample.test.pixels[:2]
    loop = '__asm__ volatile("mov r0, %0\\n1: subs r0, #1\\nbne 1b" :: "r"(3000000) : "r0", "cc");\n    clear(logits);'
    longer = CODE.replace("    clear(logits);", f"    {loop}")
    before, after = ran(tmp_path, pixels)[1], ran(tmp_path, pixels, longer)[1]
    added = [(b - a) * emulation._INSTRUCTIONS_PER_TICK for a, b in zip(before, after, strict=True)]
    assert added == pytest.approx([6_000_000] * 2, abs=3 * emulation._INSTRUCTIONS_PER_TICK)


@needs_board
@pytest.mark.slow
def test_the_timer_may_wrap(tmp_path: Path, sample: Dataset) -> None:
    """A picture may take more instructions than the 24 bits of the timer count, several times over."""
    pixels = sample.test.pixels[:1]
    loop = (
        '__asm__ volatile("mov r0, %0\\n1: subs r0, #1\\nbne 1b" :: "r"(750000000) : "r0", "cc");\n    clear(logits);'
    )
    (ticks,) = ran(tmp_path, pixels, CODE.replace("    clear(logits);", f"    {loop}"))[1]
    assert ticks * emulation._INSTRUCTIONS_PER_TICK > 2 * 2**24 * emulation._INSTRUCTIONS_PER_TICK
    assert ticks * emulation._INSTRUCTIONS_PER_TICK == pytest.approx(1_500_000_000, rel=1e-4)


@needs_board
def test_stack_is_measured(tmp_path: Path, sample: Dataset) -> None:
    """Stack that a call takes is found, whether a compiler can know it or not."""
    pixels = sample.test.pixels[:1]
    hungry = CODE.replace(
        "    clear(logits);",
        "    volatile uint8_t place[20000 + 8 * (picture[0] == 0)];\n    place[0] = 1;\n    clear(logits);",
    )
    assert pixels[0, 0, 0] == 0
    before, after = ran(tmp_path, pixels)[0], ran(tmp_path, pixels, hungry)[0]
    assert 0 < before < 500
    assert 20_008 <= after - before < 20_100


@needs_board
def test_sizes(tmp_path: Path) -> None:
    """Constants lie in flash, variables in RAM; those with a value in both."""
    linked(tmp_path)
    sizes = toolchain.link(tmp_path, "model.c", level="2")[1]
    more = "static const uint8_t table[4000] = { 1 };\nstatic volatile uint8_t zero[2000], one[1000] = { 1 };\n"
    using = CODE.replace("    clear(logits);", "    clear(logits);\n    zero[0] = one[0] = table[picture[0]];")
    linked(tmp_path, using.replace("EMX_NODE_FN void sum", f"{more}EMX_NODE_FN void sum", 1))
    larger = toolchain.link(tmp_path, "model.c", level="2")[1]
    assert 4_000 <= larger.text_bytes - sizes.text_bytes < 4_200
    assert (larger.data_bytes - sizes.data_bytes, larger.bss_bytes - sizes.bss_bytes) == (1_000, 2_000)
    assert larger.flash_bytes == larger.text_bytes + larger.data_bytes
    assert larger.ram_bytes == larger.data_bytes + larger.bss_bytes
    nothing = toolchain.link_nothing(tmp_path, level="2")
    assert nothing.text_bytes < sizes.text_bytes < nothing.text_bytes + 500


@needs_board
@pytest.mark.parametrize(
    ("body", "words"),
    [
        ('__asm__ volatile("udf #0");', "ended with a fault"),
        ("for (;;) { }", "did not end within 1 s"),
        ("volatile uint8_t all[4200000]; all[0] = 1;", "ended with a fault"),
    ],
)
def test_programs_that_fail(
    body: str, words: str, tmp_path: Path, sample: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault, a loop without end and a stack that is full are told, and are no answers."""
    if "did not end" in words:
        monkeypatch.setattr(emulation, "_START_S", 1.0)
        monkeypatch.setattr(emulation, "_PICTURE_S", 0.0)
    with pytest.raises(CheckFailed, match=words):
        ran(tmp_path, sample.test.pixels[:1], CODE.replace("    clear(logits);", f"    {body}\n    clear(logits);"))


@needs_board
def test_code_that_cannot_be_linked(tmp_path: Path) -> None:
    """Code that is none, and a model larger than the board's flash, are refused with the tool's words."""
    with pytest.raises(BadInput, match=r"makes no firmware of model\.c: model\.c:1.*error"):
        linked(tmp_path, "this is no C;")
    huge = "static const uint8_t table[5000000] = { 1 };\n"
    using = CODE.replace("    clear(logits);", "    clear(logits);\n    logits[0] = table[picture[0]];")
    with pytest.raises(CheckFailed, match=r"`FLASH' overflowed"):
        linked(tmp_path, using.replace("EMX_NODE_FN void sum", f"{huge}EMX_NODE_FN void sum", 1))


@pytest.fixture
def other_code(fp32: Artifact) -> Artifact:
    """A model in C that is not what the tiny run's float32 model computes."""
    return from_files(Path("model.c"), files(), manifest_in_c(fp32.manifest))


@needs_board
@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_another_model_does_not_pass(precision: str, other_code: Artifact, fp32: Artifact, sample: Dataset) -> None:
    """Where the board does not answer like ONNX Runtime a check fails, whatever the precision."""
    manifest = msgspec.structs.replace(other_code.manifest, precision=precision)
    model = from_files(other_code.path, files(), manifest)
    found = emulate.run(model, fp32, sample, pictures=4, level="s")
    assert not found.passed
    assert found.bit_exact == 0
    assert [picture.index for picture in found.pictures] == [0, 250, 500, 750]
    np.testing.assert_array_equal(
        answers(sample.test.pixels[[0, 250, 500, 750]]), [picture.logits for picture in found.pictures]
    )
    assert found.flags[-1] == "-Os"


def test_one_wrong_bit_in_one_picture(other_code: Artifact, sample: Dataset) -> None:
    """int8 passes only if every logit of every picture is the same: one unit in the last place of one is enough."""
    model = from_files(other_code.path, files(), msgspec.structs.replace(other_code.manifest, precision="int8"))
    logits = answers(sample.test.pixels[:3])
    labels = sample.test.labels[:3]
    (check,) = emulation._checks(model, logits, logits.copy(), labels)
    assert check.passed
    logits[1, 4] = np.nextafter(logits[1, 4], np.float32(np.inf))
    (check,) = emulation._checks(model, logits, answers(sample.test.pixels[:3]), labels)
    assert (check.value, check.passed) == (1, False)


def test_logits_that_are_no_numbers(other_code: Artifact, sample: Dataset) -> None:
    """What is not finite fails in either precision."""
    expected = answers(sample.test.pixels[:3])
    logits = expected.copy()
    logits[2] = np.nan
    for precision in ("float32", "int8"):
        model = from_files(other_code.path, files(), msgspec.structs.replace(other_code.manifest, precision=precision))
        (check,) = emulation._checks(model, logits, expected, sample.test.labels[:3])
        assert (check.value, check.passed) == (1, False)


@needs_board
@pytest.mark.parametrize("pictures", [0, 1_001])
def test_pictures_that_are_not_there(pictures: int, other_code: Artifact, fp32: Artifact, sample: Dataset) -> None:
    """Nothing is compiled for a number of pictures that makes no sense."""
    with pytest.raises(UsageError, match=f"{pictures} pictures were asked for: expected 1 to 1,000"):
        emulate.run(other_code, fp32, sample, pictures=pictures)


def test_without_the_tools(
    other_code: Artifact, fp32: Artifact, sample: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is missing is named before any work, with the packages that bring it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    words = (
        "arm-none-eabi-gcc, arm-none-eabi-size, qemu-system-arm: apt-get install .*gcc-arm-none-eabi qemu-system-arm"
    )
    with pytest.raises(NotAvailable, match=words):
        emulate.run(other_code, fp32, sample, pictures=1)


@needs_board
def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cross compiler without its C library is not enough."""
    monkeypatch.setattr(toolchain, "_LIBRARY", "no-such.specs")
    with pytest.raises(NotAvailable, match=r"needs no-such\.specs: apt-get install libnewlib-arm-none-eabi"):
        emulate.require_tools()


@needs_board
def test_versions() -> None:
    """Each tool's version is told."""
    found = emulate.tool_versions()
    assert {toolchain.COMPILER, toolchain.SIZE, toolchain.EMULATOR} == found.keys()
    assert all(any(character.isdigit() for character in version) for version in found.values())
