"""What machine this is."""

import os
import shutil
import subprocess
import sys
import tempfile
from importlib import metadata
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from machines import make_unreadable, plant

from edgefashion import environment
from edgefashion.environment import cgroup
from edgefashion.errors import NotAvailable
from edgefashion.records import Environment

CPU = "sys/devices/system/cpu"
CLOCKS = "sys/devices/system/clocksource/clocksource0"
SERVER = {
    "proc/cpuinfo": "processor\t: 0\nmodel name\t: Fast Chip: 9000\nmicrocode\t: 0x1f\n"
    "flags\t\t: fpu smep sse2 fma fma4 avx2 avx512_vnni hypervisor avx512f\n",
    "proc/self/cgroup": "0::/\n",
    "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  550.54.14  Release Build\n"
    "GCC version:  gcc version 12.2.0\n",
    "proc/driver/nvidia/gpus/0000:01:00.0/information": "Model: \t\t NVIDIA H100\nIRQ:   \t\t 16\n",
    "run/systemd/container": "lxc\n",
    f"{CPU}/cpu0/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpu1/cpufreq/scaling_governor": "performance\n",
    f"{CPU}/cpufreq/boost": "1\n",
    f"{CPU}/smt/active": "0\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 5\n",
    "sys/fs/cgroup/cpu.max": "150000 100000\n",
    "sys/class/dmi/id/sys_vendor": "QEMU\n",
    "sys/class/dmi/id/product_name": "Standard PC\n",
    "sys/kernel/mm/transparent_hugepage/enabled": "always [madvise] never\n",
    f"{CLOCKS}/current_clocksource": "tsc\n",
    f"{CLOCKS}/available_clocksource": "tsc kvm-clock\n",
}


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


