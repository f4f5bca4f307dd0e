"""Model cards: front matter as the Hub reads it, and a body that says what the documents say."""

import ast
import re

import msgspec
import pieces
import proofs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgefashion.records import BenchReport, Interval, Manifest, Quantization, TrainingReport
from edgefashion.report.card import Card, CardModel, Trained, quoted, to_card
from edgefashion.report.card_grids import training_facts_grid

LABELS = pieces.LABELS


def card_model(manifest: Manifest, info: object, *, scheme: str = "", lost: int = 0, labels: list[str]) -> CardModel:
    quantization = Quantization(scheme, {}, calibration_images=1000 if scheme == "static" else 0) if scheme else None
    quality = pieces.quality(lost=lost, labels=labels)
    return CardModel(
        info=info,
        manifest=msgspec.structs.replace(manifest, quantization=quantization, labels=labels, opset=20),
        scheme=scheme,
        quality=quality,
        accuracy=Interval(quality.accuracy, quality.accuracy - 0.007, quality.accuracy + 0.006),
    )


def card(
    manifest: Manifest,
    *,
    name: str = "seed",
    labels: list[str] = LABELS,
    is_sample: bool = False,
    bench: BenchReport | None = None,
    training: TrainingReport | None = None,
) -> Card:
    """fp32, int8-static and int8-dynamic of a run."""
    verification = proofs.verification(is_sample=is_sample, labels=labels)
    return Card(
        lineage=[Trained(name, training or pieces.training(is_sample=is_sample, labels=labels))],
        models=[
            card_model(manifest, pieces.FP32, labels=labels),
            card_model(manifest, pieces.INT8, scheme="static", lost=1, labels=labels),
            card_model(manifest, pieces.DYNAMIC, scheme="dynamic", lost=9, labels=labels),
        ],
        verification=msgspec.structs.replace(verification, results=verification.results[:3]),
        bench=bench,
    )


def parts(text: str) -> tuple[str, str]:
    """Front matter and body."""
    empty, front, body = text.split("---\n", 2)
    assert empty == ""
    return front, body


def headings(body: str) -> list[str]:
    return re.findall(r"^## (.*)$", body, re.MULTILINE)


HOSTILE = "$x$ <b>'\"`|`` [red]\x1b[31m\n---\n: #é\u2028\ud800😀"
HOSTILE_LABELS = [*LABELS[:6], HOSTILE, *LABELS[7:]]


# Front matter


def test_front_matter_says_each_figure_of_each_model(manifest: Manifest) -> None:
    """Task, data set with its split, accuracy, F1 in both averages and of the weakest class, and nothing else."""
    yaml = pytest.importorskip("yaml")
    made = card(manifest)
    front = yaml.safe_load(parts(to_card(made))[0])
    assert {"license": "mit", "library_name": "onnxruntime", "pipeline_tag": "image-classification"}.items() <= (
        front.items()
    )
    assert (front["datasets"], front["metrics"]) == (["zalando-datasets/fashion_mnist"], ["accuracy", "f1"])
    assert {"onnx", "int8", "float32"} <= set(front["tags"])
    (index,) = front["model-index"]
    assert index["name"] == "seed"
    for result, model in zip(index["results"], made.models, strict=True):
        assert result["task"]["type"] == "image-classification"
        assert (result["dataset"]["type"], result["dataset"]["split"]) == ("zalando-datasets/fashion_mnist", "test")
        quality = model.quality
        shirt = quality.per_class[6].f1
        expected = [quality.accuracy, quality.weighted_f1, quality.macro_f1, shirt]
        assert pytest.approx(expected, abs=5e-5) == [metric["value"] for metric in result["metrics"]]
        assert [metric["type"] for metric in result["metrics"]] == ["accuracy", "f1", "f1", "f1"]
        assert all(model.info.file in metric["name"] for metric in result["metrics"])
        assert [metric.get("args") for metric in result["metrics"]] == [
            None,
            {"average": "weighted"},
            {"average": "macro"},
            {"average": "macro", "labels": [6]},
        ]


