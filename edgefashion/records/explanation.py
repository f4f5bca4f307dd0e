"""Why a quantized model is slower or faster than its float32 one, and where 16-bit sums may saturate elsewhere."""

from typing import Literal

import msgspec

from edgefashion.files import SEAL_KEY, UNSEALED
from edgefashion.records.artifact import ArtifactInfo
from edgefashion.records.base import SCHEMA, Document, Record
from edgefashion.records.profile import Arithmetic
from edgefashion.records.training import Environment

Speed = Literal["slower", "faster", "not told apart"]


class Spread(Record, frozen=True):
    """A figure of several rounds: median, smallest and largest."""

    median: float
    low: float
    high: float


class Structure(Record, frozen=True):
    """What a file says about its arithmetic before any runtime has changed it.

    Layers with weights count as int8 where they are written as integer operators, or where everything that a
    runtime needs to fuse them to one stands around them.
    """

    weight_layers: dict[str, Arithmetic]  # by layer, in the order of the file
    signed_activations: list[str]  # layers written as integer operators (QOperator) on int8 activations
    signed_weights: list[str]  # layers written as ConvInteger with int8 weights
    ragged_channels: list[str]  # int8 convolutions whose input channels are no multiple of four
    quantize: int  # nodes that quantize or dequantize activations
    unfusable: list[str]  # those of them beside an operator that has no integer kernel


class OperatorTime(Record, frozen=True):
    """All operators of one type in a call."""

    op_type: str
    count: int
    time_s: float  # median of the rounds


class LayerTime(Record, frozen=True):
    """A layer on both sides, with everything that bears its name: scales, casts, quantizing and dequantizing too."""

    layer: str | None  # None: inserted by the runtime
    float_s: Spread
    quantized_s: Spread
    float_operators: list[OperatorTime]  # the longest first
    quantized_operators: list[OperatorTime]
    arithmetic: Arithmetic | None  # of the quantized side's operator with weights; None: it has none
    apart: bool  # whether all rounds of one side are longer than all of the other, and these are enough

    @property
    def difference_s(self) -> float:
        """How much longer the quantized side takes."""
        return self.quantized_s.median - self.float_s.median


class SlowKernel(Record, frozen=True):
    """A kernel that is known to be slow on this kind of processor, and what was measured of it here."""

    op_type: str
    layers: list[str]
    reason: str
    advice: str
    more_s: float  # than the same layers take on the other side; medians
    rate_per_s: float | None  # operations a second in it; None where it does none, or they are unknown
    float_rate_per_s: float | None  # of the same layers on the other side
    confirmed: bool  # whether these layers take longer here, beyond what the rounds vary


class Explanation(Record, frozen=True):
    """A quantized model beside the float32 one of the same checkpoint, profiled by turns."""

    float_artifact: ArtifactInfo
    artifact: ArtifactInfo
    structure: Structure
    rounds: int  # of each side, each in a fresh process
    batch: int
    threads: int
    float_call_s: Spread  # unprofiled
    call_s: Spread
    ratio: Spread  # of the calls, paired by round
    float_overhead: Spread  # share of the call that is spent outside operators
    overhead: Spread
    speed: Speed
    integer: list[OperatorTime]  # operators with weights that compute in integers, after fusion
    fallen_back: list[str]  # layers quantized in the file and computed in float
    left_float: list[str]  # layers with weights that the file itself leaves in float
    conversions: list[OperatorTime]  # quantizing and dequantizing that runs as operators of their own
    inserted: list[OperatorTime]  # by the runtime: layouts
    float_operators: int  # how many run in a call
    operators: int
    behind_casts: int  # how many of these compute float16 data in float32, between casts of the runtime
    layers: list[LayerTime]
    slow_kernels: list[SlowKernel]
    sentences: list[str]
    advice: list[str]


class SaturationBound(Record, frozen=True):
    """What the weights of one layer allow a 16-bit sum of two products to reach: computed, not run."""

    layer: str
    op_type: str  # as in the file
    activations: Literal["uint8", "int8"]  # as onnxruntime computes on x86-64
    weights: Literal["uint8", "int8"]
    sums_16_bit: bool  # whether CPUs without VNNI add two products in 16 bits for these types
    why: str  # which instruction or kernel that is
    pair_bound: int  # largest |sum| over pairs in the order in which the kernel takes them
    any_order_bound: int  # of the two largest weights of one sign in an output channel
    limit: int
    channels: int
    channels_at_risk: int  # with a pair that can exceed the limit, in the kernel's order
    channels_at_risk_any_order: int

    @property
    def can_saturate(self) -> bool:
        """Whether some input makes a sum exceed 16 bits on a CPU without VNNI."""
        return self.sums_16_bit and self.pair_bound > self.limit


class SaturationTable(Record, frozen=True):
    """The bounds of one artifact, layer by layer."""

    artifact: ArtifactInfo
    bounds: list[SaturationBound]
    method: Literal["computed, not run"] = "computed, not run"


class ExplainReport(Document, frozen=True, kw_only=True):
    """What `edgefashion explain` found: sentences with the figures they rest on."""

    kind: Literal["explanation"] = "explanation"
    schema: int = SCHEMA
    seal: str = msgspec.field(name=SEAL_KEY, default=UNSEALED)
    explanations: list[Explanation]
    saturation: list[SaturationTable]
    environment: Environment