def test_versions_hold_what_decides_a_result(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded are the relevant packages that are installed, every build and plug-in of ONNX Runtime, and no others."""
    found = environment.versions()
    assert version("onnxruntime") == found["onnxruntime"]
    assert {"numpy", "onnxruntime"} <= set(found)
    assert all(name in environment.RELEVANT or name.startswith("onnxruntime-") for name in found)

    installed = [SimpleNamespace(name=name) for name in ("numpy", "onnxruntime-gpu", "onnxruntimes", None)]
    monkeypatch.setattr(metadata, "distributions", lambda: installed)
    monkeypatch.setattr(environment, "installed", {"numpy": "2.0", "onnxruntime-gpu": "1.32.0"}.get)
    assert environment.versions() == {"numpy": "2.0", "onnxruntime-gpu": "1.32.0"}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="no affinity on this system")
def test_usable_cpus_follow_the_affinity_mask() -> None:
    """A process that is bound to one core counts one, whatever the machine has."""
    before = os.sched_getaffinity(0)
    chosen = max(before)
    os.sched_setaffinity(0, {chosen})
    try:
        assert [chosen] == environment.usable_cpus()
        described = environment.describe()
        assert described.usable_cores == 1
        assert [chosen] == described.usable_cpus
    finally:
        os.sched_setaffinity(0, before)


def test_describe_has_a_json_form() -> None:
    """The description survives JSON, and is filled in on a real machine."""
    described = environment.describe()
    assert described == msgspec.json.decode(msgspec.json.encode(described), type=Environment)
    assert described.cpu
    assert 1 <= described.usable_cores <= described.cores
    assert described.memory_bytes > 2**20


def test_describe_does_not_import_torch() -> None:
    """Describing the machine costs no import of torch, which a device may not even have."""
    code = "import sys; from edgefashion.environment import describe; describe(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# What the kernel's files say


def test_every_fact_of_a_server(tmp_path: Path) -> None:
    """Each fact is read from its file."""
    described = environment.describe(root=plant(tmp_path, SERVER))
    assert described.cpu == "Fast Chip: 9000"
    assert described.microcode == "0x1f"
    assert described.cpu_flags == ["avx2", "avx512_vnni", "avx512f", "fma"]
    assert described.governor == "performance"
    assert described.boost is True
    assert described.smt is False
    assert (described.cgroup, described.cpu_quota) == ("v2", 1.5)
    assert described.container == "lxc"
    assert (described.hypervisor, described.hypervisor_name) == (True, "KVM")
    assert described.board == "QEMU Standard PC"
    assert described.huge_pages == "madvise"
    assert described.clock_source == "tsc"
    assert described.nvidia_driver == "550.54.14"


@pytest.fixture
def _no_container_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("container", raising=False)


@pytest.mark.usefixtures("_no_container_variable")
@pytest.mark.parametrize("how", ["absent", "unreadable", "empty"])
def test_what_cannot_be_read_is_none(how: str, tmp_path: Path) -> None:
    """A machine whose /proc and /sys tell nothing is described without an error and without an invention."""
    if how == "unreadable":
        make_unreadable(tmp_path, *SERVER)
    elif how == "empty":
        plant(tmp_path, dict.fromkeys(SERVER, ""))
    described = environment.describe(root=tmp_path)
    assert described.cpu
    assert described.cpu_flags == []
    assert described.hypervisor is False
    unknown = ("microcode", "boost", "smt", "cgroup", "cpu_quota", "hypervisor_name", "huge_pages", "nvidia_driver")
    assert dict.fromkeys(unknown) == {name: getattr(described, name) for name in unknown}


@given(garbage=st.lists(st.binary(max_size=40), min_size=len(SERVER), max_size=len(SERVER)))
@settings(max_examples=20)
def test_senseless_files_are_no_error(garbage: list[bytes]) -> None:
    """Whatever bytes a file holds, the machine is described."""
    texts = (content.decode(errors="surrogateescape") for content in garbage)
    with tempfile.TemporaryDirectory() as folder:
        root = plant(Path(folder), dict(zip(SERVER, texts, strict=True)))
        assert environment.describe(root=root, folder=root / "gone").cpu


def test_arm_processors_are_named_by_their_cores(tmp_path: Path) -> None:
    """Where the kernel has no name for a processor its kinds of cores are told, each once, and the board's own name."""
    little = "processor\t: 0\nFeatures\t: fp asimd asimddp sha1\nCPU implementer\t: 0x41\nCPU part\t: 0xd05\n"
    cpu_info = "\n".join([little, little, little.replace("0xd05", "0xd0b")])
    plant(tmp_path, {"proc/cpuinfo": cpu_info, "proc/device-tree/model": "Raspberry Pi 5 Model B\0"})
    described = environment.describe(root=tmp_path)
    assert described.cpu == "Arm implementer 0x41 part 0xd05 + Arm implementer 0x41 part 0xd0b"
    assert described.cpu_flags == ["asimd", "asimddp"]
    assert described.board == "Raspberry Pi 5 Model B"


def test_different_governors_are_all_told(tmp_path: Path) -> None:
    """One processor left on another governor is not hidden behind the first."""
    plant(tmp_path, {**SERVER, f"{CPU}/cpu1/cpufreq/scaling_governor": "powersave\n"})
    assert environment.describe(root=tmp_path).governor == "performance, powersave"


@pytest.mark.parametrize(("forbidden", "expected"), [("1", False), ("0", True)])
def test_intel_says_when_it_may_not_boost(forbidden: str, expected: bool, tmp_path: Path) -> None:
    """Intel's driver tells the opposite of what others tell."""
    plant(tmp_path, {f"{CPU}/intel_pstate/no_turbo": forbidden})
    assert environment.describe(root=tmp_path).boost is expected


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("sys/hypervisor/type", "xen", "Xen"),
        ("sys/class/dmi/id/product_name", "Virtual Machine", "Hyper-V"),
        ("sys/class/dmi/id/sys_vendor", "VMware, Inc.", "VMware"),
        (f"{CLOCKS}/available_clocksource", "hyperv_clocksource_tsc_page acpi_pm", "Hyper-V"),
        ("proc/device-tree/hypervisor/compatible", "linux,kvm\0", "KVM"),
    ],
)
def test_hypervisors_give_themselves_away(file: str, text: str, expected: str, tmp_path: Path) -> None:
    """A hypervisor is known by its name even where no flag of the processor admits it."""
    described = environment.describe(root=plant(tmp_path, {file: text}))
    assert (described.hypervisor, described.hypervisor_name) == (True, expected)


def test_a_nameless_hypervisor_is_seen(tmp_path: Path) -> None:
    """The processor's flag alone tells that there is one."""
    described = environment.describe(root=plant(tmp_path, {"proc/cpuinfo": "flags : fpu hypervisor sse2\n"}))
    assert (described.hypervisor, described.hypervisor_name) == (True, None)


@pytest.mark.usefixtures("_no_container_variable")
@pytest.mark.parametrize(("file", "expected"), [(".dockerenv", "docker"), ("run/.containerenv", "podman")])
def test_containers_leave_a_file(file: str, expected: str, tmp_path: Path) -> None:
    """Docker and podman are known by the file that they leave."""
    assert environment.describe(root=plant(tmp_path, {file: ""})).container == expected


def test_driver_of_the_closed_module(tmp_path: Path) -> None:
    """NVIDIA's two kernel modules write their version in different places of the line."""
    line = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.104.05  Sat Aug 19 01:15:15 UTC 2023\n"
    described = environment.describe(root=plant(tmp_path, {"proc/driver/nvidia/version": line}))
    assert described.nvidia_driver == "535.104.05"
    assert described.accelerators == ["NVIDIA GPU (driver present)"]


