"""What an emulated microcontroller did with models in C."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, DataIdentity
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.judgement import Check
from edgefashion.records.training import Environment


class Sections(Record, frozen=True):
    """Sizes of a linked program."""

    text_bytes: int  # code and constants
    data_bytes: int  # variables with a value to begin with: it lies in flash, they lie in RAM
    bss_bytes: int  # variables that begin as zero

    @property
    def flash_bytes(self) -> int:
        """What is written to flash."""
        return self.text_bytes + self.data_bytes

    @property
    def ram_bytes(self) -> int:
        """What variables take all the time; the stack comes on top."""
        return self.data_bytes + self.bss_bytes


class EmulatedPicture(Record, frozen=True):
    """One picture on the emulated processor."""

    index: int  # in the test pictures
    instructions: int
    logits: list[float]
    expected: list[float]  # ONNX Runtime's on the host


class Emulation(Record, frozen=True):
    """One model in C on the emulated processor."""

    artifact: ArtifactInfo
    reference: ArtifactInfo  # the ONNX model that the C was made from
    flags: list[str]  # of the compiler
    firmware: Sections
    harness: Sections  # the same firmware without the model
    stack_bytes: int  # what one call takes, found by painting the stack
    pictures: list[EmulatedPicture]
    checks: list[Check]

    @property
    def passed(self) -> bool:
        """Whether every check holds."""
        return all(check.passed for check in self.checks)

    @property
    def flash_bytes(self) -> int:
        """What the model adds to flash."""
        return self.firmware.flash_bytes - self.harness.flash_bytes

    @property
    def ram_bytes(self) -> int:
        """What the model's variables add to RAM, the stack apart."""
        return self.firmware.ram_bytes - self.harness.ram_bytes

    @property
    def bit_exact(self) -> int:
        """Pictures whose logits are those of ONNX Runtime to the last bit."""
        return sum(picture.logits == picture.expected for picture in self.pictures)


class ArenaSize(Record, frozen=True):
    """The memory that TensorFlow Lite Micro's interpreter takes for a model's tensors."""

    artifact: ArtifactInfo
    arena_bytes: int


class MicrocontrollerReport(Document, frozen=True, kw_only=True):
    """microcontroller.json: the models of a run in C on an emulated microcontroller."""

    kind: Literal["microcontroller"] = "microcontroller"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    board: str
    data: DataIdentity
    results: list[Emulation]
    arenas: list[ArenaSize]
    tools: dict[str, str]  # what each says about its version
    environment: Environment

    @property
    def passed(self) -> bool:
        """Whether every model does what it must."""
        return all(result.passed for result in self.results)
