"""The trees family."""

from __future__ import annotations

from typing import ClassVar

from sharewise.families._base import Configuration, Family, configuration
from sharewise.families._boosting import fit_booster, fit_stacked_booster, same_kind
from sharewise.families._extra_trees import fit_forest, fit_shared_forest
from sharewise.families._parts import fit_each
from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem

BOOSTING = (
    configuration("boosting", leaves=15, learning_rate=0.06),
    configuration("boosting", leaves=4, learning_rate=0.06),
)
EXTRA_TREES = (
    configuration("extra-trees", min_samples_leaf=4, max_features=0.5),
    configuration("extra-trees", min_samples_leaf=1, max_features=1.0),
)


class Trees(Family):
    """LightGBM and extra-trees alone; stacked boosters and multi-output forests together."""

    name: ClassVar[str] = "trees"

    def configurations(self, problem: Problem, *, effort: int, together: bool) -> tuple[Configuration, ...]:
        tried = 2 if effort >= 2 else 1
        forests = EXTRA_TREES[:tried]
        # A stacked booster shares nothing where each target is of a kind of its own.
        shares = problem.level is not None or any(len(group) > 1 for group in same_kind(problem.targets))
        if together and not shares:
            return forests
        if effort < 1:
            return BOOSTING[:1]
        return BOOSTING[:tried] + forests

    def alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        fit = fit_booster if configuration.learner == "boosting" else fit_forest
        return fit_each(sample, "trees", run, fit(configuration))

    def together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        fit = fit_stacked_booster if configuration.learner == "boosting" else fit_shared_forest
        return fit(sample, configuration, run)
