"""What is to be measured: cells, and the plan that draws their order."""

from typing import Literal

import msgspec

from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import Record

Role = Literal["subject", "duplicate", "null model", "naive call", "baseline"]


class SessionSpec(Record, frozen=True):
    """How a runtime is asked to run an artifact."""

    runtime: str
    provider: str
    threads: int = 1  # intra-op; inter-op is always 1
    spinning: bool = False  # whether idle pool threads burn a core while they wait
    options: dict[str, str] = msgspec.field(default_factory=dict)  # of the execution provider, in its own spelling
    allow_partial: bool = False  # whether nodes may run elsewhere than on the provider


class Placement(Record, frozen=True):
    """Which device or provider each node was really given, and how that is known."""

    nodes: dict[str, int]
    source: str
    # Of a profiled call, by provider; empty where it was not measured.
    time_share: dict[str, float] = msgspec.field(default_factory=dict)

    @property
    def text(self) -> str:
        """For a table: "24 of 24 nodes on CPUExecutionProvider", with the share of time where it is known."""
        total = sum(self.nodes.values())
        return ", ".join(
            f"{count} of {total} nodes on {provider}"
            + (f" ({self.time_share[provider]:.0%} of the time)" if provider in self.time_share else "")
            for provider, count in self.nodes.items()
        )


class Cell(Record, frozen=True):
    """One thing that is measured: an artifact in a runtime with every setting that changes its speed."""

    label: str  # unique in its plan
    artifact: ArtifactInfo
    session: SessionSpec
    batch: int
    reference: str  # label of the cell that its ratio refers to; its own where it is a reference
    role: Role = "subject"
    scenario: str = "closed"  # or "paced:N": N calls a second, each on fresh input


class Plan(Record, frozen=True):
    """What will be measured, when it is enough, and in what order it will be drawn."""

    cells: list[Cell]
    reference: str  # label of the cell that ratios refer to
    duplicate: str  # label of the reference's second copy: its ratio must be 1
    budget_s: float
    min_generations: int  # before a cell may be called precise
    max_generations: int
    rounds: int  # blocks per launch
    block_s: float
    precision: float  # half-width of a 95 % interval, relative, at which a cell is measured enough
    warmup_cap_s: float
    seed: int

    def cell(self, label: str) -> Cell:
        """The cell of that label."""
        return next(cell for cell in self.cells if cell.label == label)
