"""What will be measured."""

import dataclasses
from pathlib import Path

import msgspec
import pytest
from plans import ArtifactMaker, labels, planned

from edgefashion.artifact import Artifact
from edgefashion.bench.plan import cores_for, estimate_s
from edgefashion.environment import usable_cpus
from edgefashion.errors import NotAvailable, UsageError
from edgefashion.subjects import ForeignModel


@pytest.fixture
def fp32(artifact: ArtifactMaker) -> Artifact:
    """A float32 export."""
    return artifact("fp32")


@pytest.fixture
def int8(artifact: ArtifactMaker) -> Artifact:
    """An int8 export."""
    return artifact("int8", precision="int8")


# The cells


def test_the_reference_is_measured_twice(artifact: ArtifactMaker, fp32: Artifact) -> None:
    """The first float32 ONNX model is the reference, whatever stands before it, and has a marked copy."""
    found = planned(artifact("pytorch"), fp32, runtimes=["onnxruntime", "pytorch"])
    assert found.reference == "fp32 | onnxruntime CPU | 1 thread | batch 1"
    assert found.reference + " (A/A)" == found.duplicate == labels(found)[-1]
    assert [cell.role for cell in found.cells] == ["subject", "subject", "duplicate"]
    assert {found.reference} == {cell.reference for cell in found.cells}


def test_what_a_call_costs_is_measured_beside_the_rest(fp32: Artifact) -> None:
    """A model that does nothing, and the reference through the call that everybody writes, both in its setting."""
    found = planned(fp32, overhead_cells=True)
    naive, null = found.cells[-2:]
    assert [cell.role for cell in found.cells] == ["subject", "duplicate", "naive call", "null model"]
    assert naive.artifact == found.cells[0].artifact
    assert naive.session == null.session == found.cells[0].session
    assert (null.artifact.variant, null.artifact.precision) == ("null", "unknown")
    assert naive.reference == null.reference == found.reference


def test_who_cannot_use_more_threads_has_no_cell_with_more(artifact: ArtifactMaker, fp32: Artifact) -> None:
    """C computes with one thread: beside a model that is measured with two as well, it is measured with one."""
    if len(usable_cpus()) < 2:
        pytest.skip("two threads need two cores")
    in_c = artifact("c-fp32")
    in_c = dataclasses.replace(in_c, manifest=msgspec.structs.replace(in_c.manifest, format="c"), content=b"int x;")
    found = planned(fp32, in_c, runtimes=["onnxruntime", "c"], threads=[1, 2])
    threads = [(cell.session.runtime, cell.session.threads) for cell in found.cells if cell.role == "subject"]
    assert threads == [("onnxruntime", 1), ("onnxruntime", 2), ("c", 1)]


def test_the_null_model_is_called_with_one_picture(fp32: Artifact) -> None:
    """What a call costs does not depend on the reference's batch or pace."""
    found = planned(fp32, batches=[8], scenarios=["paced:10"], overhead_cells=True)
    naive, null = found.cells[-2:]
    assert (naive.batch, naive.scenario) == (8, "paced:10")
    assert (null.batch, null.scenario) == (1, "closed")


def test_the_null_model_runs_on_the_processor(fp32: Artifact) -> None:
    """Another provider takes no node that does nothing; what a call from Python costs is the same."""
    found = planned(fp32, providers=["cuda"], options={"cuda": {"a": "1"}}, overhead_cells=True)
    naive, null = found.cells[-2:]
    assert naive.session == found.cells[0].session
    assert (null.session.provider, null.session.options) == ("CPUExecutionProvider", {})
    assert null.label.startswith("null model | onnxruntime CPU |")


def test_another_runtime_has_no_null_model(artifact: ArtifactMaker) -> None:
    """There is nothing empty to give to PyTorch, and it has one way to be called."""
    found = planned(artifact("pytorch"), runtimes=["pytorch"], overhead_cells=True)
    assert [cell.role for cell in found.cells] == ["subject", "duplicate"]


def test_every_combination_is_a_cell(fp32: Artifact, int8: Artifact) -> None:
    """Two models at two batch sizes and two paces are eight cells, and the copy is the ninth."""
    found = planned(fp32, int8, batches=[1, 8], scenarios=["closed", "paced:10"])
    points = [(cell.artifact.variant, cell.scenario, cell.batch) for cell in found.cells[:-1]]
    assert points == [
        (variant, scenario, batch)
        for variant in ("fp32", "int8")
        for scenario in ("closed", "paced:10")
        for batch in (1, 8)
    ]
    assert len(set(labels(found))) == 9


