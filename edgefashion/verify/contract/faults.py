"""Predictions under every fault in front of the network: exact ones first, an arbitrary normalisation by fitting."""

from dataclasses import dataclass

import numpy as np

from edgefashion.records import Manifest
from edgefashion.runtimes import Session, run_all
from edgefashion.verify.contract.fitting import fit_normalisation
from edgefashion.verify.contract.pictures import PICTURE_FAULTS
from edgefashion.verify.contract.prediction import Prediction, rounding
from edgefashion.verify.contract.readouts import AS_THEY_ARE, Numbers, Readout
from edgefashion.verify.contract.values import (
    Pixels,
    Values,
    affine,
    contract_of,
    known_normalisations,
    remedy_of,
    value_faults,
)
from edgefashion.verify.parity import Logits
from edgefashion.verify.reference import ReferenceLogits


def rounds_otherwise(golden: ReferenceLogits, manifest: Manifest) -> Prediction:
    """The artifact itself, its sums rounded in another way: what moved is less than its precision, but decides."""
    return Prediction(
        "arithmetic that rounds otherwise",
        "nothing is wrong with the pictures: verify decisions on all test pictures on the device",
        golden.logits,
        rounding(golden.logits, manifest.precision),
    )


def in_float16(golden: ReferenceLogits) -> Prediction:
    """The artifact in coarser arithmetic."""
    return Prediction(
        "float16 arithmetic, or numbers written with as few digits",
        "compute in float32 and write every digit, or hold the device to the float16 artifact",
        golden.logits,
        rounding(golden.logits, "float16"),
    )


def from_pictures(session: Session, manifest: Manifest, pixels: Pixels) -> list[Prediction]:
    """What the whole artifact answers to pictures that were changed."""
    found = []
    for each in PICTURE_FAULTS:
        logits = run_all(session, np.ascontiguousarray(each.change(pixels)))
        found.append(Prediction(each.fault, each.remedy, logits, rounding(logits, manifest.precision)))
    return found


@dataclass(frozen=True)
class Network:
    """The network without its preprocessing, and the pictures to try it on.

    Attributes:
        session: Takes float32[N, 1, H, W].
        manifest: Of the artifact.
        pixels: uint8[N, H, W].
    """

    session: Session
    manifest: Manifest
    pixels: Pixels

    def known_faults(self) -> list[Prediction]:
        """What the network answers behind every known fault of the normalisation."""
        return [
            self._predict(each.fault, each.change(self.pixels)) for each in value_faults(self.manifest.preprocessing)
        ]

    def fitted(self, outputs: Numbers, readout: Readout = AS_THEY_ARE) -> Prediction:
        """What it answers behind the normalisation that explains `outputs` best through `readout`."""
        contract = self.manifest.preprocessing

        def respond(scale: float, offset: float) -> Numbers:
            logits = self._run(affine(self.pixels, scale=scale, offset=offset)).astype(np.float64)
            return readout.read(logits, outputs).values

        scale, offset = fit_normalisation(
            respond,
            outputs,
            own_scale=contract_of(contract)[0],
            known=known_normalisations(contract).values(),
        )
        std = 1 / (contract.divisor * scale) if scale else 0.0
        parameters = {"mean": -offset * std, "standard deviation": std}
        values = affine(self.pixels, scale=scale, offset=offset)
        return self._predict("wrong mean or scale", values, parameters)

    def _predict(self, fault: str, values: Values, parameters: dict[str, float] | None = None) -> Prediction:
        scale, offset = contract_of(self.manifest.preprocessing)
        own = np.abs(affine(self.pixels, scale=scale, offset=offset)).max()
        logits = self._run(values)
        limit = rounding(logits, self.manifest.precision, growth=float(np.abs(values).max() / own))
        return Prediction(fault, remedy_of(self.manifest.preprocessing), logits, limit, parameters or {})

    def _run(self, values: Values) -> Logits:
        # Pictures share the ranges of a dynamically quantized model; floats answer each by itself, and faster together.
        batch = 1 if self.manifest.precision == "int8" else len(values)
        inputs = values[:, None]
        return np.concatenate([self.session.run(inputs[at : at + batch]) for at in range(0, len(values), batch)])
