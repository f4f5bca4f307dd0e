"""The presets, and recipes in files."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgefashion.data.dataset import LABELS
from edgefashion.errors import BadInput, UsageError
from edgefashion.recipes import (
    PUBLISHED_SCORES,
    RECIPES,
    check_recipe,
    find_recipe,
    read_recipe,
    recipe_text,
)
from edgefashion.records import Architecture, Recipe

each_preset = pytest.mark.parametrize("preset", RECIPES)

fractions = st.floats(0, 0.99)
rates = st.floats(1e-6, 10)
texts = st.text(max_size=20)
values = st.booleans() | st.integers(-9, 9) | st.floats(-9, 9) | texts | st.lists(st.integers(1, 99), max_size=3)
recipes = st.builds(
    Recipe,
    name=texts,
    summary=texts,
    architecture=st.builds(Architecture, name=texts, settings=st.dictionaries(texts, values, max_size=3)),
    epochs=st.integers(1, 100_000),
    batch_size=st.integers(1, 1_000_000),
    learning_rate=rates,
    # Muon and the seed's network are refused together: the names above may come out as "seed".
    optimizer=st.sampled_from(["adam", "adamw", "sgd"]),
    augment=st.lists(st.sampled_from(["flip", "shift-1", "cutout"]), max_size=3).map(tuple),
    schedule=st.sampled_from(["constant", "one-cycle", "cosine"]),
    warm_up=fractions,
    momentum=st.floats(0.01, 0.99),
    weight_decay=st.floats(0, 100),
    side_learning_rate=rates,
    label_smoothing=fractions,
    mixup=st.floats(0, 100),
    average=fractions,
    precision=st.sampled_from(["float32", "bfloat16"]),
    keep=st.sampled_from(["best", "last"]),
    teacher_weight=st.floats(0, 1),
    temperature=rates,
)


def members(preset: str = "edge") -> dict[str, Any]:
    """A preset's text as a dictionary, to be spoiled."""
    content: dict[str, Any] = json.loads(recipe_text(RECIPES[preset]))
    return content


def written(content: dict[str, Any], folder: Path) -> Path:
    """A recipe file as a person may leave it."""
    path = folder / "mine.json"
    path.write_text(json.dumps(content))
    return path


def test_published_recipe() -> None:
    """The seed is the published recipe: ten epochs of Adam at 1e-3 in batches of 1,024, nothing augmented."""
    recipe = find_recipe("seed")
    assert (
        recipe.epochs,
        recipe.batch_size,
        recipe.learning_rate,
        recipe.optimizer,
        recipe.augment,
    ) == (10, 1024, 1e-3, "adam", ())


def test_recipes_are_found_under_their_own_names() -> None:
    """A recipe is called in its results what it is called on the command line."""
    assert list(RECIPES) == [recipe.name for recipe in RECIPES.values()]


def test_published_scores_cover_the_classes() -> None:
    """There is one published figure for each class, under the data set's names, and for the two summary rows."""
    assert {*LABELS, "accuracy", "weighted avg"} == set(PUBLISHED_SCORES)


def test_unknown_recipe() -> None:
    """A misspelt recipe is answered with the nearest."""
    with pytest.raises(UsageError, match="unknown recipe 'seed-wid': did you mean 'seed-wide'"):
        find_recipe("seed-wid")


# Recipes in files


@each_preset
def test_a_preset_survives_its_text(preset: str, tmp_path: Path) -> None:
    """Each preset is sound, and read from its own text it is the same recipe."""
    path = tmp_path / "copy.json"
    path.write_bytes(recipe_text(RECIPES[preset]))
    check_recipe(RECIPES[preset])
    assert RECIPES[preset] == read_recipe(path) == find_recipe(str(path))


