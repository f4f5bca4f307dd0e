"""A real plug-in provider that takes only some nodes: WebGPU, on a GPU or on the software adapter of Chromium.

It needs the package onnxruntime-ep-webgpu on PYTHONPATH, and a Vulkan driver: without one of its own the machine needs
the folder that Debian's package chromium installs. It runs in a process of its own, because a plug-in that is loaded
stays, and because the driver must be found when the process starts.
"""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = Path("/usr/lib/chromium")
CPU, WEBGPU = "CPUExecutionProvider", "WebGpuExecutionProvider"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("onnxruntime_ep_webgpu") is None, reason="onnxruntime-ep-webgpu is not installed"),
]

SCRIPT = """
import json, sys
from pathlib import Path
import numpy as np
from edgefashion import data
from edgefashion.artifact import open_artifact
from edgefashion.errors import EdgefashionError
from edgefashion.records import SessionSpec
from edgefashion.runtimes import load_runtime, open_session, run_all

CPU, WEBGPU = "CPUExecutionProvider", "WebGpuExecutionProvider"
model = open_artifact(Path(sys.argv[1]))
pixels = data.load_sample().test.pixels[:20]

def refusal(**settings):
    try:
        open_session(model, SessionSpec("onnxruntime", WEBGPU, **settings))
    except EdgefashionError as error:
        return [type(error).__name__, str(error)]

reason = load_runtime("onnxruntime").available(WEBGPU).providers[WEBGPU]
if reason:
    print(json.dumps({"reason": reason}))
    sys.exit()
bound = []
with open_session(model, SessionSpec("onnxruntime", WEBGPU, allow_partial=True)) as session:
    io_binding = session._session.io_binding
    session._session.io_binding = lambda: bound.append(io_binding()) or bound[-1]
    call = session.bind(pixels[:3])
    call()
    found = {
        "nodes": session.placement.nodes,
        "time_share": session.placement.time_share,
        "text": session.placement.text,
        "logits": run_all(session, pixels).tolist(),
        "bound": bound[0].get_outputs()[0].numpy().tolist(),
    }
with open_session(model, SessionSpec("onnxruntime", CPU)) as session:
    found["expected"] = run_all(session, pixels).tolist()
found["partial"] = refusal()
found["bad option"] = refusal(options={"preferredLayout": "nonsense"})
print(json.dumps({"reason": "", **found}))
"""


@pytest.fixture(scope="module")
def found(tiny_run: Path) -> dict[str, Any]:
    """What WebGPU did with the tiny run's float32 model."""
    environment = dict(os.environ)
    if CHROMIUM.exists():
        environment |= {
            "ORT_WEBGPU_EP_ALLOW_SOFTWARE_ADAPTER": "1",
            "VK_ICD_FILENAMES": str(CHROMIUM / "vk_swiftshader_icd.json"),
            "LD_LIBRARY_PATH": str(CHROMIUM),
        }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tiny_run / "fp32.onnx"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    result: dict[str, Any] = json.loads(done.stdout)
    if result["reason"]:
        pytest.skip(result["reason"])
    return result


def test_partial_placement_is_refused(found: dict[str, Any]) -> None:
    """WebGPU takes most nodes and leaves some: refused, with the counts and the flag."""
    (own, total) = found["nodes"][WEBGPU], sum(found["nodes"].values())
    assert 0 < own < total
    kind, sentence = found["partial"]
    assert kind == "NotAvailable"
    assert f"{WEBGPU} took {own} of the {total} nodes of fp32.onnx ({total - own} on {CPU})" in sentence
    assert "--allow-partial" in sentence


def test_partial_placement_is_labelled(found: dict[str, Any]) -> None:
    """Where it is allowed, the share of time on each device stands beside the counts."""
    assert {CPU, WEBGPU} == set(found["time_share"]) == set(found["nodes"])
    assert sum(found["time_share"].values()) == pytest.approx(1)
    assert found["time_share"][WEBGPU] > found["time_share"][CPU]
    assert "% of the time)" in found["text"]


def test_same_answers_as_the_processor(found: dict[str, Any]) -> None:
    """WebGPU computes what the CPU computes, up to the order of sums."""
    for mine, expected in zip(found["logits"], found["expected"], strict=True):
        assert mine == pytest.approx(expected, abs=1e-4)


def test_bound_call_waits_for_the_outputs(found: dict[str, Any]) -> None:
    """When the timed call returns, its outputs lie in the processor's memory."""
    for mine, expected in zip(found["bound"], found["expected"][:3], strict=True):
        assert mine == pytest.approx(expected, abs=1e-4)


def test_refused_option(found: dict[str, Any]) -> None:
    """An option that the provider refuses is called wrong, not the model and not the machine."""
    kind, sentence = found["bad option"]
    assert kind == "UsageError"
    assert f"{WEBGPU} refuses the options preferredLayout=nonsense: " in sentence
