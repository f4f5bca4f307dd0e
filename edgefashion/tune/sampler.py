"""Who chooses what is tried next: the same in the same place of the same study, however often it was interrupted."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.study import Study
from optuna.trial import FrozenTrial, TrialState


class RepeatableTPE(BaseSampler):
    """The tree-structured Parzen estimator for several objectives, seeded anew for every trial.

    Ozaki et al. 2022, "Multiobjective tree-structured Parzen estimator", Journal of Artificial Intelligence Research
    73. It learns from each trial, after ten random ones; NSGA-II, the other usual choice for several objectives, draws
    a first generation of 50 at random and then moves 50 at a time, which some dozens of trials cannot afford.

    A sampler with one stream of random numbers starts that stream anew when a study is taken up again, or by another
    worker, and draws what was drawn before. Here the stream is a function of the seed and of the trial's place, which
    trials that were cut short do not count in: they are tried again.

    Args:
        seed: Decides what is drawn.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._inner = TPESampler(seed=seed)

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        """Seed everything that this trial will draw."""
        before = [each for each in study.get_trials(deepcopy=False) if each.number < trial.number]
        place = sum(each.state != TrialState.FAIL for each in before)
        (seed,) = np.random.SeedSequence([self._seed, place]).generate_state(1)
        self._inner = TPESampler(seed=int(seed))
        self._inner.before_trial(study, trial)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """What is drawn together."""
        return self._inner.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draw what is drawn together."""
        return self._inner.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution
    ) -> Any:
        """Draw one setting."""
        return self._inner.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        """Hear what became of it."""
        self._inner.after_trial(study, trial, state, values)
