"""What an epoch of training costs beside learning itself. Run by `nox -s bench`."""

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from edgefashion import data, runs, train  # noqa: E402 - after the skip
from edgefashion.recipes import RECIPES  # noqa: E402
from edgefashion.records import TrainingReport  # noqa: E402
from edgefashion.train import loop  # noqa: E402
from edgefashion.train.augment import compose  # noqa: E402
from edgefashion.train.learner import Learner  # noqa: E402
from edgefashion.train.losses import Lessons  # noqa: E402
from edgefashion.train.training import build_for  # noqa: E402

LEARNING = ("_forward", "_backward", "_update")


def clocked(call: Callable, name: str, spent: Counter) -> Callable:
    """The call, adding the processor time that it takes to `spent`."""

    def timed(*args, **settings):
        start = time.thread_time()
        try:
            return call(*args, **settings)
        finally:
            spent[name] += time.thread_time() - start

    return timed


@pytest.mark.parametrize("name", ["edge", "tiny"])
def test_time_goes_to_learning(benchmark, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """On one thread at least nine tenths of an epoch are forward, backward and step."""
    recipe, sample, spent = RECIPES[name], data.load_sample(), Counter()
    for method in LEARNING:
        monkeypatch.setattr(Learner, method, clocked(getattr(Learner, method), method, spent))
    train_epoch = clocked(loop.train_epoch, "epoch", spent)
    augment = clocked(compose(recipe.augment), "augment", spent)
    lessons = Lessons(torch.tensor(sample.train.pixels), torch.tensor(sample.train.labels, dtype=torch.int64))
    with loop.deterministic(1):
        model = build_for(recipe, sample).to(memory_format=torch.channels_last)
        learner = Learner(recipe, model, steps=100, precision=recipe.precision)

        def epoch() -> None:
            train_epoch(learner, augment, lessons, epoch=1, step_done=lambda *_: None)

        epoch()  # kernels are chosen and made in the first
        spent.clear()
        benchmark.pedantic(epoch, rounds=5)
    shares = {part: spent[part] / spent["epoch"] for part in (*LEARNING, "augment")}
    benchmark.extra_info |= shares
    assert sum(shares[method] for method in LEARNING) >= 0.9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_91_percent_in_seconds(benchmark, tmp_path: Path, seed: int) -> None:
    """The recipe speedrun reaches 91 % of the validation pictures; the time it takes is what is measured."""
    full = data.load_present()
    if full.identity.is_sample:
        pytest.skip("the full data set is not on this machine")
    settings = {"out": tmp_path / "run", "seed": seed, "device": "cpu", "threads": 1}
    benchmark.pedantic(train.fit, ("speedrun", full), settings, rounds=1)
    report = TrainingReport.load(tmp_path / "run" / runs.TRAINING)
    reached = report.history[-1].validation_accuracy
    benchmark.extra_info |= {"cpu_s": report.cpu_s, "validation_accuracy": reached}
    assert reached >= 0.91
