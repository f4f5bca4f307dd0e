"""What a model answers in a runtime, found in a process of its own.

Not every runtime gets along with every other in one process, some are in another interpreter's environment, and a
crash of one of them must not end the measurement.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from edgefashion.artifact import Model
from edgefashion.bench.process import child
from edgefashion.errors import CheckFailed
from edgefashion.records import Record, SessionSpec
from edgefashion.runtimes import Logits, Pixels, open_session, run_all
from edgefashion.subjects import open_model

_TIMEOUT_S = 1800.0  # the slowest runtimes interpret: ten thousand pictures in ten minutes and more


class Question(Record, frozen=True):
    """Which pictures to run through which model, and where."""

    artifact: str
    sha256: str
    session: SessionSpec
    folder: str  # holds images.npy uint8[N, H, W] and inputs-<batch>.npy; the answers are put beside them
    batches: list[int]


@dataclass(frozen=True)
class Answers:
    """What a model said.

    Attributes:
        logits: Of all pictures, one a call, float32[N, classes].
        outputs: For each batch size, of the inputs that will be timed, float32[inputs, batch, classes].
    """

    logits: Logits
    outputs: Mapping[int, Logits]


def answer_here(model: Model, session: SessionSpec, images: Pixels, inputs: Mapping[int, Pixels]) -> Answers:
    """Run `images` uint8[N, H, W] one a call, and `inputs` uint8[inputs, batch, H, W] as they will be timed.

    A dynamically quantized model's answer to a picture depends on the other pictures of its batch.

    Raises:
        NotAvailable: The runtime or provider is absent, or did not get every node.
        BadInput: The runtime refuses the model.
    """
    with open_session(model, session) as opened:
        logits = run_all(opened, images)
        outputs = {batch: np.stack([opened.run(each) for each in drawn]) for batch, drawn in inputs.items()}
    return Answers(logits, outputs)


def answer_apart(
    model: Model,
    session: SessionSpec,
    images: Pixels,
    inputs: Mapping[int, Pixels],
    *,
    python: str = "",
    cpus: list[int],
) -> Answers:
    """The same in a process of its own, in the interpreter `python` if one is given.

    Raises:
        EdgefashionError: As above.
        Crashed: The process crashed or hung.
    """
    with tempfile.TemporaryDirectory(prefix="edgefashion-answers-") as name:
        folder = Path(name)
        np.save(folder / "images.npy", images, allow_pickle=False)
        for batch, drawn in inputs.items():
            np.save(folder / f"inputs-{batch}.npy", drawn, allow_pickle=False)
        question = Question(str(model.path.absolute()), model.sha256, session, str(folder), list(inputs))
        child.ask("answers", question, python=python, threads=session.threads, cpus=cpus, timeout_s=_TIMEOUT_S)
        return Answers(
            logits=np.load(folder / "logits.npy", allow_pickle=False),
            outputs={batch: np.load(folder / f"outputs-{batch}.npy", allow_pickle=False) for batch in inputs},
        )


def main() -> None:
    """Answer the question on stdin."""
    child.answer(_answer)


def _answer(content: bytes) -> bytes:
    question = msgspec.json.decode(content, type=Question)
    model = open_model(Path(question.artifact))
    if model.sha256 != question.sha256:
        raise CheckFailed(f"{question.artifact} changed while it was measured")
    folder = Path(question.folder)
    inputs = {batch: np.load(folder / f"inputs-{batch}.npy", allow_pickle=False) for batch in question.batches}
    found = answer_here(model, question.session, np.load(folder / "images.npy", allow_pickle=False), inputs)
    np.save(folder / "logits.npy", found.logits, allow_pickle=False)
    for batch, outputs in found.outputs.items():
        np.save(folder / f"outputs-{batch}.npy", outputs, allow_pickle=False)
    return b""
