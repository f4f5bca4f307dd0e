"""What machine this is."""

import os
import subprocess
import sys
from importlib.metadata import version

import msgspec
import pytest

from edgefashion import environment
from edgefashion.errors import NotAvailable
from edgefashion.records import Environment


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missing is named, with the purpose and the command that installs it."""
    monkeypatch.setattr(environment, "find_spec", lambda name: None if name in {"torch", "onnx"} else object())
    with pytest.raises(NotAvailable) as raised:
        environment.require("train", purpose="training")
    assert str(raised.value) == (
        "training needs torch, onnx, which are not installed: pip install 'edgefashion[train]'"
    )  # fmt: skip


def test_present_packages_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is refused where everything is installed."""
    monkeypatch.setattr(environment, "find_spec", lambda _: object())
    environment.require("train", purpose="training")


def test_installed_version() -> None:
    """An installed package has its version, an absent one has none."""
    assert version("numpy") == environment.installed("numpy")
    assert environment.installed("no-such-package-anywhere") is None


def test_versions_hold_what_decides_a_result() -> None:
    """Recorded are the relevant packages that are installed, and no others."""
    found = environment.versions()
    assert {"numpy", "onnxruntime"} <= set(found) <= set(environment.RELEVANT)
    assert version("onnxruntime") == found["onnxruntime"]


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_usable_cpus_follow_the_affinity_mask() -> None:
    """A process that is bound to one core counts one, whatever the machine has."""
    before = os.sched_getaffinity(0)
    chosen = max(before)
    os.sched_setaffinity(0, {chosen})
    try:
        assert [chosen] == environment.usable_cpus()
        assert environment.describe().usable_cores == 1
    finally:
        os.sched_setaffinity(0, before)


def test_describe_has_a_json_form() -> None:
    """The description survives JSON, and is filled in on a real machine."""
    described = environment.describe()
    assert described == msgspec.json.decode(msgspec.json.encode(described), type=Environment)
    assert described.cpu
    assert 1 <= described.usable_cores <= described.cores
    assert described.memory_bytes > 2**20


@pytest.mark.parametrize(("flags", "expected"), [("fpu hypervisor sse2", True), ("fpu sse2", False)])
def test_processor_and_hypervisor(flags: str, expected: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The processor's name and whether a hypervisor stands below are read from the kernel's list."""
    cpu_info = f"processor\t: 0\nmodel name\t: Fast Chip: 9000\nflags\t\t: {flags}\n"
    monkeypatch.setattr(environment, "_read", lambda path: cpu_info if path == "/proc/cpuinfo" else None)
    described = environment.describe()
    assert described.cpu == "Fast Chip: 9000"
    assert expected == described.hypervisor
    assert described.governor is None


def test_describe_does_not_import_torch() -> None:
    """Describing the machine costs no import of torch, which a device may not even have."""
    code = "import sys; from edgefashion.environment import describe; describe(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