@given(recipe=recipes)
def test_any_recipe_survives_its_text(recipe: Recipe, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a recipe holds, its text is read as the same recipe."""
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(recipe_text(recipe))
    assert recipe == read_recipe(path)


@each_preset
def test_text_spells_everything_out(preset: str) -> None:
    """A recipe's text names every choice, made or left at its default, in the order of the record."""
    assert list(Recipe.__struct_fields__) == list(members(preset))
    assert list(members(preset)["architecture"]) == ["name", "settings"]
    assert recipe_text(RECIPES[preset]).endswith(b"}\n")


def test_a_file_may_leave_out_what_it_does_not_change(tmp_path: Path) -> None:
    """Members with a default may be missing, those without are needed; the default is the record's."""
    short = members("seed")
    needed = {"name", "summary", "architecture", "epochs", "batch_size", "learning_rate"}
    assert RECIPES["seed"] == read_recipe(written({name: short[name] for name in needed}, tmp_path))
    for name in sorted(needed):
        rest = {other: value for other, value in short.items() if other != name}
        with pytest.raises(BadInput, match=rf"mine\.json is not a valid Recipe: .*missing required field `{name}`"):
            read_recipe(written(rest, tmp_path))


@pytest.mark.parametrize(
    ("member", "value", "message"),
    [
        ("learning_rat", 0.1, "unknown field `learning_rat`"),
        ("epochs", "40", r"Expected `int`, got `str` - at `\$.epochs`"),
        ("epochs", 4.5, r"Expected `int`, got `float` - at `\$.epochs`"),
        ("augment", "flip", r"got `str` - at `\$.augment`"),
        ("optimizer", "lion", r"Invalid enum value 'lion' - at `\$.optimizer`"),
        ("schedule", "linear", r"Invalid enum value 'linear' - at `\$.schedule`"),
        ("keep", "first", r"Invalid enum value 'first' - at `\$.keep`"),
        ("precision", "float16", r"Invalid enum value 'float16' - at `\$.precision`"),
        ("architecture", "compact", r"Expected `object`, got `str` - at `\$.architecture`"),
        ("mixup", None, r"Expected `float`, got `null` - at `\$.mixup`"),
    ],
)
def test_unknown_and_mistyped_members(member: str, value: Any, message: str, tmp_path: Path) -> None:
    """A member that is unknown or of another type is refused, with the file and the member named."""
    path = written(members() | {member: value}, tmp_path)
    with pytest.raises(BadInput, match=rf"mine\.json is not a valid Recipe: .*{message}"):
        read_recipe(path)


@pytest.mark.parametrize(
    ("member", "refused", "taken"),
    [
        ("epochs", [0, 100_001, -3], [1, 100_000]),
        ("batch_size", [0, 1_000_001], [1, 1_000_000]),
        ("warm_up", [-0.01, 0.991, 1.0], [0, 0.99]),
        ("momentum", [-0.1, 1.0], [0, 0.9999]),
        ("weight_decay", [-1e-9], [0, 1e9]),
        ("label_smoothing", [-0.1, 1.0], [0, 0.99]),
        ("mixup", [-1.0, 100.5], [0, 100]),
        ("average", [-0.1, 1.0], [0, 0.99999]),
        ("teacher_weight", [-0.1, 1.1], [0, 1]),
        ("learning_rate", [0.0, -0.1], [1e-9, 1e9]),
        ("side_learning_rate", [0.0, -0.1], [1e-9, 1e9]),
        ("temperature", [0.0, -2.0], [1e-3, 1e3]),
    ],
)
def test_values_out_of_range(member: str, refused: list[float], taken: list[float], tmp_path: Path) -> None:
    """A value that cannot be trained with is refused with the file, the member and the value; the bounds are taken."""
    for value in refused:
        with pytest.raises(BadInput, match=rf"mine\.json: {member} is {value}: expected "):
            read_recipe(written(members() | {member: value}, tmp_path))
    for value in taken:
        assert value == getattr(read_recipe(written(members() | {member: value}, tmp_path)), member)


@pytest.mark.parametrize("member", ["learning_rate", "momentum", "weight_decay", "temperature", "mixup"])
def test_what_is_no_number_is_out_of_range(member: str) -> None:
    """NaN compares with nothing, and is refused all the same."""
    with pytest.raises(BadInput, match=f"{member} is nan: expected "):
        check_recipe(msgspec.structs.replace(RECIPES["edge"], **{member: float("nan")}))


def test_contradictions(tmp_path: Path) -> None:
    """Nesterov without momentum, and Muon without batch-norm, are refused with the reason."""
    with pytest.raises(BadInput, match=r"mine\.json: momentum is 0: sgd is Nesterov's"):
        read_recipe(written(members() | {"optimizer": "sgd", "momentum": 0}, tmp_path))
    assert read_recipe(written(members() | {"optimizer": "adamw", "momentum": 0}, tmp_path)).momentum == 0
    with pytest.raises(BadInput, match=r"mine\.json: optimizer is muon: it needs a batch-norm behind each"):
        read_recipe(written(members("seed") | {"optimizer": "muon"}, tmp_path))
    assert read_recipe(written(members("seed") | {"optimizer": "adamw"}, tmp_path)).optimizer == "adamw"


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b"\xff", b"[" * 100_000],
    ids=["empty", "cut off", "a list", "null", "no text", "deep"],
)
def test_what_is_no_recipe(content: bytes, tmp_path: Path) -> None:
    """A file that is no JSON object is refused with its name."""
    path = tmp_path / "mine.json"
    path.write_bytes(content)
    with pytest.raises(BadInput, match=r"mine\.json is not a valid Recipe"):
        find_recipe(str(path))


