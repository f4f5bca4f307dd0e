"""What `edgefashion confusions` found: in tables, in sentences, and as a plate of pictures."""

import msgspec
import numpy as np
import pieces
from matplotlib.figure import Figure
from matplotlib.text import Text

from edgefashion.records import ClassScore, Interval
from edgefashion.records.confusions import ConfusionsReport, MissedPicture, ModelConfusions
from edgefashion.report.confusions_grids import confusions_grids, confusions_sentences
from edgefashion.report.confusions_plate import missed_plate
from edgefashion.report.drawing import ORANGE, png

SHIRT, TOP, PULLOVER, COAT = 6, 0, 2, 4


def model(name: str) -> ModelConfusions:
    """720 of 1,000 Shirts right; 900 pictures are called Shirt."""
    return ModelConfusions(
        model=name,
        artifact=pieces.INT8,
        score=ClassScore("Shirt", 0.8, 0.72, 0.758, 1000),
        recall=Interval(0.72, 0.691, 0.747),
        answers=[120, 0, 60, 30, 50, 0, 720, 3, 17, 0],
        claimed=[90, 1, 40, 20, 25, 0, 720, 0, 4, 0],
    )


def missed(index: int, answers: list[int], *, sure: float, in_doubt: bool = False) -> MissedPicture:
    pixels = np.full((28, 28), index, dtype=np.uint8).tobytes()
    return MissedPicture(index, answers, [sure] * len(answers), in_doubt, pixels)


def report(*, models: int = 2, pictures: list[MissedPicture] | None = None, **changes: object) -> ConfusionsReport:
    """Two models of two checkpoints miss three pictures, agree on two, and doubt one label."""
    three = [
        missed(11, [TOP] * models, sure=0.95, in_doubt=True),
        missed(12, [PULLOVER] * models, sure=0.8),
        missed(13, [COAT, *[TOP] * (models - 1)], sure=0.5),
    ]
    made = ConfusionsReport(
        data=pieces.identity(),
        label="Shirt",
        images=1000,
        models=[model(f"run · m{number}") for number in range(models)],
        checkpoints=models,
        missed_if_independent=1.25 if models > 1 else None,
        missed=three if pictures is None else pictures,
        environment=pieces.environment(),
    )
    return msgspec.structs.replace(made, **changes)


def texts(figure: Figure) -> dict[str, str]:
    """Every text of a figure with its colour."""
    figure.draw_without_rendering()
    return {each.get_text(): each.get_color() for each in figure.findobj(Text) if each.get_text()}


def test_both_directions_have_a_table() -> None:
    """The classes confused most, in both directions together, have columns; the rest shares one."""
    out, into = confusions_grids(report())
    assert out.columns[4:] == ("→ T-shirt/top", "→ Pullover", "→ Coat", "→ Dress", "→ others")
    assert out.rows[0].cells == (
        "run · m0",
        "0.758",
        "0.800",
        "0.720 (0.691 to 0.747)",
        "120 (12 %)",
        "60 (6.0 %)",
        "50 (5.0 %)",
        "30 (3.0 %)",
        "20 (2.0 %)",
    )
    assert into.rows[1].cells == (
        "run · m1",
        "900",
        "720 (80 %)",
        "90 (10 %)",
        "40 (4.4 %)",
        "25 (2.8 %)",
        "20 (2.2 %)",
        "5 (0.56 %)",
    )
    assert all(len(grid.columns) == len(row.cells) for grid in (out, into) for row in grid.rows)


def test_a_class_that_nothing_is_taken_for_has_no_shares() -> None:
    """A model that never answers it divides by nothing."""
    silent = msgspec.structs.replace(model("m"), claimed=[0] * 10)
    _, into = confusions_grids(msgspec.structs.replace(report(models=1), models=[silent]))
    assert into.rows[0].cells[1:3] == ("0", "0")


def test_sentences_count_what_all_miss_beside_chance_and_doubtful_labels() -> None:
    """How many all miss, how many chance would give, on how many they agree, whose labels may be wrong."""
    first, second = confusions_sentences(report())
    assert first == (
        "all 2 models miss 3 of 1,000 (0.30 %) Shirt pictures; "
        "if the 2 checkpoints erred independently of each other it would be 1.25."
    )
    assert second == (
        "2 of them get the same wrong answer from every model, 1 (T-shirt/top 1) of these with at least the confidence "
        "that a model usually has in pictures of the class it answers: their labels may be wrong. None was changed."
    )


def test_one_model_is_not_called_all_models() -> None:
    """It is named, and neither chance nor agreement is spoken of."""
    first, second = confusions_sentences(report(models=1))
    assert first == "run · m0 misses 3 of 1,000 (0.30 %) Shirt pictures."
    assert second.startswith("1 (T-shirt/top 1) of them get their wrong answer with at least")


def test_where_nothing_is_missed_no_label_is_in_doubt() -> None:
    """One sentence is enough, and the figure says it too."""
    nothing = report(pictures=[])
    assert len(confusions_sentences(nothing)) == 1
    assert {"none", "Shirt: 0 of 1,000 pictures that all 2 models miss"} == texts(missed_plate(nothing)).keys()


def test_plate_shows_each_picture_with_what_the_models_say() -> None:
    """Its number and true class above; below one answer where all agree, or a tally; doubtful labels are coloured."""
    figure = missed_plate(report(models=3))
    shown = figure.axes[0].images
    assert [np.unique(each.get_array()).tolist() for each in shown] == [[11], [12], [13]]
    words = texts(figure)
    assert {"11 · Shirt", "T-shirt/top", "Pullover", "2 × T-shirt/top", "1 × Coat", "0.80", "0.50"} <= words.keys()
    assert words["0.95 · label in doubt"] == ORANGE
    assert sum("label in doubt" in text and text[0] == "0" for text in words) == 1
    assert "shown" not in " ".join(words)


def test_plate_says_how_many_it_leaves_out() -> None:
    """Pictures without pixels are counted and not drawn; each of those drawn has a place of its own."""
    drawn = [missed(number, [COAT, COAT], sure=0.9) for number in range(8)]
    bare = [msgspec.structs.replace(each, pixels=b"") for each in drawn[:5]]
    figure = missed_plate(report(pictures=[*drawn, *bare]))
    assert len({tuple(image.get_extent()) for image in figure.axes[0].images}) == 8
    assert any(text.startswith("8 of 13 shown") for text in texts(figure))


def test_class_names_are_only_text() -> None:
    """Neither terminal codes nor formulas nor lengths get through."""
    label = "$\\frac$ [red] \x1b[31m" + "very " * 20 + "long"
    labels = [*pieces.LABELS[:SHIRT], label, *pieces.LABELS[SHIRT + 1 :]]
    hostile = report(data=pieces.identity(labels=labels, is_sample=True), label=label)
    assert png(missed_plate(hostile)).startswith(b"\x89PNG")
    said = [cell for grid in confusions_grids(hostile) for cell in (grid.title, *grid.columns, *grid.notes)]
    assert "\x1b" not in "".join([*said, *confusions_sentences(hostile)])
    assert all(hostile.data.note in grid.notes for grid in confusions_grids(hostile))


def test_same_report_gives_the_same_plate() -> None:
    """Byte for byte."""
    first, second = (png(missed_plate(report())) for _ in range(2))
    assert first == second
