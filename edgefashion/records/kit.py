"""A kit for a device: what it holds, how its digests hang together, and what the device sends back."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo, Precision
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.benchmark import Latency, Startup
from edgefashion.records.judgement import Interval
from edgefashion.records.samples import Canary, Launch
from edgefashion.records.training import Environment

KitRuntime = Literal["onnxruntime", "ai-edge-litert"]


class Link(Record, frozen=True):
    """One digest of the chain from the data set to the kit, and where the link after it names it."""

    what: str
    name: str
    sha256: str
    named_by: str
    read: bool  # whether what the digest is of was itself at hand, and compared, when the kit was made


class Needs(Record, frozen=True):
    """What decides whether a release of ONNX Runtime can run a file."""

    precision: Precision
    ir_version: int
    opset: int
    operators: list[str]  # sorted; those of another domain as "domain:operator"
    types: list[int]  # of the weights, sorted: numbers of TensorProto.DataType


class OldestRuntime(Record, frozen=True):
    """The oldest release that passed the self-test on a file with these needs, and how the next older one fails."""

    needs: Needs
    oldest: str
    next_older: str | None  # None where nothing older could be installed
    reason: str  # what the next older one said; empty where there is none
    newest: str  # of those that were tried
    python: str
    machine: str


class OldestRuntimes(Document, frozen=True, kw_only=True):
    """Every measurement of that kind."""

    kind: Literal["oldest-runtimes"] = "oldest-runtimes"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    runtime: KitRuntime
    measured: list[OldestRuntime]


class Kit(Document, frozen=True, kw_only=True):
    """kit.json: the digest of every other file of the kit, and what its runner has to know."""

    kind: Literal["kit"] = "kit"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    edgefashion: str  # the version that made it
    artifact: ArtifactInfo
    runtime: KitRuntime
    labels: list[str]
    max_logit_error: float  # from the golden logits, for the self-test to pass
    max_flips: int
    oldest: OldestRuntime | None  # None: not measured for a file with these needs
    chain: list[Link]
    files: dict[str, str]  # name → SHA-256


class KitSelftest(Record, frozen=True):
    """What the artifact answered to the golden pictures on the device."""

    images: int
    equal_decisions: int
    max_abs: float  # largest difference from a golden logit
    max_logit_error: float  # that is allowed
    max_flips: int

    @property
    def passed(self) -> bool:
        """Whether the device computes the model that was packed."""
        return self.images - self.equal_decisions <= self.max_flips and self.max_abs <= self.max_logit_error


class KitResult(Document, frozen=True, kw_only=True):
    """What `python -m edgefashion_kit bench` wrote on a device: raw samples, and the figures derived from them."""

    kind: Literal["kit-result"] = "kit-result"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    kit: str  # the seal of its kit.json
    artifact: ArtifactInfo
    device: str  # as the person calls it, or the name it gives itself
    runtime: str  # with its version
    threads: int
    batch: int
    seed: int  # of the order
    block_s: float
    selftest: KitSelftest
    launches: list[Launch]  # of the model, and of its second copy
    canaries: list[Canary]
    order: list[str]  # in which blocks ran
    latency: Latency  # of the model
    startup: Startup
    duplicate: Interval  # second copy / model, paired by generation: must be 1
    wall_s: float
    environment: Environment


class DeviceRow(Record, frozen=True):
    """A device's result, beside what this machine measured of the same file."""

    result: KitResult
    to_host: Interval | None  # device / host, unpaired; None where the host has no figure for these settings
    canary_drift: float  # slowest generation's spin over the fastest's, less 1


class DeviceTable(Record, frozen=True):
    """Several devices, and the machine they are compared with."""

    rows: list[DeviceRow]
    host: str | None  # its processor; None where nothing was measured on it