def test_names_of_files_and_of_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ends in .json or has a slash is a file; a preset comes before a file of its name; the rest is unknown."""
    monkeypatch.chdir(tmp_path)
    mine = recipe_text(msgspec.structs.replace(RECIPES["tiny"], name="mine"))
    for name in ("edge", "mine.json", "mine"):
        (tmp_path / name).write_bytes(mine)
    assert find_recipe("mine.json").name == find_recipe("./mine").name == find_recipe("./edge").name == "mine"
    assert RECIPES["edge"] == find_recipe("edge")
    with pytest.raises(BadInput, match=r"absent\.json does not exist"):
        find_recipe("absent.json")
    with pytest.raises(BadInput, match="is a folder: expected a file"):
        find_recipe(f"{tmp_path}/")
    with pytest.raises(UsageError, match=r"unknown recipe 'mine'.* or a file \.json"):
        find_recipe("mine")


@pytest.mark.parametrize(
    ("given", "meant"), [("eddge", "edge"), ("tny", "tiny"), ("mikro", "micro"), ("speed-run", "speedrun")]
)
def test_near_names_are_suggested(given: str, meant: str) -> None:
    """A name near a preset is answered with the preset."""
    with pytest.raises(UsageError, match=f"unknown recipe '{given}': did you mean '{meant}'"):
        find_recipe(given)


# Recipes in manifests


@pytest.mark.parametrize("preset", [name for name in RECIPES if RECIPES[name].architecture.name == "seed"])
def test_manifests_name_only_what_differs(preset: str) -> None:
    """In a manifest the homework's recipes hold nothing but what they have no default for."""
    names = ["name", "summary", "architecture", "epochs", "batch_size", "learning_rate"]
    assert names == list(json.loads(msgspec.json.encode(RECIPES[preset])))


def test_manifest_of_the_seed() -> None:
    """The seed's entry in a manifest is this text, to the byte."""
    assert msgspec.json.encode(RECIPES["seed"]) == (
        b'{"name":"seed","summary":"the published homework network, in widths that reproduce its figures",'
        b'"architecture":{"name":"seed","settings":{"widths":[4,8,16],"hidden":64}},'
        b'"epochs":10,"batch_size":1024,"learning_rate":0.001}'
    )


def test_what_a_manifest_leaves_out_keeps_its_meaning() -> None:
    """The defaults are part of every manifest that was ever written: none of them may change."""
    spelled = members("seed")
    left_out = spelled.keys() - json.loads(msgspec.json.encode(RECIPES["seed"]))
    assert {name: spelled[name] for name in left_out} == {
        "optimizer": "adam",
        "augment": [],
        "schedule": "constant",
        "warm_up": 0.0,
        "momentum": 0.9,
        "weight_decay": 0.0,
        "side_learning_rate": 0.01,
        "label_smoothing": 0.0,
        "mixup": 0.0,
        "average": 0.0,
        "precision": "float32",
        "keep": "best",
        "teacher_weight": 0.8,
        "temperature": 2.0,
    }


def test_manifests_made_before_there_was_a_choice() -> None:
    """An older entry, which spells out optimizer and augmentation and knows no other choice, is the same recipe."""
    older = (
        b'{"name":"seed","summary":"the published homework network, in widths that reproduce its figures",'
        b'"architecture":{"name":"seed","settings":{"widths":[4,8,16],"hidden":64}},'
        b'"epochs":10,"batch_size":1024,"learning_rate":0.001,"optimizer":"adam","augment":[]}'
    )
    assert RECIPES["seed"] == msgspec.json.decode(older, type=Recipe)


@each_preset
def test_one_recipe_has_one_entry(preset: str, tmp_path: Path) -> None:
    """Equal recipes give equal bytes in a manifest, whether a preset or its own text read from a file."""
    path = tmp_path / "copy.json"
    path.write_bytes(recipe_text(RECIPES[preset]))
    assert msgspec.json.encode(RECIPES[preset]) == msgspec.json.encode(read_recipe(path))