def test_gpus_are_named(tmp_path: Path) -> None:
    """The driver's own files name the GPUs, without any library."""
    assert environment.describe(root=plant(tmp_path, SERVER)).accelerators == ["NVIDIA H100"]


# Control groups


def describe_group(root: Path) -> tuple[str | None, float | None]:
    described = environment.describe(root=root)
    return described.cgroup, described.cpu_quota


def test_quota_of_the_older_interface(tmp_path: Path) -> None:
    """Quota over period is the number of processors, found by the process's own path."""
    own = "sys/fs/cgroup/cpu,cpuacct/job"
    files = {
        "proc/self/cgroup": "5:memory:/elsewhere\n4:cpu,cpuacct:/job\n0::/\n",
        "sys/fs/cgroup/cpu,cpuacct/cpu.stat": "nr_throttled 0\n",
        f"{own}/cpu.stat": "nr_throttled 0\n",
        f"{own}/cpu.cfs_quota_us": "50000\n",
        f"{own}/cpu.cfs_period_us": "100000\n",
    }
    assert describe_group(plant(tmp_path, files)) == ("v1", 0.5)


@pytest.mark.parametrize(
    "files",
    [
        {"proc/self/cgroup": "1:cpu:/\n", "sys/fs/cgroup/cpu/cpu.stat": "", "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1"},
        {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.stat": "", "sys/fs/cgroup/cpu.max": "max 100000"},
    ],
    ids=["v1", "v2"],
)
def test_no_limit_is_no_quota(files: dict[str, str], tmp_path: Path) -> None:
    """Both interfaces have a word for "as much as there is", and it is not a number of processors."""
    plant(tmp_path, {"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000", **files})
    assert describe_group(tmp_path)[1] is None


def test_the_tightest_quota_of_all_folders_holds(tmp_path: Path) -> None:
    """A limit on a group above holds for those below, too."""
    mount = "sys/fs/cgroup"
    files = {
        "proc/self/cgroup": "0::/pod/job\n",
        f"{mount}/cpu.stat": "",
        f"{mount}/pod/cpu.stat": "",
        f"{mount}/pod/cpu.max": "25000 100000",
        f"{mount}/pod/job/cpu.stat": "",
        f"{mount}/pod/job/cpu.max": "200000 100000",
    }
    assert describe_group(plant(tmp_path, files)) == ("v2", 0.25)


@pytest.mark.parametrize("path", ["/docker/0123", "/../outside"])
def test_a_path_from_outside_a_container_leads_to_its_root(path: str, tmp_path: Path) -> None:
    """In a container the path may be valid only outside: what is mounted is then the container's own group."""
    files = {
        "proc/self/cgroup": f"0::{path}\n",
        "sys/fs/cgroup/cpu.stat": "",
        "sys/fs/cgroup/cpu.max": "50000 100000",
        "sys/fs/outside/cpu.stat": "",
    }
    group = cgroup.cpu_group(plant(tmp_path, files))
    assert group == cgroup.CpuGroup(version="v2", folders=(tmp_path / "sys/fs/cgroup",))
    assert cgroup.quota(group) == 0.5


def test_the_newer_interface_may_be_mounted_beside_the_older(tmp_path: Path) -> None:
    """Where both exist and the processor controller is with neither by name, the newer one is found in its corner."""
    files = {
        "proc/self/cgroup": "1:memory:/\n0::/\n",
        "sys/fs/cgroup/unified/cpu.stat": "",
        "sys/fs/cgroup/unified/cpu.max": "300000 100000",
    }
    assert describe_group(plant(tmp_path, files)) == ("v2", 3.0)


# The state of the sources


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit of one file."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    for name in ("GIT_CONFIG_GLOBAL", "GIT_CONFIG_SYSTEM"):
        monkeypatch.setenv(name, os.devnull)
    folder = plant(tmp_path / "repository", {"file": "text\n"})
    who = ("-c", "user.name=a", "-c", "user.email=a@b")
    for command in (("init", "-q"), ("add", "file"), (*who, "commit", "-q", "-m", "first")):
        subprocess.run([git, "-C", str(folder), *command], check=True, capture_output=True)
    return folder


def test_a_clean_commit_is_recorded(repository: Path) -> None:
    """The full commit, and that nothing differs from it; files that git does not know are nobody's change."""
    (repository / "result.json").write_text("{}")
    described = environment.describe(folder=repository)
    assert len(described.git_commit or "") == 40
    assert described.git_dirty is False


def test_a_changed_file_makes_the_sources_dirty(repository: Path) -> None:
    """What was measured is then not what the commit says."""
    (repository / "file").write_text("other\n")
    assert environment.describe(folder=repository).git_dirty is True


def test_looking_at_sources_writes_nothing(repository: Path) -> None:
    """The index stays as it was, byte for byte, although the file's time is newer than what it holds."""
    os.utime(repository / "file", (0, 0))
    before = (repository / ".git/index").read_bytes()
    environment.describe(folder=repository)
    assert before == (repository / ".git/index").read_bytes()


def test_no_repository_and_no_git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of a repository, in a folder that is gone, and without git nothing is recorded."""
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    for folder in (tmp_path, tmp_path / "gone"):
        described = environment.describe(folder=folder)
        assert (described.git_commit, described.git_dirty) == (None, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert environment.describe().git_commit is None


# The fingerprint


@pytest.fixture
def server(tmp_path: Path) -> Environment:
    """A server without any unknown fact."""
    return environment.describe(root=plant(tmp_path, SERVER))


def test_a_machine_is_comparable_with_itself(server: Environment) -> None:
    """Equal facts leave no difference."""
    assert environment.differences(server, server) == []


CHANGES = {
    "cpu": ("Slow Chip", "processor was Fast Chip: 9000, is Slow Chip"),
    "board": (None, "board was QEMU Standard PC, is unknown"),
    "microcode": ("0x20", "microcode was 0x1f, is 0x20"),
    "cpu_flags": (["avx2"], "instruction sets was avx2, avx512_vnni, avx512f, fma, is avx2"),
    "governor": ("powersave", "frequency governor was performance, is powersave"),
    "boost": (False, "boost was on, is off"),
    "smt": (True, "SMT was off, is on"),
    "cpu_quota": (None, "CPU quota was 1.5, is none"),
    "hypervisor": (False, "hypervisor was KVM, is none"),
    "hypervisor_name": (None, "hypervisor was KVM, is unknown"),
    "huge_pages": ("never", "transparent huge pages was madvise, is never"),
    "clock_source": ("hpet", "clock source was tsc, is hpet"),
    "accelerators": ([], "accelerators was NVIDIA H100, is none"),
    "nvidia_driver": (None, "NVIDIA driver was 550.54.14, is none"),
    "python": ("2.7", "Python was {python}, is 2.7"),
    "system": ("Other 1", "kernel was {system}, is Other 1"),
    "cores": (1_000, "processors was {cores}, is 1000"),
    "usable_cpus": ([999], "usable processors was {usable}, is 999"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_each_fact_that_decides_speed_is_compared(name: str, server: Environment) -> None:
    """A change of any of them is told in a sentence with both values."""
    value, sentence = CHANGES[name]
    changed = msgspec.structs.replace(server, **{name: value})
    usable = ", ".join(map(str, server.usable_cpus))
    expected = sentence.format(python=server.python, system=server.system, cores=server.cores, usable=usable)
    assert [expected] == environment.differences(server, changed)


@pytest.mark.parametrize(
    ("name", "value"), [("memory_bytes", 1), ("container", "other"), ("git_commit", "0" * 40), ("git_dirty", True)]
)
def test_what_does_not_decide_speed_is_not_compared(name: str, value: object, server: Environment) -> None:
    """A commit more, or a container by another name, does not make measurements incomparable."""
    assert environment.differences(server, msgspec.structs.replace(server, **{name: value})) == []


def test_every_fact_is_either_compared_or_left_out_on_purpose() -> None:
    """A new fact of the environment must be put into one of the two lists above."""
    left_out = {"memory_bytes", "container", "git_commit", "git_dirty"}
    said_by_others = {"usable_cores", "cgroup", "versions"}
    assert set(Environment.__struct_fields__) == set(CHANGES) | left_out | said_by_others


def test_versions_of_timed_packages_are_compared(server: Environment) -> None:
    """A package that appears, changes or goes makes a difference if it is inside the timed call."""
    before = msgspec.structs.replace(server, versions={"onnxruntime": "1.31.0", "numpy": "2.0", "scikit-learn": "1.5"})
    after = msgspec.structs.replace(server, versions={"onnxruntime-gpu": "1.32.0", "numpy": "2.1", "onnx": "1.19"})
    assert environment.differences(before, after) == [
        "numpy was 2.0, is 2.1",
        "onnxruntime was 1.31.0, is not installed",
        "onnxruntime-gpu was not installed, is 1.32.0",
    ]


def test_unknown_facts_do_not_equal_known_ones(server: Environment, tmp_path: Path) -> None:
    """A machine that tells nothing is comparable with itself, and with no other."""
    silent = environment.describe(root=tmp_path / "nothing")
    assert environment.differences(silent, silent) == []
    assert "CPU quota was unknown, is 1.5" in environment.differences(silent, server)


def test_fingerprints_hold_words_only(server: Environment, tmp_path: Path) -> None:
    """Every fact has a text, also where it is not known, so that a fingerprint can be stored and compared."""
    silent = environment.describe(root=tmp_path / "nothing")
    for described in (server, silent):
        assert all(isinstance(value, str) and value for value in environment.fingerprint(described).values())