def test_what_is_asked_for_twice_is_measured_once(fp32: Artifact) -> None:
    """The same model, thread count, batch, scenario or provider again makes no further cell."""
    repeated = planned(
        fp32,
        fp32,
        threads=[1, 1],
        batches=[1, 1],
        scenarios=["closed", "closed"],
        providers=["cpu", "CPUExecutionProvider"],
        runtimes=["onnxruntime", "onnxruntime"],
    )
    assert labels(planned(fp32, runtimes=["onnxruntime"])) == labels(repeated)


def test_batch_is_a_scenario_of_three_sizes(fp32: Artifact) -> None:
    """It means 1, 8 and 64 pictures a call in a closed loop, beside the batch sizes that are named."""
    found = planned(fp32, batches=[1, 16], scenarios=["batch"])
    assert [(cell.batch, cell.scenario) for cell in found.cells[:-1]] == [
        (1, "closed"),
        (16, "closed"),
        (8, "closed"),
        (64, "closed"),
    ]
    both = planned(fp32, scenarios=["closed", "batch"])
    assert [cell.batch for cell in both.cells[:-1]] == [1, 8, 64]


def test_long_runs_and_loadgen_are_no_cells(fp32: Artifact) -> None:
    """They run after the generations; the closed loop that they are compared with is measured all the same."""
    found = planned(fp32, scenarios=["sustained:60", "mlperf:Offline"])
    assert labels(found) == labels(planned(fp32))


def test_options_are_part_of_a_cell(fp32: Artifact) -> None:
    """A provider's settings stand in the label and in the session, whatever their order."""
    one = planned(fp32, providers=["cuda"], options={"cuda": {"b": "2", "a": "1"}})
    other = planned(fp32, providers=["cuda"], options={"CUDAExecutionProvider": {"a": "1", "b": "2"}})
    assert one.reference == other.reference == "fp32 | onnxruntime CUDA a=1,b=2 | 1 thread | batch 1"
    assert one.cells[0].session.options == {"a": "1", "b": "2"}
    assert labels(one)[0] != labels(planned(fp32, providers=["cuda"]))[0]


def test_options_go_to_those_that_they_are_for(artifact: ArtifactMaker, fp32: Artifact) -> None:
    """By the name of a runtime or of a provider; the provider's own word counts more, and others get nothing."""
    found = planned(
        fp32,
        artifact("pytorch"),
        runtimes=["onnxruntime", "torch-compile"],
        providers=["cpu", "cuda"],
        options={"cuda": {"a": "own"}, "onnxruntime": {"a": "all", "b": "all"}, "torch-compile": {"freezing": "1"}},
    )
    options = {
        (cell.session.runtime, cell.session.provider): cell.session.options
        for cell in found.cells
        if cell.role == "subject"
    }
    assert options["onnxruntime", "CPUExecutionProvider"] == {"a": "all", "b": "all"}
    assert options["onnxruntime", "CUDAExecutionProvider"] == {"a": "own", "b": "all"}
    assert options["torch-compile", "cpu"] == {"freezing": "1"}


@pytest.mark.parametrize("name", ["cudda", "cuda", "CUDAExecutionProvider", "torch-compile", ""])
def test_options_that_nobody_takes_are_refused(fp32: Artifact, name: str) -> None:
    """Misspelt, or for something that is not measured: they would be dropped in silence."""
    with pytest.raises(UsageError, match=f"options for '{name}': expected the name of a runtime or provider"):
        planned(fp32, runtimes=["onnxruntime"], providers=["cpu"], options={name: {"a": "1"}})


def test_what_changes_speed_stands_in_the_label(fp32: Artifact) -> None:
    """Spinning, pace and batch; leaving nodes to another provider is kept in the session."""
    found = planned(fp32, spinning=True, scenarios=["paced:30"], batches=[2], allow_partial=True)
    assert found.reference == "fp32 | onnxruntime CPU | 1 thread spinning | batch 2 | paced:30"
    assert found.cells[0].session.allow_partial


def test_models_of_one_name_are_told_apart(artifact: ArtifactMaker) -> None:
    """Two different files that call themselves the same get their digests into their labels."""
    one, two = artifact("fp32", b"one"), artifact("fp32", b"two")
    found = planned(one, two)
    assert len(set(labels(found))) == 3
    assert one.sha256[:8] in labels(found)[0]
    assert two.sha256[:8] in labels(found)[1]


