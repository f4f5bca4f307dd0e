"""What the machine did to a measurement, read from machines made of files."""

from collections.abc import Mapping
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from machines import make_unreadable, plant

from edgefashion.bench.machine.canary import spin_ns
from edgefashion.bench.machine.host import HostWatch
from edgefashion.records import HostLoad

STAT, PRESSURE, GROUP = "proc/stat", "proc/pressure/cpu", "proc/self/cgroup"
CALM = {
    STAT: "cpu  1000 0 500 8000 10 5 5 100 77 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n",
    PRESSURE: "some avg10=0.00 avg60=0.00 avg300=0.00 total=1000000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=5\n",
    GROUP: "0::/job\n",
    "sys/fs/cgroup/cpu.stat": "usage_usec 9\n",
    "sys/fs/cgroup/job/cpu.stat": "nr_periods 9\nnr_throttled 3\nthrottled_usec 2000000\n",
}


def watched(root: Path, after: Mapping[str, str]) -> HostLoad:
    """The load of ten seconds on a machine that was calm and then shows `after`."""
    clock = count(100.0, 10.0)
    watch = HostWatch.start(plant(root, CALM), clock=lambda: next(clock))
    plant(root, after)
    return watch.stop()


def test_a_calm_machine(tmp_path: Path) -> None:
    """Nothing moves, nothing is said to have happened; what is not moving is known all the same."""
    assert watched(tmp_path, {}) == HostLoad(10.0, 0.0, 0.0, 0.0, 0)


def test_stolen_time_is_a_share_of_the_time_with_work(tmp_path: Path) -> None:
    """A quarter was stolen of what one busy processor wanted, however many idle ones stand beside it."""
    # 60 ticks of user and 10 each of nice, system and soft interrupts, 30 stolen; 5,000 idle, 50 waiting for disks.
    stat = "cpu  1060 10 510 13000 60 5 15 130 99 0\n"
    assert watched(tmp_path, {STAT: stat}).steal_share == 0.25


def test_pressure_is_a_share_of_the_wall_time(tmp_path: Path) -> None:
    """Four seconds of ten in which some task waited; lines of other kinds do not count."""
    pressure = "full avg10=1 total=9000000\nsome avg10=0.00 avg60=0.00 avg300=0.00 total=5000000\n"
    assert watched(tmp_path, {PRESSURE: pressure}).pressure_share == 0.4


def test_a_throttled_group_of_the_newer_interface(tmp_path: Path) -> None:
    """Microseconds and periods since the begin; what was before it is not blamed on the measurement."""
    stat = "nr_periods 99\nnr_throttled 15\nthrottled_usec 4500000\n"
    load = watched(tmp_path, {"sys/fs/cgroup/job/cpu.stat": stat})
    assert (load.throttled_share, load.throttled_periods) == (0.25, 12)


def test_a_throttled_group_of_the_older_interface(tmp_path: Path) -> None:
    """The older interface counts nanoseconds."""
    group, folder = {GROUP: "3:cpu,cpuacct:/job\n0::/\n"}, "sys/fs/cgroup/cpu,cpuacct"
    before = {f"{folder}/cpu.stat": "", f"{folder}/job/cpu.stat": "nr_throttled 0\nthrottled_time 0\n"}
    plant(tmp_path, {**CALM, **group, **before})
    clock = count(0.0, 10.0)
    watch = HostWatch.start(tmp_path, clock=lambda: next(clock))
    plant(tmp_path, {f"{folder}/job/cpu.stat": "nr_throttled 40\nthrottled_time 1000000000\n"})
    load = watch.stop()
    assert (load.throttled_share, load.throttled_periods) == (0.1, 40)


