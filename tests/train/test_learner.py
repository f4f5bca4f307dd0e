"""What changes step by step: weights, their average, the optimizers."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import small_nets  # noqa: E402 - after the skip

from edgefashion import tensors  # noqa: E402
from edgefashion.data import Dataset  # noqa: E402
from edgefashion.models.checkpoint import weights_of  # noqa: E402
from edgefashion.records import Architecture, Reference  # noqa: E402
from edgefashion.train.learner import Learner, under  # noqa: E402
from edgefashion.train.losses import loss_of, mixed  # noqa: E402
from edgefashion.train.optimizers import rate_share  # noqa: E402

OPTIMIZERS = ["adam", "adamw", "sgd", "muon"]
each_optimizer = pytest.mark.parametrize("optimizer", OPTIMIZERS)


def learn(learner: Learner, data: Dataset, first: int, last: int) -> list[float]:
    """Make steps `first` to `last` on pictures that depend on the step only; returns the losses."""
    return [float(learner.learn(small_nets.lessons(data, start=32 * step), step)[0]) for step in range(first, last + 1)]


def same(one: tensors.Arrays, two: tensors.Arrays) -> bool:
    """Whether two sets of arrays agree in names and in every bit."""
    return one.keys() == two.keys() and all(np.array_equal(one[name], two[name]) for name in one)


def through_a_file(arrays: tensors.Arrays, data: Dataset, path: Path) -> tensors.Arrays:
    """The arrays as they come back from a safetensors file."""
    record = Reference(checkpoint_sha256="0" * 64, data=data.identity, torch="")
    path.write_bytes(tensors.pack(arrays, "key", record))
    return tensors.read(path, "key", Reference)[0]


# A step


@pytest.mark.parametrize("changes", [{}, {"label_smoothing": 0.1}], ids=["plain", "smoothed"])
def test_a_step_reports_what_it_saw(changes: dict[str, Any], sample: Dataset) -> None:
    """The loss and the number of right answers are those of the weights before the step, free of gradients."""
    recipe = small_nets.changed(**changes)
    learner, batch = small_nets.learner(recipe, sample), small_nets.lessons(sample)
    logits = small_nets.fresh(sample)(batch.images)
    loss, correct = learner.learn(batch, 1)
    assert torch.equal(loss_of(logits, batch, recipe).detach(), loss)
    assert int((logits.argmax(1) == batch.labels).sum()) == int(correct)
    assert not loss.requires_grad


@each_optimizer
def test_learning_makes_the_loss_smaller(optimizer: str, sample: Dataset) -> None:
    """Every optimizer, at a rate that suits it, learns what it sees again and again."""
    rate = {"adam": 0.04, "adamw": 0.04, "sgd": 0.4, "muon": 0.1}[optimizer]
    recipe = small_nets.changed(optimizer=optimizer, learning_rate=rate, schedule="constant")
    learner, batch = small_nets.learner(recipe, sample, steps=25), small_nets.lessons(sample)
    losses = [float(learner.learn(batch, step)[0]) for step in range(1, 26)]
    assert losses[-1] < 0.7 * losses[0]


@each_optimizer
def test_scales_of_batch_norm_stay_one(optimizer: str, sample: Dataset) -> None:
    """No optimizer touches what is not to be trained, also where it decays weights."""
    learner = small_nets.learner(small_nets.changed(optimizer=optimizer, weight_decay=0.1), sample)
    learn(learner, sample, 1, 2)
    scales = [value for name, value in weights_of(learner.model).items() if name.endswith("norm.weight")]
    assert len(scales) == 3
    assert all((scale == 1).all() for scale in scales)


def test_gradients_of_one_step_are_gone_in_the_next(sample: Dataset) -> None:
    """A step follows its own batch alone: with nothing else remembered, it ends where a fresh learner's step does."""
    recipe = small_nets.changed(optimizer="sgd", momentum=1e-9, schedule="constant")
    one = small_nets.learner(recipe, sample)
    learn(one, sample, 1, 1)
    other = small_nets.learner(recipe, sample, seed=1)
    other.model.load_state_dict(one.model.state_dict())
    for learner in (one, other):
        learn(learner, sample, 2, 2)
    for name, value in weights_of(one.model).items():
        np.testing.assert_allclose(weights_of(other.model)[name], value, rtol=1e-5, atol=1e-7)


