"""What every runtime must do, built in or added."""

import re
import shutil
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from edgefashion import export
from edgefashion.artifact import Artifact, open_artifact
from edgefashion.data import Dataset
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import (
    RUNTIMES,
    Availability,
    Session,
    default_runtime,
    default_spec,
    load_runtime,
    open_session,
    require_provider,
    resolve_provider,
    run_all,
    why_unusable,
)

FILES = {"onnx": "fp32.onnx", "safetensors": "checkpoint.safetensors"}
# Formats that the tiny run does not hold, and what writes them.
WRITERS = {"tflite": "litert", "executorch": "executorch", "ncnn": "ncnn", "aotinductor": "aotinductor", "c": "c"}

# A runtime for models in no file of a run, such as a function, has tests of its own; so has a browser.
NAMES = [name for name in RUNTIMES.names() if {*FILES, *WRITERS} & set(load_runtime(name).FORMATS)]

# bfloat16 kernels for other batch sizes round otherwise.
TOLERANCES = {"openvino-bf16": 0.2}
# A compiled model is one function.
FEWEST_NODES = {"aotinductor": 0}

each_runtime = pytest.mark.parametrize("runtime", NAMES)


def is_quick(name: str) -> bool:
    """Whether a session is made in about a second, without compiling or converting anything first."""
    return bool({*FILES, "ncnn"} & set(load_runtime(name).FORMATS)) and name != "torch-compile"


# Who compiles may need half a minute for a first call.
each_runtime_that_runs = pytest.mark.parametrize(
    "runtime", [pytest.param(name, marks=[] if is_quick(name) else [pytest.mark.slow]) for name in NAMES]
)


@pytest.fixture(scope="session")
def converted(tiny_run: Path, sample: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Artifact]:
    """The tiny run's float32 model in a format that the run does not hold, made when it is first asked for."""
    folder = Path(shutil.copytree(tiny_run, tmp_path_factory.mktemp("converted") / "tiny"))

    @cache
    def make(form: str) -> Artifact:
        try:
            return export.convert(WRITERS[form], open_artifact(folder / "checkpoint.safetensors"), sample)[0]
        except NotAvailable as error:
            pytest.skip(str(error))

    return make


@pytest.fixture
def usable(runtime: str) -> None:
    """Skips, with the reason, what cannot run here."""
    reason = why_unusable(runtime, ["cpu"])
    if reason:
        pytest.skip(f"{runtime}: {reason}")


@pytest.fixture
def artifact(
    runtime: str,
    usable: None,  # noqa: ARG001 - skips what cannot run here
    tiny_run: Path,
    converted: Callable[[str], Artifact],
) -> Artifact:
    """The tiny run's float32 model in a format that the runtime opens."""
    form = load_runtime(runtime).FORMATS[0]
    return open_artifact(tiny_run / FILES[form]) if form in FILES else converted(form)


@pytest.fixture
def session(runtime: str, artifact: Artifact) -> Iterator[Session]:
    """A session on the CPU."""
    with open_session(artifact, SessionSpec(runtime=runtime, provider=resolve_provider(runtime, "cpu"))) as opened:
        yield opened


@each_runtime_that_runs
@pytest.mark.parametrize("batch", [1, 3, 50])
def test_run(batch: int, session: Session, sample: Dataset) -> None:
    """A session gives one row of finite float32 logits a picture, and the same ones each time."""
    pixels = sample.test.pixels[:batch]
    logits = session.run(pixels)
    assert ((batch, 10), np.float32) == (logits.shape, logits.dtype)
    assert np.isfinite(logits).all()
    np.testing.assert_array_equal(logits, session.run(pixels))


@each_runtime_that_runs
def test_pictures_do_not_influence_one_another(runtime: str, session: Session, sample: Dataset) -> None:
    """A picture's logits do not depend on what else is in its batch: evaluation mode, not training mode."""
    alone = np.concatenate([session.run(sample.test.pixels[index : index + 1]) for index in range(5)])
    np.testing.assert_allclose(session.run(sample.test.pixels[:5]), alone, atol=TOLERANCES.get(runtime, 1e-5))


@each_runtime_that_runs
def test_run_all_is_run_in_parts(runtime: str, session: Session, sample: Dataset) -> None:
    """Any number of pictures comes back in order, a last smaller part included."""
    pixels = sample.test.pixels[:53]
    logits = run_all(session, pixels, batch=10)
    assert logits.shape == (53, 10)
    np.testing.assert_allclose(logits, session.run(pixels), atol=TOLERANCES.get(runtime, 1e-5))


def test_dynamic_quantization_answers_each_picture_alone(tiny_run: Path, sample: Dataset) -> None:
    """By default pictures go one by one, so that a dynamically quantized model's answers have no neighbours."""
    artifact = open_artifact(tiny_run / "int8-dynamic.onnx")
    with open_session(artifact, default_spec(artifact)) as opened:
        alone = np.concatenate([opened.run(sample.test.pixels[index : index + 1]) for index in range(20)])
        np.testing.assert_array_equal(alone, run_all(opened, sample.test.pixels[:20]))
        assert np.abs(alone - opened.run(sample.test.pixels[:20])).max() > 0


@each_runtime_that_runs
def test_bound_call_runs(session: Session, sample: Dataset) -> None:
    """A bound call can be made again and again, and leaves the session usable."""
    call = session.bind(sample.test.pixels[:4])
    for _ in range(3):
        call()
    assert session.run(sample.test.pixels[:2]).shape == (2, 10)