def test_a_group_above_that_is_throttled_holds_back_those_below(tmp_path: Path) -> None:
    """A pod's quota stops its processes as their own does: two seconds by the one, three by the other."""
    own, above = "sys/fs/cgroup/job/cpu.stat", "sys/fs/cgroup/cpu.stat"
    plant(tmp_path, {**CALM, above: "nr_throttled 1\nthrottled_usec 1\n"})
    clock = count(0.0, 10.0)
    watch = HostWatch.start(tmp_path, clock=lambda: next(clock))
    plant(
        tmp_path, {own: "nr_throttled 7\nthrottled_usec 4000000\n", above: "nr_throttled 8\nthrottled_usec 3000001\n"}
    )
    load = watch.stop()
    assert (load.throttled_share, load.throttled_periods) == (0.5, 11)


def test_a_group_without_counters_tells_nothing(tmp_path: Path) -> None:
    """A group that the processor controller does not serve is not known to be free of limits."""
    plant(tmp_path, {**CALM, "sys/fs/cgroup/job/cpu.stat": "usage_usec 1\n"})
    load = HostWatch.start(tmp_path).stop()
    assert (load.throttled_share, load.throttled_periods) == (None, None)


def test_shares_stay_shares(tmp_path: Path) -> None:
    """Throttled time is summed over processors and may exceed the wall time: more than always is always."""
    stat = "nr_throttled 99\nthrottled_usec 99000000\n"
    assert watched(tmp_path, {"sys/fs/cgroup/job/cpu.stat": stat}).throttled_share == 1.0


@pytest.mark.parametrize("how", ["absent", "unreadable", "empty", "unreadable at the end"])
def test_an_unreadable_machine_tells_nothing(how: str, tmp_path: Path) -> None:
    """Without /proc and /sys every share is unknown: neither an error, nor a zero that looks like calm."""
    clock = count(0.0, 10.0)
    if how != "absent":
        plant(tmp_path, dict.fromkeys(CALM, "") if how == "empty" else CALM)
    if how == "unreadable":
        make_unreadable(tmp_path, *CALM)
    watch = HostWatch.start(tmp_path, clock=lambda: next(clock))
    if how == "unreadable at the end":
        make_unreadable(tmp_path, *CALM)
    assert watch.stop() == HostLoad(10.0, None, None, None, None)


@pytest.mark.parametrize(
    ("file", "text"),
    [
        (STAT, "cpu  1 2 3\n"),  # a kernel without steal
        (STAT, "intr 1 2 3 4 5 6 7 8 9\n"),
        (PRESSURE, "full avg10=0.00 total=1\n"),
        (PRESSURE, "some avg10=0.00 total=much\n"),
    ],
)
def test_files_of_another_form_tell_nothing(file: str, text: str, tmp_path: Path) -> None:
    """What is not understood is unknown, and leaves the other signs as they are."""
    load = watched(tmp_path, {file: text})
    unknown = load.steal_share if file == STAT else load.pressure_share
    known = load.pressure_share if file == STAT else load.steal_share
    assert (unknown, known) == (None, 0.0)


@given(begin=st.lists(st.integers(0, 2**40), min_size=8, max_size=10), grown=st.integers(0, 2**40))
def test_steal_is_always_a_share(begin: list[int], grown: int, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever the counters start from, only their growth matters: all of it stolen is everything."""
    root = tmp_path_factory.mktemp("machine")
    watch = HostWatch.start(plant(root, {STAT: f"cpu {' '.join(map(str, begin))}\n"}))
    begin[7] += grown
    plant(root, {STAT: f"cpu {' '.join(map(str, begin))}\n"})
    assert watch.stop().steal_share == (1.0 if grown else 0.0)


def test_the_real_machine_can_be_watched() -> None:
    """On whatever runs this test every share is one, or unknown."""
    watch = HostWatch.start()
    spin_ns()
    load = watch.stop()
    assert load.wall_s > 0
    shares = (load.steal_share, load.pressure_share, load.throttled_share)
    assert all(share is None or 0 <= share <= 1 for share in shares)


def test_more_spins_take_longer() -> None:
    """The canary's time is that of its work: nothing of it is done before the clock runs, or left out."""
    least = [min(spin_ns(iterations) for _ in range(9)) for iterations in (0, 1_000, 50_000)]
    assert least[0] * 10 < least[1] < least[2] / 10