def test_front_matter_reads_as_the_hub_documents_it(manifest: Manifest) -> None:
    """The first result, letter by letter: two blanks a level, and a list's dash at its key's own depth."""
    front, _ = parts(to_card(card(manifest)))
    assert front.startswith("license: mit\nlibrary_name: onnxruntime\npipeline_tag: image-classification\ntags:\n- ")
    assert (
        """model-index:
- name: "seed"
  results:
  - task:
      type: image-classification
      name: Image Classification
    dataset:
      type: zalando-datasets/fashion_mnist
      name: Fashion-MNIST
      config: fashion_mnist
      split: test
    metrics:
    - type: accuracy
      value: 0.8660
      name: "Accuracy of fp32.onnx"
    - type: f1
"""
        in front
    )


def test_hostile_names_stay_inside_their_quotes(manifest: Manifest) -> None:
    """No name ends the front matter, adds a key to it, or breaks its syntax."""
    yaml = pytest.importorskip("yaml")
    text = to_card(card(manifest, name=HOSTILE, labels=HOSTILE_LABELS))
    front = yaml.safe_load(parts(text)[0])
    assert list(front) == ["license", "library_name", "pipeline_tag", "tags", "datasets", "metrics", "model-index"]
    assert front["model-index"][0]["name"].startswith("$x$ <b>'\"`|`` [red]�[31m�---�: #é")


@settings(max_examples=50)
@given(st.text())
def test_quoted_text_is_one_printable_string(text: str) -> None:
    """Python, of which JSON's strings are a part, reads as many characters as there were."""
    value = ast.literal_eval(quoted(text))
    assert (value.isprintable(), len(text)) == (True, len(value))


@settings(max_examples=50)
@given(st.text())
def test_yaml_reads_what_python_reads(text: str) -> None:
    """Quoted text means the same in the front matter."""
    yaml = pytest.importorskip("yaml")
    assert ast.literal_eval(quoted(text)) == yaml.safe_load(quoted(text))


@pytest.mark.parametrize("is_sample", [False, True])
def test_figures_of_the_sample_are_no_results(manifest: Manifest, is_sample: bool) -> None:
    """What was measured on the sample is not listed as a result on the test split, and the body says what it is."""
    made = card(manifest, is_sample=is_sample)
    front, body = parts(to_card(made))
    assert ("model-index" in front, "> bundled sample" in body) == (not is_sample, is_sample)


# Body


def test_sections_follow_what_is_known(manifest: Manifest, bench: BenchReport) -> None:
    """Latency is told where it was measured on these files; everything else always."""
    always = ["Use", "Quality by class", "Parity with PyTorch", "Training", "Reproduce", "Intended use", "Limits"]
    assert headings(to_card(card(manifest))) == [*always, "License"]
    assert headings(to_card(card(manifest, bench=bench))) == [*always[:3], "Latency", *always[3:], "License"]
    replaced = [
        msgspec.structs.replace(
            cell, artifact=msgspec.structs.replace(cell.artifact, sha256=cell.artifact.sha256[::-1])
        )
        for cell in bench.plan.cells
    ]
    others = msgspec.structs.replace(bench, plan=msgspec.structs.replace(bench.plan, cells=replaced))
    assert "Latency" not in headings(to_card(card(manifest, bench=others)))


def test_latency_is_that_of_the_run_s_own_models(manifest: Manifest, bench: BenchReport) -> None:
    """One row for each of them that was timed, with ratio and verdict; no control and no other model."""
    _, body = parts(to_card(card(manifest, bench=bench)))
    table = body[body.index("## Latency") : body.index("## Training")]
    rows = [line for line in table.splitlines() if line.startswith("| ")][2:]
    assert [row.split(" | ")[0] for row in rows] == ["| fp32", "| int8-static"]
    assert rows[1] == "| int8-static | 52.6 ± 0.3 µs | 132 µs | ×0.625 ± 0.005 | faster |"
    assert "Example CPU @ 2.50GHz, noise: usable" in table


