"""Profiling several models by turns, so that their ratios come from one stretch of time."""

from collections.abc import Callable, Sequence
from math import comb
from statistics import median
from typing import Any

from numpy.typing import NDArray

from edgefashion.artifact import Model
from edgefashion.bench.profiling.profile import profile
from edgefashion.records import Profile, SessionSpec
from edgefashion.records.explanation import Spread

Progress = Callable[[str], None]

_LEVEL = 0.05


def profile_by_turns(
    models: Sequence[Model],
    *,
    session: SessionSpec,
    batch: int,
    cpus: list[int],
    inputs: NDArray[Any],
    rounds: int,
    progress: Progress = lambda _: None,
) -> list[list[Profile]]:
    """Each model's profiles, one a round, each in a fresh process; every other round runs backwards.

    Going there and back gives every model the same mean place in time, so a steady drift favours none.

    Args:
        models: ONNX models.
        session: How onnxruntime is asked to run them.
        batch: Pictures a call.
        cpus: The cores that the processes may use.
        inputs: [inputs, batch, …] in the models' own type and shape.
        rounds: How often each is profiled.
        progress: Is told what is profiled.

    Raises:
        CheckFailed: A model cannot be opened, fails, or its process ends.
    """
    found: list[list[Profile]] = [[] for _ in models]
    for number in range(rounds):
        there = list(range(len(models)))
        for index in reversed(there) if number % 2 else there:
            progress(f"round {number + 1} of {rounds}: {models[index].info.variant}")
            found[index].append(profile(models[index], session=session, batch=batch, cpus=cpus, inputs=inputs))
    return found


def spread(values: Sequence[float]) -> Spread:
    """Median and ends of some rounds' figures."""
    return Spread(median=median(values), low=min(values), high=max(values))


def apart(one: Sequence[float], other: Sequence[float]) -> bool:
    """Whether all of one side is larger than all of the other, and would be so by chance less than once in twenty.

    The extreme case of Mann and Whitney's exact test (1947): of all ways to deal the values out, two separate them.
    """
    separate = max(one) < min(other) or max(other) < min(one)
    return separate and enough(len(one), len(other))


def enough(one: int, other: int) -> bool:
    """Whether so many rounds a side can tell the sides apart at all: four of each can, three cannot."""
    return 2 / comb(one + other, one) < _LEVEL