def test_rate_follows_the_schedule(sample: Dataset) -> None:
    """Each step is made at the schedule's rate for it, and the last one, at rate zero, moves nothing."""
    recipe = small_nets.changed(optimizer="sgd", learning_rate=0.1)
    learner = small_nets.learner(recipe, sample, steps=4)
    for step in range(1, 5):
        before = [parameter.detach().clone() for parameter in learner.model.parameters()]
        learn(learner, sample, step, step)
        assert 0.1 * rate_share(recipe, step, 4) == learner.optimizers[0].param_groups[0]["lr"]
        after = list(learner.model.parameters())
        assert (step == 4) == all(torch.equal(old, new) for old, new in zip(before, after, strict=True))


def test_mixed_pictures_are_taught_both_labels(sample: Dataset) -> None:
    """With mixup the loss is the mixture of both losses of the mixed pictures, and hits count the larger share's."""
    recipe = small_nets.changed(mixup=1.0, label_smoothing=0.1)
    learner, batch, model = small_nets.learner(recipe, sample), small_nets.lessons(sample), small_nets.fresh(sample)
    torch.manual_seed(5)
    images, other, share = mixed(batch, 1.0)
    logits = model(images)
    expected = share * loss_of(logits, batch, recipe) + (1 - share) * loss_of(logits, other, recipe)
    torch.manual_seed(5)
    loss, correct = learner.learn(batch, 1)
    torch.testing.assert_close(expected.detach(), loss)
    assert share < 0.9
    assert int((logits.argmax(1) == batch.labels).sum()) == int(correct)


def test_a_teacher_is_heard(sample: Dataset) -> None:
    """Answers change what is learned, mixed pictures' answers too."""
    answers = 5 * torch.randn(32, 10, generator=torch.Generator().manual_seed(1))
    for mixup in (0.0, 1.0):
        results = []
        for given in (None, answers):
            learner = small_nets.learner(small_nets.changed(mixup=mixup), sample)
            torch.manual_seed(0)
            learner.learn(small_nets.lessons(sample, answers=given), 1)
            results.append(weights_of(learner.model))
        assert not same(*results)


# The average


def test_average_is_the_exponential_mean(sample: Dataset) -> None:
    """After three steps it is the first weights, twice mixed with newer ones; batch-norm's running means likewise."""
    decay = 0.7
    learner = small_nets.learner(small_nets.changed(average=decay), sample)
    seen = []
    for step in (1, 2, 3):
        learn(learner, sample, step, step)
        seen.append(weights_of(learner.model))
    averaged = weights_of(learner.result)
    assert seen[0].keys() == averaged.keys()
    for name in averaged.keys() - {name for name in averaged if name.endswith("num_batches_tracked")}:
        first, second, third = (weights[name].astype(np.float64) for weights in seen)
        expected = decay * (decay * first + (1 - decay) * second) + (1 - decay) * third
        np.testing.assert_allclose(averaged[name], expected, rtol=1e-4, atol=1e-6, err_msg=name)
    moved = [name for name in averaged if not np.array_equal(averaged[name], seen[2][name])]
    assert {"network.features.0.norm.running_mean", "network.features.1.norm.running_var"} <= set(moved)
    assert {"network.features.2.conv.weight", "network.classify.bias"} <= set(moved)


def test_average_has_no_say_in_learning(sample: Dataset) -> None:
    """Averaged or not, the weights that learn are the same; what differs is the result."""
    plain, averaged = (small_nets.learner(small_nets.changed(average=decay), sample) for decay in (0.0, 0.9))
    assert learn(plain, sample, 1, 3) == learn(averaged, sample, 1, 3)
    assert same(weights_of(plain.model), weights_of(averaged.model))
    assert plain.result is plain.model
    assert not same(weights_of(plain.result), weights_of(averaged.result))


# Taken up again


