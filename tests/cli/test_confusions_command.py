"""`edgefashion confusions`."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from edgefashion.artifact import open_artifact
from edgefashion.cli.confusions import names_of
from edgefashion.records import decode
from edgefashion.records.confusions import ConfusionsReport

COMMITTED = Path(__file__).parents[2] / "exported" / "seed-reference"
MODELS = [COMMITTED / "fp32.onnx", COMMITTED / "int8-static.onnx"]


def test_models_stand_side_by_side(run: Callable, tmp_path: Path) -> None:
    """A table for each direction with a row a model, then sentences; the plate is drawn where it is asked for."""
    outcome = run("confusions", *MODELS, "--out", tmp_path / "plate.png")
    assert outcome.code == 0
    for words in ("Shirt: quality, and what it is taken for", "What is taken for Shirt", "all 2 models miss"):
        assert words in outcome.out
    assert [line.split()[0] for line in outcome.out.splitlines() if line.startswith(("fp32 ", "int8-static "))] == [
        "fp32",
        "int8-static",
    ] * 2
    assert Image.open(tmp_path / "plate.png").format == "PNG"


def test_one_document_for_programs(run: Callable) -> None:
    """Another class may be asked for; a model that is named twice counts once."""
    outcome = run("confusions", *MODELS, MODELS[0], "--class", "Coat", "--json")
    report = decode(outcome.out.encode(), ConfusionsReport, Path("stdout"))
    assert (report.label, report.images, report.checkpoints) == ("Coat", 100, 1)
    assert [each.model for each in report.models] == ["fp32", "int8-static"]
    assert report.data.is_sample
    assert all(sum(each.answers) == 100 for each in report.models)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["--class", "shirt"], "did you mean 'Shirt'"), (["--out", "plate.jpg"], "expected a name that ends in .png")],
)
def test_what_makes_no_sense_is_refused(run: Callable, arguments: list[str], words: str) -> None:
    """With exit code 2 and the remedy."""
    outcome = run("confusions", MODELS[0], *arguments)
    assert (outcome.code, words in outcome.error_lines[0]) == (2, True)


def test_models_have_names_of_their_own(tmp_path: Path) -> None:
    """That of the file where it is enough, with the folder where it is not, the path where even that is not."""
    places = [tmp_path / name for name in ("a/one", "a/two", "b/one")]
    for place in places:
        place.mkdir(parents=True)
        shutil.copy(MODELS[0], place)
    shutil.copy(MODELS[1], places[0])
    one, two, other = (open_artifact(place / "fp32.onnx") for place in places)
    int8 = open_artifact(places[0] / "int8-static.onnx")
    assert names_of([one, int8]) == ["fp32", "int8-static"]
    assert names_of([one, two]) == ["one · fp32", "two · fp32"]
    assert names_of([one, other]) == [str(one.path), str(other.path)]