def test_models_of_two_runs_are_named_after_them(artifact: ArtifactMaker) -> None:
    """The run stands before the variant as soon as there is more than one; a foreign model is its file's name."""
    foreign = ForeignModel(Path("some/net.onnx"), b"net")
    found = planned(artifact("fp32", b"1", name="first"), artifact("fp32", b"2", name="second"), foreign)
    assert [label.partition(" |")[0] for label in labels(found)[:-1]] == ["first/fp32", "second/fp32", "net"]


def test_a_cell_gets_as_many_cores_as_threads(fp32: Artifact) -> None:
    """And only cores that this process may use."""
    cell, _ = planned(fp32).cells
    assert usable_cpus()[-1:] == cores_for(cell)
    everywhere = msgspec.structs.replace(
        cell, session=msgspec.structs.replace(cell.session, threads=len(usable_cpus()))
    )
    assert usable_cpus() == cores_for(everywhere)


# Requests that make no sense


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"threads": [0]}, "0 threads were asked for"),
        ({"threads": [1, 100_000]}, "100000 threads were asked for: this process may use 1 to"),
        ({"batches": [1, 0]}, "a batch of 0 was asked for"),
        ({"budget_s": 0}, "a budget of 0 s"),
        ({"budget_s": -1.0}, "a budget of -1.0 s"),
        ({"budget_s": float("nan")}, "a budget of nan s"),
        ({"budget_s": float("inf")}, "a budget of inf s"),
        ({"runtimes": ["pytorch"]}, "there is nothing to measure"),
        ({"scenarios": ["closed", "open"]}, "unknown scenario 'open': expected closed, paced:N"),
        ({"scenarios": ["paced:0"]}, "unknown scenario 'paced:0'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(fp32: Artifact, changes: dict[str, object], said: str) -> None:
    """With the value, and what was expected."""
    with pytest.raises(UsageError, match=said):
        planned(fp32, **changes)


def test_nothing_is_nothing_to_measure() -> None:
    """No model, no plan."""
    with pytest.raises(UsageError, match="there is nothing to measure"):
        planned()


def test_a_misspelt_provider_is_refused_with_the_right_spelling(fp32: Artifact) -> None:
    """It must not become a row of the CPU."""
    with pytest.raises(NotAvailable, match="did you mean 'cuda'"):
        planned(fp32, providers=["cudda"])


def test_a_provider_of_one_runtime_leaves_the_other_out(artifact: ArtifactMaker, fp32: Artifact) -> None:
    """PyTorch knows no OpenVINO: the ONNX model is measured there, and the checkpoint nowhere."""
    found = planned(artifact("pytorch"), fp32, runtimes=["onnxruntime", "pytorch"], providers=["openvino"])
    assert {cell.session.runtime for cell in found.cells} == {"onnxruntime"}
    assert {cell.session.provider for cell in found.cells} == {"OpenVINOExecutionProvider"}


# The time it takes


def test_more_cells_take_more_time(fp32: Artifact, int8: Artifact) -> None:
    """Each cell adds its launches; a slow pace adds its pauses."""
    one, two = planned(fp32), planned(fp32, int8)
    paced = planned(fp32, scenarios=["paced:1"])
    assert estimate_s(one) / 2 == pytest.approx(estimate_s(two) / 3)
    assert estimate_s(paced) > estimate_s(one) + 2 * paced.min_generations * paced.rounds


def test_the_estimate_holds_every_block(fp32: Artifact) -> None:
    """No plan promises less time than its blocks take alone."""
    found = planned(fp32, batches=[1, 8, 64])
    blocks_s = len(found.cells) * found.min_generations * found.rounds * found.block_s
    assert estimate_s(found) > blocks_s


@pytest.mark.parametrize(("budget_s", "cap_s"), [(2.0, 0.3), (1e6, 10.0)])
def test_warming_up_has_its_share_of_the_budget(fp32: Artifact, budget_s: float, cap_s: float) -> None:
    """Three tenths, shared by the cells, and never more than ten seconds."""
    assert cap_s == pytest.approx(planned(fp32, budget_s=budget_s).warmup_cap_s)


def test_ten_generations_come_before_precision(fp32: Artifact) -> None:
    """Fewer would make the rule to stop an optimist."""
    assert planned(fp32).min_generations == 10
    assert planned(fp32).precision == 0.01
