"""Which optimizer holds which weight, and how its rate changes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion.data import Dataset  # noqa: E402
from edgefashion.models import Classifier  # noqa: E402
from edgefashion.recipes import RECIPES  # noqa: E402
from edgefashion.records import Architecture  # noqa: E402
from edgefashion.train.muon import Muon  # noqa: E402
from edgefashion.train.optimizers import optimizers_for, rate_share, set_rate  # noqa: E402

OPTIMIZERS = ["adam", "adamw", "sgd", "muon"]
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)

steps_of = st.integers(1, 3_000)
warm_ups = st.floats(0, 0.99)


def held(optimizer: "torch.optim.Optimizer", model: Classifier) -> set[str]:
    """Names of the parameters that an optimizer moves."""
    inside = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    return {name for name, parameter in model.named_parameters() if id(parameter) in inside}


def lone_weight(*values: float) -> "torch.nn.Linear":
    """A layer whose only weight is given."""
    layer = torch.nn.Linear(len(values), 1, bias=False)
    layer.weight.data = torch.tensor([values])
    return layer


# Who moves what


@each_optimizer
@pytest.mark.parametrize("widths", [[4], [4, 8]], ids=["one convolution", "several"])
def test_each_trained_parameter_is_held_once(optimizer: str, widths: list[int], sample: Dataset) -> None:
    """The optimizers of a recipe hold every trained parameter, none twice, and no batch-norm's fixed scale."""
    architecture = Architecture("compact", {"widths": widths, "depths": [1] * len(widths)})
    model = small_nets.fresh(sample, architecture=architecture)
    made = optimizers_for(small_nets.changed(optimizer=optimizer), model)
    groups = [group for each in made for group in each.param_groups]
    found = sorted(id(parameter) for group in groups for parameter in group["params"])
    assert sorted(id(parameter) for parameter in model.parameters() if parameter.requires_grad) == found


def test_muon_turns_the_convolutions_of_many_channels(sample: Dataset) -> None:
    """Muon moves convolutions of more than one channel; AdamW, at its own rate, the first one, biases and the end."""
    # A last layer of so many inputs is no convolution all the same.
    model = small_nets.fresh(sample, architecture=Architecture("compact", {"widths": [4, 12], "depths": [1, 2]}))
    side, muon = optimizers_for(small_nets.changed(learning_rate=0.07, side_learning_rate=0.02), model)
    assert {"network.features.1.conv.weight", "network.features.2.conv.weight"} == held(muon, model)
    assert {
        "network.features.0.conv.weight",
        "network.features.0.norm.bias",
        "network.features.1.norm.bias",
        "network.features.2.norm.bias",
        "network.classify.weight",
        "network.classify.bias",
    } == held(side, model)
    assert (Muon, torch.optim.AdamW) == (type(muon), type(side))
    assert (muon.param_groups[0]["lr"], side.param_groups[0]["lr"]) == (0.07, 0.02)
    assert small_nets.RECIPE.momentum == muon.param_groups[0]["momentum"]


@pytest.mark.parametrize("strided", [False, True])
def test_a_large_first_convolution_is_turned_too(strided: bool, sample: Dataset) -> None:
    """Nine values of one channel are too few directions for Muon; a strided first convolution's 25 are enough."""
    architecture = Architecture("compact", {"widths": [4, 8], "depths": [1, 1], "strided": strided})
    model = small_nets.fresh(sample, architecture=architecture)
    _, muon = optimizers_for(small_nets.RECIPE, model)
    assert strided == ("network.features.0.conv.weight" in held(muon, model))


@pytest.mark.parametrize("optimizer", ["adam", "adamw"])
def test_decay_of_adam_is_in_the_gradient_and_of_adamw_beside_it(optimizer: str) -> None:
    """Without a gradient AdamW shrinks a weight by rate times decay; Adam takes a step of the whole rate."""
    layer = lone_weight(2.0, -1.0)
    recipe = small_nets.changed(optimizer=optimizer, learning_rate=0.1, weight_decay=0.5)
    (made,) = optimizers_for(recipe, layer)
    layer.weight.grad = torch.zeros(1, 2)
    made.step()
    expected = {"adam": [[1.9, -0.9]], "adamw": [[1.9, -0.95]]}[optimizer]
    torch.testing.assert_close(torch.tensor(expected), layer.weight.detach())


def test_side_rate_decays_weights(sample: Dataset) -> None:
    """Beside Muon, weight decay is AdamW's, and Muon's weights have none."""
    side, muon = optimizers_for(small_nets.changed(weight_decay=0.25), small_nets.fresh(sample))
    assert side.param_groups[0]["weight_decay"] == 0.25
    assert "weight_decay" not in muon.param_groups[0]


