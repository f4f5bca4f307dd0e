"""Run models in C on an emulated Cortex-M4: what they answer there, and what they take of it.

found = emulate.run(artifact, data, pictures=10)
found.passed, found.flash_bytes, found.stack_bytes

The emulator executes the very instructions of the firmware, so that bits, sizes and counts of instructions are those of
a board with this processor. Time is not: an instruction takes one tick here, and a board's caches, flash and pipeline
are not modelled.
"""

from edgefashion.emulate.answers import BOARD, run
from edgefashion.emulate.toolchain import require_tools, tool_versions

__all__ = ["BOARD", "require_tools", "run", "tool_versions"]
