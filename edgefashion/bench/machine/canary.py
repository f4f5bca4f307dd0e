"""The canary: a fixed amount of work whose time changes only if the machine's speed does."""

import time

# About a millisecond: long beside the clock's resolution, short beside a scheduler's time slice, so that most
# spins run undisturbed and their median tells the processor's speed.
ITERATIONS = 20_000

_MULTIPLIER, _INCREMENT, _MASK = 1_664_525, 1_013_904_223, 0xFFFF_FFFF


def spin_ns(iterations: int = ITERATIONS) -> int:
    """Nanoseconds of `iterations` steps of a linear congruential generator in plain Python.

    Integers alone, each step waiting for the one before: no memory, library, thread or random input has a part in it.
    The constants are those of Numerical Recipes' quick generator.
    """
    state = 1
    start = time.perf_counter_ns()
    for _ in range(iterations):
        state = (state * _MULTIPLIER + _INCREMENT) & _MASK
    return time.perf_counter_ns() - start