def test_sgd_is_nesterovs() -> None:
    """Two steps of SGD are those of Nesterov's momentum with decay in the gradient, computed by hand."""
    layer = lone_weight(1.0, -2.0)
    rate, momentum, decay = 0.1, 0.8, 0.01
    recipe = small_nets.changed(optimizer="sgd", learning_rate=rate, momentum=momentum, weight_decay=decay)
    (made,) = optimizers_for(recipe, layer)
    weights, speeds = [1.0, -2.0], [0.0, 0.0]
    for slopes in ([0.3, 0.4], [-0.2, 0.7]):
        layer.weight.grad = torch.tensor([slopes])
        made.step()
        pulls = [slope + decay * weight for slope, weight in zip(slopes, weights, strict=True)]
        speeds = [momentum * speed + pull for speed, pull in zip(speeds, pulls, strict=True)]
        weights = [
            weight - rate * (pull + momentum * speed)
            for weight, pull, speed in zip(weights, pulls, speeds, strict=True)
        ]
    torch.testing.assert_close(torch.tensor([weights]), layer.weight.detach())


@pytest.mark.parametrize("name", [name for name in RECIPES if RECIPES[name].architecture.name == "seed"])
def test_published_networks_are_moved_by_adam_alone(name: str, sample: Dataset) -> None:
    """The homework's recipes have one Adam at 1e-3 over all parameters, at its default settings."""
    model = small_nets.fresh(sample, architecture=RECIPES[name].architecture)
    (made,) = optimizers_for(RECIPES[name], model)
    assert type(made) is torch.optim.Adam
    assert {parameter for parameter, _ in model.named_parameters()} == held(made, model)
    (group,) = made.param_groups
    assert (group["lr"], group["betas"], group["eps"], group["weight_decay"]) == (1e-3, (0.9, 0.999), 1e-8, 0.0)


# Rates


def test_every_rate_is_a_share_of_its_own_highest(sample: Dataset) -> None:
    """Each optimizer's rate is set from its own highest one, never from the one before."""
    recipe = small_nets.changed(learning_rate=0.08, side_learning_rate=0.02)
    made = optimizers_for(recipe, small_nets.fresh(sample))
    for share in (0.5, 0.25, 1.0):
        set_rate(made, share)
        assert [0.02 * share, 0.08 * share] == [each.param_groups[0]["lr"] for each in made]


@given(steps=steps_of, warm_up=warm_ups)
def test_constant_rate(steps: int, warm_up: float) -> None:
    """Without a schedule every step has the whole rate."""
    recipe = small_nets.changed(schedule="constant", warm_up=warm_up)
    assert {1.0} == {rate_share(recipe, step, steps) for step in (1, (steps + 1) // 2, steps)}


@given(steps=steps_of, warm_up=warm_ups, where=st.floats(0, 1))
def test_one_cycle_is_two_lines(steps: int, warm_up: float, where: float) -> None:
    """One-cycle rises along a line to the whole rate at the end of the warm-up, and falls along a line to zero."""
    step = max(1, round(where * steps))
    top = warm_up * steps
    expected = step / top if step < top else (steps - step) / (steps - top)
    recipe = small_nets.changed(schedule="one-cycle", warm_up=warm_up)
    assert pytest.approx(expected, abs=1e-9) == rate_share(recipe, step, steps)


@given(steps=steps_of, warm_up=warm_ups, where=st.floats(0, 1))
def test_cosine_falls_along_half_a_cosine(steps: int, warm_up: float, where: float) -> None:
    """Cosine rises like one-cycle; then half of the way down is half of the rate, and both ends are flat."""
    step = max(1, round(where * steps))
    top = warm_up * steps
    expected = step / top if step < top else math.cos(math.pi / 2 * (step - top) / (steps - top)) ** 2
    recipe = small_nets.changed(schedule="cosine", warm_up=warm_up)
    assert pytest.approx(expected, abs=1e-9) == rate_share(recipe, step, steps)


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
@given(steps=st.integers(1, 300), warm_up=warm_ups)
def test_rate_rises_once_falls_once_and_ends_at_zero(schedule: str, steps: int, warm_up: float) -> None:
    """Over a training the rate stays between nothing and the whole, turns only once, and ends at exactly zero."""
    recipe = small_nets.changed(schedule=schedule, warm_up=warm_up)
    shares = [rate_share(recipe, step, steps) for step in range(1, steps + 1)]
    turn = shares.index(max(shares))
    assert shares[-1] == 0
    assert all(0 <= share <= 1 for share in shares)
    assert sorted(shares[: turn + 1]) == shares[: turn + 1]
    assert sorted(shares[turn:], reverse=True) == shares[turn:]


@pytest.mark.parametrize("schedule", ["one-cycle", "cosine"])
@pytest.mark.parametrize(("warm_up", "steps", "top"), [(0.2, 10, 2), (0.25, 40, 10), (0.5, 8, 4)])
def test_rate_reaches_its_highest(schedule: str, warm_up: float, steps: int, top: int) -> None:
    """The last step of the warm-up has the whole rate, and no other step has."""
    recipe = small_nets.changed(schedule=schedule, warm_up=warm_up)
    shares = [rate_share(recipe, step, steps) for step in range(1, steps + 1)]
    assert [top] == [step for step, share in enumerate(shares, start=1) if share == 1]
