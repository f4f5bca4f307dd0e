"""Several processes that train one model: which of them this is, and what passes between them.

`torchrun` starts the processes and tells each one who it is by environment variables. Without it there is one process,
and nothing here costs anything.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import torch
from torch import Tensor

from edgefashion.errors import CheckFailed, EdgefashionError, NotAvailable
from edgefashion.files import sha256

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

T = TypeVar("T")


class PeerLost(NotAvailable):
    """Another process of the training has ended, so nothing can be agreed any more."""


@dataclass(frozen=True)
class World:
    """All processes of a training, seen from one of them; by default it is the only one.

    Every method is called by all processes or by none. Sums have the same bits in each of them.

    Attributes:
        rank: This process's number, from 0.
        size: How many processes there are.
        local_rank: Its number among those of this machine; it computes on the GPU of that number.
        local_size: How many share this machine.
        restarts: How often torchrun has started all of them again because one ended.
        may_restart: Whether torchrun would.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1
    restarts: int = 0
    may_restart: bool = False

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and speaks."""
        return self.rank == 0

    def share(self, count: int) -> slice:
        """Which of `count` rows are this process's; shares differ by one row at most."""
        return slice(count * self.rank // self.size, count * (self.rank + 1) // self.size)

    def add(self, values: Tensor) -> Tensor:
        """`values` of all processes added up, in place."""
        if self.size > 1:
            with _connected():
                torch.distributed.all_reduce(values)
        return values

    def total(self, value: float) -> float:
        """`value` of all processes added up, in float64."""
        return float(self.add(torch.tensor(value, dtype=torch.float64)))

    def shared_out(self, compute: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """`compute(rows)`, one row of the result for each of `rows`, of which each process computes its share."""
        if self.size == 1:
            return compute(rows)
        own = self.share(len(rows))
        part = compute(rows[own])
        whole = part.new_zeros(len(rows), *part.shape[1:])
        whole[own] = part
        # What others computed is zero here, so the sum changes no bit.
        return self.add(whole)

    def told(self, value: T) -> T:
        """What `value` is in the process that leads."""
        if self.size == 1:
            return value
        box = [value]
        with _connected():
            torch.distributed.broadcast_object_list(box)
        return box[0]

    def check_same(self, what: str, content: bytes) -> None:
        """Return silently if `content` is the same in every process.

        Raises:
            CheckFailed: It is not; `what` names it.
        """
        if len(set(self._gathered(sha256(content)))) > 1:
            raise CheckFailed(
                f"the {self.size} processes of this training differ in {what}: "
                "start all of them with the same options, data, versions and kind of processor"
            )

    @contextmanager
    def agreed(self) -> Iterator[None]:
        """Make an error of one process the error of all: that of the lowest rank is raised everywhere.

        No other method may be called within: a process that fails before it would keep the others waiting.
        """
        failure: EdgefashionError | None = None
        try:
            yield
        except EdgefashionError as error:
            if self.size == 1:
                raise
            failure = error
        for found in self._gathered(failure):
            if found is not None:
                raise found

    def in_turn(self, make: Callable[[], T]) -> T:
        """What `make` returns; on each machine one process makes first, and the others find what it left there."""
        made = []
        if self.local_rank == 0:
            with self.agreed():
                made.append(make())
        else:
            with self.agreed():
                pass
        with self.agreed():
            if not made:
                made.append(make())
        return made[0]

    def _gathered(self, value: T) -> list[T]:
        if self.size == 1:
            return [value]
        found = [value] * self.size
        with _connected():
            torch.distributed.all_gather_object(found, value)
        return found


ALONE = World()


def find_world(variables: Mapping[str, str] = os.environ) -> World:
    """The processes that torchrun started, or only this one where it did not start it."""
    if "TORCHELASTIC_RUN_ID" not in variables:
        return ALONE
    return World(
        rank=int(variables["RANK"]),
        size=int(variables["WORLD_SIZE"]),
        local_rank=int(variables["LOCAL_RANK"]),
        local_size=int(variables["LOCAL_WORLD_SIZE"]),
        restarts=int(variables["TORCHELASTIC_RESTART_COUNT"]),
        may_restart=int(variables["TORCHELASTIC_MAX_RESTARTS"]) > 0,
    )


@contextmanager
def joined(world: World) -> Iterator[None]:
    """Hold the connections between the processes: gloo between processors, NCCL between GPUs.

    Raises:
        PeerLost: The others cannot be reached.
    """
    if world.size == 1 or torch.distributed.is_initialized():
        yield
        return
    # Default arguments of its functions hold the group that there is when it is imported, also after that group was
    # destroyed: its threads would live on, and might abort the interpreter as it ends.
    from torch.distributed import nn  # noqa: F401 - imported before there is a group

    with_gpus = torch.cuda.is_available() and torch.distributed.is_nccl_available()
    with _connected():
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if with_gpus else "gloo",
            store=_meeting_place(world),
            rank=world.rank,
            world_size=world.size,
        )
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


def _meeting_place(world: World) -> "Store":
    from torch.distributed.distributed_c10d import PrefixStore
    from torch.distributed.rendezvous import rendezvous

    store, _, _ = next(iter(rendezvous("env://")))
    # torchrun's store outlives a restart and still holds the addresses of processes that have ended. On one machine it
    # counts the restarts for all processes, so that each start can have a corner of its own.
    attempt = world.restarts if world.size == world.local_size else 0
    return PrefixStore(f"edgefashion/{attempt}", store)


@contextmanager
def _connected() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise PeerLost(
            "another process of this training has ended or cannot be reached: torchrun tells which; "
            "go on with --resume where an epoch was finished"
        ) from error