@each_runtime_that_runs
def test_placement(session: Session, runtime: str) -> None:
    """The session says where each node runs, how that is known, and how it was asked to run."""
    provider = resolve_provider(runtime, "cpu")
    assert {provider} == set(session.placement.nodes)
    total = session.placement.nodes[provider]
    assert total > FEWEST_NODES.get(runtime, 5)
    assert f"{total} of {total} nodes on {provider}" == session.placement.text
    assert session.placement.source
    assert (runtime, provider) == (session.spec.runtime, session.spec.provider)


@each_runtime
@pytest.mark.usefixtures("usable")
def test_availability_gives_reasons(runtime: str) -> None:
    """Each provider that a runtime knows is usable here or has a reason."""
    module = load_runtime(runtime)
    availability = module.available()
    assert runtime == availability.runtime
    assert availability.version
    assert set(module.PROVIDERS.values()) == set(availability.providers)
    assert module.PROVIDERS["cpu"] in availability.usable


@each_runtime
def test_availability_of_one(runtime: str) -> None:
    """Asked about one provider, a runtime answers as it does about all, and about no other."""
    module = load_runtime(runtime)
    everything = module.available()
    for provider, reason in everything.providers.items():
        one = module.available(provider)
        assert {provider: reason} == one.providers
        assert (everything.runtime, everything.version) == (one.runtime, one.version)
    assert module.available("Nonsense").providers == {}


@each_runtime_that_runs
def test_inputs(session: Session, artifact: Artifact) -> None:
    """A session says what it takes, in numpy's names."""
    (taken,) = session.inputs
    assert (taken.dtype, taken.shape[1:]) == ("uint8", [28, 28])
    assert artifact.manifest.input == taken


@each_runtime_that_runs
def test_absent_provider_is_refused(runtime: str, artifact: Artifact) -> None:
    """A provider that is not here is refused with the reason and what would work: never a session on the CPU."""
    availability = load_runtime(runtime).available()
    for provider, reason in availability.providers.items():
        if reason:
            expected = re.escape(f": {reason}; usable here: ") + f".*{load_runtime(runtime).PROVIDERS['cpu']}"
            with pytest.raises(NotAvailable, match=f"{provider} is not usable in .*{expected}"):
                open_session(artifact, SessionSpec(runtime=runtime, provider=provider))
    assert len(availability.providers) == 1 or any(availability.providers.values())


@each_runtime
def test_misspelt_provider(runtime: str) -> None:
    """A misspelt provider is answered with the nearest that the runtime knows."""
    nearest = next(iter(load_runtime(runtime).PROVIDERS))
    with pytest.raises(NotAvailable, match=f"unknown execution provider of {runtime} '{nearest}x': did you mean"):
        resolve_provider(runtime, f"{nearest}x")


@each_runtime
def test_one_that_is_not_installed_says_what_helps(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without its package no provider is usable, and the remedy is a command or a place to look."""
    module = load_runtime(runtime)
    monkeypatch.setattr(module, "installed", lambda _: None, raising=False)
    found = module.available()
    if found.version is None:
        assert found.usable == ()
        assert "pip install" in found.remedy


@each_runtime
def test_provider_names(runtime: str) -> None:
    """A provider is found by its short name in any case, and by the runtime's own name."""
    for short, own in load_runtime(runtime).PROVIDERS.items():
        assert own == resolve_provider(runtime, short)
        assert own == resolve_provider(runtime, short.upper())
        assert own == resolve_provider(runtime, own)


@each_runtime_that_runs
def test_unknown_provider_opens_nothing(runtime: str, artifact: Artifact) -> None:
    """A provider's name that was never resolved is refused by the session too."""
    with pytest.raises(NotAvailable, match=r"Nonsense is not usable .*: this runtime does not know it"):
        open_session(artifact, SessionSpec(runtime=runtime, provider="Nonsense"))


@each_runtime
def test_other_format_is_refused(runtime: str, tiny_run: Path) -> None:
    """A runtime does not try files of a format that it does not open."""
    for form, name in FILES.items():
        if form not in load_runtime(runtime).FORMATS:
            spec = SessionSpec(runtime=runtime, provider=resolve_provider(runtime, "cpu"))
            with pytest.raises(UsageError, match=f"{runtime} opens .*: .*{name} is neither"):
                open_session(open_artifact(tiny_run / name), spec)


def test_default_runtimes(tiny_run: Path) -> None:
    """ONNX runs in ONNX Runtime and checkpoints in PyTorch, on the CPU."""
    specs = {form: default_spec(open_artifact(tiny_run / name), threads=2) for form, name in FILES.items()}
    assert SessionSpec("onnxruntime", "CPUExecutionProvider", threads=2) == specs["onnx"]
    assert SessionSpec("pytorch", "cpu", threads=2) == specs["safetensors"]
    assert default_runtime(open_artifact(tiny_run / FILES["onnx"])) == "onnxruntime"


def test_unknown_runtime(fp32: Artifact) -> None:
    """A misspelt runtime is answered with the nearest."""
    with pytest.raises(UsageError, match="unknown runtime 'onnxruntim': did you mean 'onnxruntime'"):
        open_session(fp32, SessionSpec("onnxruntim", "CPUExecutionProvider"))


def test_absent_runtime() -> None:
    """A runtime that is not installed is refused with what installs it."""
    absent = Availability("tinyrt", None, {"cpu": "tinyrt is not installed"}, "pip install tinyrt")
    assert absent.usable == ()
    with pytest.raises(NotAvailable, match="tinyrt is not installed: pip install tinyrt"):
        require_provider(lambda _: absent, "cpu")
