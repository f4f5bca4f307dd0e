"""Outputs that were computed elsewhere on the golden pictures: are they the artifact's, and if not, what went wrong?

golden_file(artifact, Path("golden.npz"))                 # pictures for a device, and what it should answer
outputs = read_outputs(Path("device.csv"), images=10, classes=10)
contract = diagnose(artifact, outputs)
contract.passed, contract.sentence, contract.hypotheses[0].fault
"""

from edgefashion.verify.contract.diagnosis import diagnose
from edgefashion.verify.contract.golden_file import golden_file
from edgefashion.verify.contract.outputs import read_outputs

__all__ = ["diagnose", "golden_file", "read_outputs"]