@each_optimizer
@pytest.mark.parametrize("average", [0.0, 0.8], ids=["last", "averaged"])
def test_a_learner_is_taken_up_where_it_was(optimizer: str, average: float, sample: Dataset, tmp_path: Path) -> None:
    """What is restored into another learner through a file goes on to the same bits, loss by loss."""
    recipe = small_nets.changed(optimizer=optimizer, average=average)
    one, other = (small_nets.learner(recipe, sample, seed=seed) for seed in (0, 1))
    for learner in (one, other):
        learner.model.to(memory_format=torch.channels_last)
    learn(one, sample, 1, 2)
    learn(other, sample, 1, 1)  # what it has learned of its own must be gone
    kept = through_a_file(one.arrays(), sample, tmp_path / "state")
    before = {name: array.copy() for name, array in kept.items()}
    other.restore(kept)
    assert same(kept, other.arrays())
    assert learn(one, sample, 3, 5) == learn(other, sample, 3, 5)
    assert same(one.arrays(), other.arrays())
    assert same(weights_of(one.result), weights_of(other.result))
    assert same(before, kept)


def test_rates_go_on_from_the_recipe(sample: Dataset) -> None:
    """Restoring does not make the rate of the last step the highest one."""
    one, other = (small_nets.learner(small_nets.RECIPE, sample) for _ in range(2))
    learn(one, sample, 1, 8)
    other.restore(one.arrays())
    learn(other, sample, 3, 3)
    expected = small_nets.RECIPE.learning_rate * rate_share(small_nets.RECIPE, 3, 10)
    assert expected == other.optimizers[1].param_groups[0]["lr"]


@pytest.mark.parametrize("average", [0.0, 0.8], ids=["last", "averaged"])
def test_what_was_read_stays_as_it_was(average: float, sample: Dataset) -> None:
    """Arrays are a snapshot: learning on changes none of them, and neither does learning on from them."""
    learner = small_nets.learner(small_nets.changed(average=average), sample)
    learn(learner, sample, 1, 1)
    arrays = learner.arrays()
    before = {name: array.copy() for name, array in arrays.items()}
    learn(learner, sample, 2, 2)
    learner.restore(arrays)
    learn(learner, sample, 3, 3)
    assert same(before, arrays)


def test_another_network_s_arrays_are_refused(sample: Dataset) -> None:
    """Arrays that do not fit are never half restored in silence."""
    wider = small_nets.changed(architecture=Architecture("compact", {"widths": [4, 16], "depths": [1, 2]}))
    with pytest.raises(RuntimeError, match="size mismatch"):
        small_nets.learner(small_nets.RECIPE, sample).restore(small_nets.learner(wider, sample).arrays())


def test_names_under_a_prefix() -> None:
    """A prefix ends at its dot: "best" does not claim what is under "bestow"."""
    one, two = np.ones(1), np.ones(2)
    assert under("best", {"best.a.b": one, "bestow.c": two, "best": two}) == {"a.b": one}


# Precision


def test_bfloat16_is_for_products_only(sample: Dataset) -> None:
    """In bfloat16 a convolution's product has 8 bits; losses, weights, averages and optimizers stay float32."""
    recipe = small_nets.changed(average=0.9)
    full, half = (small_nets.learner(recipe, sample, precision=name) for name in ("float32", "bfloat16"))
    products: list[torch.dtype] = []
    for learner in (full, half):
        learner.model.network.features[1].conv.register_forward_hook(  # type: ignore[union-attr, index]
            lambda _layer, _given, product: products.append(product.dtype)
        )
    images = small_nets.lessons(sample).images
    logits = [learner.logits(images) for learner in (full, half)]
    assert [torch.float32, torch.bfloat16] == products
    assert [torch.float32, torch.float32] == [each.dtype for each in logits]
    assert not torch.equal(*logits)
    torch.testing.assert_close(logits[0], logits[1], rtol=0.1, atol=0.1)
    learn(half, sample, 1, 2)
    kept = {name: array.dtype for name, array in half.arrays().items() if not name.endswith("num_batches_tracked")}
    assert {np.dtype("float32")} == {kind for name, kind in kept.items() if not name.endswith("n_averaged")}


def test_precision_is_of_the_training_alone(sample: Dataset) -> None:
    """Outside a step the network computes in float32 again."""
    learner = small_nets.learner(small_nets.RECIPE, sample, precision="bfloat16")
    images = small_nets.lessons(sample).images
    learner.logits(images)
    assert not torch.is_autocast_enabled("cpu")
    assert torch.float32 == learner.model(images).dtype
