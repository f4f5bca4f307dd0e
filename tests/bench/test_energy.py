"""Energy counters made of files, advanced by the work that is measured."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import make_unreadable, plant

from edgefashion.bench.machine.energy import Meter, find_meter, measure_energy
from edgefashion.records import Energy

ZONES = "sys/class/powercap"
FULL_UJ = 1_000_000_000


class Machine:
    """A processor package that draws 10 W idle and 0.25 J more a call, on a clock of its own."""

    def __init__(self, root: Path, *, idle_w: float = 10.0, call_j: float = 0.25, begin_uj: int = 5_000_000) -> None:
        self.counter = root / f"{ZONES}/intel-rapl:0/energy_uj"
        self.now_s, self.idle_w, self.call_j = 0.0, idle_w, call_j
        zone = {"name": "package-0\n", "energy_uj": f"{begin_uj}\n", "max_energy_range_uj": f"{FULL_UJ}\n"}
        plant(root, {f"{ZONES}/intel-rapl:0/{name}": text for name, text in zone.items()})
        self.meter = find_meter(root)

    def draw(self, joules: float) -> None:
        self.counter.write_text(f"{(int(self.counter.read_text()) + round(joules * 1e6)) % FULL_UJ}\n")

    def idle(self, seconds: float) -> None:
        self.now_s += seconds
        self.draw(self.idle_w * seconds)

    def run(self, seconds: float) -> int:
        """Eight calls a second, and a little longer than asked for."""
        calls = int(8 * seconds)
        self.idle(seconds * 1.25)
        self.draw(calls * self.call_j)
        return calls

    def measure(self, *, images_per_call: int = 1, run: Callable[[float], int] | None = None) -> Energy:
        return measure_energy(
            self.meter,
            run or self.run,
            images_per_call=images_per_call,
            idle=self.idle,
            clock=lambda: self.now_s,
        )


@pytest.mark.parametrize(("images", "expected"), [(1, 0.25), (5, 0.05)])
def test_joules_above_idle_a_picture(images: int, expected: float, tmp_path: Path) -> None:
    """What the machine would have drawn anyway in the batch's own time is taken off; pictures share a call."""
    energy = Machine(tmp_path).measure(images_per_call=images)
    assert energy == Energy(joules_per_image=pytest.approx(expected), source="powercap package-0")


