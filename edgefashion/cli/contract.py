"""`edgefashion verify ARTIFACT --outputs FILE` and `--save-golden FILE`."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefashion.artifact import Artifact
    from edgefashion.records.contract import ContractReport


def save_golden(artifact: "Artifact", path: Path) -> None:
    """Write the golden pictures and the expected logits of `artifact` as NPZ or CSV, and say what to do with them.

    Raises:
        UsageError: `path` ends in neither .npz nor .csv.
        NotAvailable: The artifact carries no golden outputs.
        CannotWrite: The place is full or forbidden.
    """
    from edgefashion.cli import console
    from edgefashion.verify.contract import golden_file

    console.note(
        f"{golden_file(artifact, path)}: run the device on these pictures, in this order, "
        f"then `edgefashion verify {artifact.path} --outputs FILE`"
    )


def run_contract(artifact: "Artifact", outputs: Path, *, as_json: bool = False) -> "ContractReport":
    """Compare outputs that were computed elsewhere with the golden ones, and print what explains the difference.

    Raises:
        CheckFailed: They differ.
        BadInput: The file of outputs, or what the artifact carries, is damaged.
        NotAvailable: The artifact carries no golden outputs.
    """
    from edgefashion import environment
    from edgefashion.cli import console
    from edgefashion.errors import CheckFailed, NotAvailable
    from edgefashion.records.contract import ContractReport
    from edgefashion.verify.contract import diagnose, read_outputs

    golden = artifact.manifest.golden
    if golden is None:
        raise NotAvailable(f"{artifact.path} carries no golden outputs to compare with: export it again")
    images, classes = len(golden.logits), len(artifact.manifest.labels)
    found = read_outputs(outputs, images=images, classes=classes)
    report = ContractReport(contract=diagnose(artifact, found, source=str(outputs)), environment=environment.describe())
    if as_json:
        console.show_json(report.to_json())
    else:
        from edgefashion.report.contract_grids import contract_grid
        from edgefashion.report.tables import table

        console.show(table(contract_grid(report.contract)))
    if not report.passed:
        raise CheckFailed(f"{outputs} is not what {artifact.path} answers: {report.contract.conclusion}")
    return report
