"""Plug-in providers: why they are not here, and which of their devices is taken."""

import re
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

onnxruntime = pytest.importorskip("onnxruntime")

from edgefashion.errors import UsageError  # noqa: E402 - after the skip
from edgefashion.runtimes.plug_ins import choose_device, devices_of, why_absent, words_of  # noqa: E402
from edgefashion.runtimes.providers import BUILDS, BY_OWN_NAME, TABLE, Provider  # noqa: E402


def plug_in(package: str) -> Provider:
    """A plug-in that only this test knows."""
    return Provider("made-up", f"{package}ExecutionProvider", "plug-in", "made-up devices", package)


def test_table_knows_what_this_build_offers() -> None:
    """Every provider that this onnxruntime contains has its row."""
    assert set(onnxruntime.get_available_providers()) <= set(BY_OWN_NAME)


def test_table_is_unambiguous() -> None:
    """No two rows share a name; companions have rows; plug-ins have packages and are bound in host memory."""
    assert len(TABLE) == len(BY_OWN_NAME) == len({provider.name for provider in TABLE})
    for provider in TABLE:
        assert set(provider.companions) <= set(BY_OWN_NAME)
        if provider.kind == "plug-in":
            assert (bool(provider.package), provider.memory) == (True, "cpu")
            assert provider.package not in BUILDS


@pytest.mark.parametrize(
    ("provider", "reason"),
    [
        (plug_in("no-such-package"), "its package is not installed: pip install no-such-package"),
        (
            Provider("a", "AProvider", "classic", "things", "onnxruntime-a"),
            "this build of onnxruntime does not contain it; onnxruntime-a, which replaces it, does",
        ),
        (Provider("a", "AProvider", "classic", "things"), "this build of onnxruntime does not contain it"),
        (BY_OWN_NAME["CPUExecutionProvider"], ""),
    ],
)
def test_reasons(provider: Provider, reason: str) -> None:
    """An absent provider names the package that would bring it, where one is known; a present one has no reason."""
    assert reason == why_absent(provider)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("def get_library_path(): return __file__", "does not load: Failed to load library .*"),
        ("", "does not load: module .* has no attribute 'get_library_path'"),
        ("raise OSError('libgpu.so is missing')", "does not load: libgpu.so is missing"),
    ],
)
def test_plug_in_that_does_not_load(module: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed and broken says why in one line, also if it is asked again."""
    # A name that no other test uses: a loaded plug-in is remembered as long as the process lives.
    package = tmp_path.name.replace("_", "-")
    (tmp_path / f"{package.replace('-', '_')}.py").write_text(module)
    monkeypatch.syspath_prepend(tmp_path)
    found = why_absent(plug_in(package))
    assert re.fullmatch(f"{package} {reason}", found)
    assert found == why_absent(plug_in(package))


def test_library_is_registered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often it is asked about, a plug-in's library is registered once: a second time breaks the first."""
    package = tmp_path.name.replace("_", "-")
    (tmp_path / f"{package.replace('-', '_')}.py").write_text(f"def get_library_path(): return {package!r}")
    monkeypatch.syspath_prepend(tmp_path)
    registered: list[tuple[str, str]] = []
    monkeypatch.setattr(onnxruntime, "register_execution_provider_library", lambda *names: registered.append(names))
    for _ in range(3):
        assert why_absent(plug_in(package)) == f"{package} finds none of its devices here (made-up devices)"
    assert registered == [(f"{package}ExecutionProvider", package)]


def test_classic_providers_have_no_plug_in_devices() -> None:
    """The CPU, which onnxruntime lists among plug-in devices, is opened as a classic provider."""
    assert devices_of(BY_OWN_NAME["CPUExecutionProvider"]) == []
    assert devices_of(plug_in("no-such-package")) == []


@dataclass(frozen=True)
class FakeDevice:
    """What onnxruntime tells about a device, as far as it is looked at."""

    kind: str
    number: int = 0

    @property
    def device(self) -> SimpleNamespace:
        """The hardware behind it."""
        return SimpleNamespace(type=SimpleNamespace(name=self.kind))


CPU, GPU, SECOND_GPU, NPU = FakeDevice("CPU"), FakeDevice("GPU"), FakeDevice("GPU", 1), FakeDevice("NPU")
OPENVINO = BY_OWN_NAME["OpenVINOExecutionProvider"]


@pytest.mark.parametrize("devices", [[GPU], [GPU, SECOND_GPU]])
def test_only_kind_of_device(devices: list[FakeDevice]) -> None:
    """Where there is one kind of device its first is taken, and every option goes to the provider."""
    assert choose_device(OPENVINO, devices, {"device": "x", "a": "b"}) == (GPU, {"device": "x", "a": "b"})


def test_named_device() -> None:
    """Where there are several kinds the option names one, and goes no further."""
    devices = [CPU, GPU, SECOND_GPU, NPU]
    assert choose_device(OPENVINO, devices, {"device": "gpu", "a": "b"}) == (GPU, {"a": "b"})
    assert choose_device(OPENVINO, devices, {"device": "npu"}) == (NPU, {})


@pytest.mark.parametrize("options", [{}, {"device": "tpu"}, {"Device": "cpu"}])
def test_device_that_is_not_named(options: dict[str, str]) -> None:
    """Where there are several kinds and none is named, none is guessed."""
    with pytest.raises(UsageError, match=r"OpenVINO.* offers several devices here: .*device=cpu\|npu"):
        choose_device(OPENVINO, [NPU, CPU], options)


@given(st.text(), st.sampled_from(["FAIL", "EP_FAIL", "INVALID_ARGUMENT"]), st.integers(1, 20))
def test_errors_in_one_line(text: str, code: str, number: int) -> None:
    """An error becomes one line that is not empty, without onnxruntime's own codes, however they are nested."""
    nested = f"[ONNXRuntimeError] : 1 : FAIL : plugin.cc:1 [ONNXRuntimeError] : {number} : {code} : {text}"
    words = words_of(RuntimeError(nested))
    assert words
    assert len(words.splitlines()) == 1
    assert "[ONNXRuntimeError]" not in words