@given(begin_uj=st.integers(0, FULL_UJ - 1))
def test_a_counter_that_begins_anew(begin_uj: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever the counter stands, the joules are the same: it may be full within any reading."""
    energy = Machine(tmp_path_factory.mktemp("machine"), begin_uj=begin_uj).measure()
    assert energy.joules_per_image == pytest.approx(0.25, rel=1e-6)


def test_the_counter_wraps_in_each_reading(tmp_path: Path) -> None:
    """A counter that passes its end a hundred times between readings of its own is followed all the way."""
    machine = Machine(tmp_path, begin_uj=FULL_UJ - 1)
    assert not isinstance(machine.meter, str)
    for _ in range(100):
        machine.draw(999.0)
        machine.meter.read_j()
    assert machine.meter.read_j() == pytest.approx(99_900.0)


def test_one_disturbed_batch_of_three_does_not_count(tmp_path: Path) -> None:
    """The median of three batches passes over the one in which another program worked."""
    machine, disturbances = Machine(tmp_path), iter([0.0, 500.0, 0.0])

    def run(seconds: float) -> int:
        machine.draw(next(disturbances))
        return machine.run(seconds)

    assert machine.measure(run=run).joules_per_image == pytest.approx(0.25)


def test_only_whole_packages_are_counted(tmp_path: Path) -> None:
    """Parts of a package and the whole platform would count the same joules again; every package counts."""
    machine = Machine(tmp_path)
    for zone, name in (("0:0", "core"), ("0:1", "dram"), ("1", "package-1"), ("2", "psys")):
        files = {"name": name, "energy_uj": "0", "max_energy_range_uj": "100"}
        plant(tmp_path, {f"{ZONES}/intel-rapl:{zone}/{file}": text for file, text in files.items()})
    plant(tmp_path, {f"{ZONES}/intel-rapl-mmio:0/name": "package-0"})
    meter = find_meter(tmp_path)
    assert not isinstance(meter, str)
    assert meter.source == "powercap package-0, package-1"
    plant(tmp_path, {f"{ZONES}/intel-rapl:0:0/energy_uj": "50", f"{ZONES}/intel-rapl:1/energy_uj": "40"})
    machine.draw(2.0)
    assert meter.read_j() == pytest.approx(2.00004)


# Where there is no figure


def test_without_counters_the_joules_are_unknown(tmp_path: Path) -> None:
    """No counter, no figure, and the reason in its place; nothing is run for it."""
    meter = find_meter(tmp_path)
    assert meter == "no processor package counts its energy in /sys/class/powercap"

    def run(_: float) -> int:
        raise AssertionError("there is nothing to measure with")

    assert measure_energy(meter, run, images_per_call=1) == Energy(joules_per_image=None, source=meter)


@pytest.mark.parametrize("file", ["energy_uj", "max_energy_range_uj"])
def test_counters_that_may_not_be_read(file: str, tmp_path: Path) -> None:
    """Most systems hide the counters from users: the reason says so."""
    Machine(tmp_path)
    meter = find_meter(make_unreadable(tmp_path, f"{ZONES}/intel-rapl:0/{file}"))
    assert meter == (
        "this user may not read the processor packages' energy in /sys/class/powercap: most systems let only root"
    )  # fmt: skip


def test_a_counter_that_goes_away(tmp_path: Path) -> None:
    """A counter that cannot be read in the middle ends in a reason, not in a wrong figure or an error."""
    machine = Machine(tmp_path)

    def run(_: float) -> int:
        machine.counter.unlink()
        return 1

    energy = machine.measure(run=run)
    assert energy.joules_per_image is None
    assert energy.source == f"{machine.counter} can no longer be read"


@pytest.mark.parametrize("call_j", [0.0, -0.1])
def test_no_more_than_idle_is_no_figure(call_j: float, tmp_path: Path) -> None:
    """A counter that stands still, or a baseline that another program disturbed, gives no joules below zero."""
    energy = Machine(tmp_path, idle_w=0.0 if call_j == 0 else 10.0, call_j=call_j).measure()
    assert energy == Energy(
        joules_per_image=None, source="powercap package-0: no more was drawn than by the idle machine"
    )  # fmt: skip


# NVIDIA's library


class NvmlError(Exception):
    """What NVIDIA's library raises."""


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The functions of NVIDIA's library that are used: three GPUs, the second too old to count its energy."""
    library = ModuleType("pynvml")
    energies_mj = {0: 1_000, 2: 500}

    def energy_mj(handle: int) -> int:
        if handle not in energies_mj:
            raise NvmlError("Not Supported")
        return energies_mj[handle]

    parts: dict[str, object] = {
        "NVMLError": NvmlError,
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 3,
        "nvmlDeviceGetHandleByIndex": lambda index: index,
        "nvmlDeviceGetName": lambda handle: f"GPU {handle}",
        "nvmlDeviceGetTotalEnergyConsumption": energy_mj,
        "energies_mj": energies_mj,
    }
    for name, part in parts.items():
        setattr(library, name, part)
    monkeypatch.setitem(sys.modules, "pynvml", library)
    return library


def gpu_meter() -> Meter:
    meter = find_meter(device="gpu")
    assert not isinstance(meter, str), meter
    return meter


def test_millijoules_of_all_gpus(nvml: ModuleType) -> None:
    """The GPUs that count are named and summed; the one that does not is left out."""
    meter = gpu_meter()
    assert meter.source == "NVML GPU 0, GPU 2"
    before_j = meter.read_j()
    nvml.energies_mj[2] += 2_500
    assert meter.read_j() - before_j == pytest.approx(2.5)


def test_a_gpu_that_stops_counting(nvml: ModuleType) -> None:
    """A GPU that falls off the bus in the middle ends in a reason."""
    meter = gpu_meter()

    def run(_: float) -> int:
        nvml.energies_mj.clear()
        return 1

    energy = measure_energy(meter, run, images_per_call=1, idle=lambda _: None)
    assert energy == Energy(joules_per_image=None, source="NVML: Not Supported")


def test_gpus_without_counters(nvml: ModuleType) -> None:
    """GPUs of which none counts are told apart from no GPU."""
    nvml.energies_mj.clear()
    assert find_meter(device="gpu") == "NVML: no GPU counts its energy"


def test_no_driver(nvml: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a driver the library's own words are the reason."""

    def fail() -> None:
        raise NvmlError("NVML Shared Library Not Found")

    monkeypatch.setattr(nvml, "nvmlInit", fail)
    assert find_meter(device="gpu") == "NVML: NVML Shared Library Not Found"


def test_no_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package the reason names the command that installs it."""
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_meter(device="gpu") == (
        "NVML needs nvidia-ml-py, which is not installed: pip install 'edgefashion[energy]'"
    )  # fmt: skip


def test_the_real_machine_is_asked() -> None:
    """On whatever runs this test there is a counter that grows, or a reason."""
    for meter in (find_meter(), find_meter(device="gpu")):
        if isinstance(meter, str):
            assert meter
        else:
            assert meter.read_j() <= meter.read_j()
