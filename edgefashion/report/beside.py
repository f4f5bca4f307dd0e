"""What else is known of a run: every document that lies beside its benchmark, and becomes part of the report."""

from dataclasses import dataclass
from pathlib import Path

from edgefashion.records import TrainingReport, VerifyReport
from edgefashion.records.emulated import EmulatedReport
from edgefashion.records.kit import DeviceTable
from edgefashion.records.microcontroller import MicrocontrollerReport
from edgefashion.runs import EMULATED, MICROCONTROLLER, TRAINING, VERIFICATION


@dataclass(frozen=True)
class Beside:
    """What a report says beside the benchmark; None where nothing is known.

    Attributes:
        training: How the model was trained.
        verification: What it decides beside PyTorch.
        microcontroller: What it takes of an emulated microcontroller, and answers there.
        emulated: What it answers on emulated processors of another architecture.
        devices: What came back from devices.
    """

    training: TrainingReport | None = None
    verification: VerifyReport | None = None
    microcontroller: MicrocontrollerReport | None = None
    emulated: EmulatedReport | None = None
    devices: DeviceTable | None = None


NOTHING = Beside()


def beside(run: Path) -> Beside:
    """The documents in a run's folder; what came back from devices is named, and is not looked for.

    Raises:
        BadInput: One of them is damaged.
    """
    training, verification = run / TRAINING, run / VERIFICATION
    microcontroller, emulated = run / MICROCONTROLLER, run / EMULATED
    return Beside(
        training=TrainingReport.load(training) if training.is_file() else None,
        verification=VerifyReport.load(verification) if verification.is_file() else None,
        microcontroller=MicrocontrollerReport.load(microcontroller) if microcontroller.is_file() else None,
        emulated=EmulatedReport.load(emulated) if emulated.is_file() else None,
    )