def test_figures_are_those_of_the_documents(manifest: Manifest) -> None:
    """Bytes, accuracy with its interval, F1 by class, parameters, time, confusions of the weakest class, digests."""
    made = card(manifest)
    _, body = parts(to_card(made))
    for words in (
        "| int8-static.onnx | int8 | 27,773 | 86.50 (85.80 to 87.10) | 0.863 | 0.863 | 0.675 |",
        "| Shirt | 0.676 | 0.675 | 0.666 |",
        "A convolutional network of 11,562 parameters",
        "| time | 70.0 s, 120 s of CPU, threads: 2, device: cpu, precision: float32 |",
        "| network | seed, widths 4, 8, 16 |",
        "- Shirt is the weakest class: F1 0.675. Of 1,000 such pictures `int8-static.onnx` takes 100 for T-shirt/top,",
        f"{'c5' * 32}  again/seed/checkpoint.safetensors\n{pieces.FP32.sha256}  again/seed/fp32.onnx\n",
        "| int8-dynamic | 22.8 kB | 10,000 | 97.88 % |",
    ):
        assert words in body
    assert body.endswith("MIT.\n")


def test_the_model_to_start_from_is_the_smallest_calibrated_one(manifest: Manifest) -> None:
    """Dynamic quantization is smaller and slow; without a calibrated model it is the float32 one."""
    made = card(manifest)
    assert made.shipped.info == pieces.INT8
    bare = Card(made.lineage, [made.models[0], made.models[2]], made.verification)
    assert bare.shipped.info == pieces.FP32


def test_other_versions_than_those_of_training_are_told(manifest: Manifest) -> None:
    """Bytes depend on both."""
    sentence = "The models were exported with"
    made = card(manifest)
    assert sentence in to_card(made)
    environment = msgspec.structs.replace(made.training.environment, versions=manifest.versions)
    same = msgspec.structs.replace(made.training, environment=environment)
    assert sentence not in to_card(card(manifest, training=same))


def test_sources_are_named_by_their_commit_where_it_is_known(manifest: Manifest) -> None:
    """A version says less."""
    made = card(manifest)
    environment = msgspec.structs.replace(made.training.environment, git_commit="abc123")
    known = to_card(card(manifest, training=msgspec.structs.replace(made.training, environment=environment)))
    assert ("With the sources at commit `abc123`" in known, "With edgefashion" in to_card(made)) == (True, True)


def test_a_recipe_that_no_preset_is_stands_in_the_card(manifest: Manifest) -> None:
    """The command reads it from a file, whose content follows."""
    _, body = parts(to_card(card(manifest)))
    assert "--recipe seed.json" in body
    (text,) = re.findall(r"^```json\n(.*?)^```", body, re.DOTALL | re.MULTILINE)
    assert msgspec.json.decode(text, type=type(pieces.training().recipe)) == pieces.training().recipe


def test_a_teacher_s_time_counts(training: TrainingReport) -> None:
    """A taught run names its teacher and what teaching it took."""
    taught = msgspec.structs.replace(training, teacher="large", teacher_sha256="ab" * 32)
    rows = {row.cells[0]: row.cells[1] for row in training_facts_grid(taught, teachers=[training, training]).rows}
    assert rows["teacher"] == f"large, checkpoint {'ab' * 32}"
    assert rows["time for teachers"] == "140 s, 240 s of CPU"
    assert "teacher" not in {row.cells[0] for row in training_facts_grid(training).rows}


def test_markup_in_names_reaches_the_reader_as_text(manifest: Manifest) -> None:
    """Outside of code no name becomes markup, tables keep their columns, and the example stays Python."""
    _, body = parts(to_card(card(manifest, name="<b>", labels=HOSTILE_LABELS)))
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", body, flags=re.DOTALL | re.MULTILINE)
    assert not re.search(r"(?<!\\)[<$]", prose)
    assert "\x1b" not in body
    for table in re.findall(r"(?:^\|.*\n)+", body, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}) == 1
    (example,) = re.findall(r"^```python\n(.*?)^```", body, re.DOTALL | re.MULTILINE)
    assert len(ast.parse(example).body) == 5


def test_same_documents_give_the_same_card(manifest: Manifest, bench: BenchReport) -> None:
    """There is no date in it."""
    assert to_card(card(manifest, bench=bench)) == to_card(card(manifest, bench=bench))
