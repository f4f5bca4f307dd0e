"""What was found on devices and on emulated processors: tables of their own, never rows beside what was timed here."""

from edgefashion.report.beside import Beside
from edgefashion.report.emulated_grids import emulated_grid
from edgefashion.report.grids import Grid
from edgefashion.report.kit_grids import devices_grid
from edgefashion.report.microcontroller_grids import microcontroller_grids


def elsewhere_grids(beside: Beside) -> list[Grid]:
    """Devices, the microcontroller, other architectures: as many of them as there are."""
    return [
        *([devices_grid(beside.devices)] if beside.devices else []),
        *(microcontroller_grids(beside.microcontroller) if beside.microcontroller else []),
        *([emulated_grid(beside.emulated)] if beside.emulated else []),
    ]
