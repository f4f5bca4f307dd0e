"""Memory that is given back stays with the process."""

import subprocess
import sys

import pytest

pytest.importorskip("torch")

from edgefashion.train import memory

# Blocks of 64 MB are beyond the 32 MB from which on glibc always maps, and have 16,384 pages of 4 kB.
CODE = """
import resource
from edgefashion.train.memory import keep_freed_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(3):
        block = bytearray(b"x") * 2**26
        del block
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

given_back = faults()
if keep_freed_memory():
    faults()  # the first block is new in any case
    print(given_back, faults())
"""


def test_pages_are_kept() -> None:
    """A block as large as one that was given back costs no page, where it costs all of them by default."""
    done = subprocess.run([sys.executable, "-c", CODE], check=True, capture_output=True, text=True)
    if not done.stdout:
        pytest.skip("not glibc")
    given_back, kept = map(int, done.stdout.split())
    assert kept * 10 < given_back


def test_other_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the C library is not glibc nothing is set, and nothing fails."""

    def unknown(_: str) -> str:
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(memory.os, "confstr", lambda _: None)
    assert not memory.keep_freed_memory()
    monkeypatch.setattr(memory.os, "confstr", unknown)
    assert not memory.keep_freed_memory()
