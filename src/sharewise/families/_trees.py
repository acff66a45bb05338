"""The trees family."""

from __future__ import annotations

from typing import ClassVar

from sharewise.families._base import Configuration, Dimension, Family, Space, configuration
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

SPACE: Space = {
    "boosting": {
        "leaves": Dimension(2, 64, log=True, whole=True),
        "learning_rate": Dimension(0.02, 0.2, log=True),
        "lambda_l2": Dimension(0.1, 100.0, log=True),
        "feature_fraction": Dimension(0.3, 1.0),
        "least_rows": Dimension(2, 60, log=True, whole=True),
    },
    "extra-trees": {
        "min_samples_leaf": Dimension(1, 20, log=True, whole=True),
        "max_features": Dimension(0.2, 1.0),
    },
}


class Trees(Family):
    """LightGBM and extra-trees alone; stacked boosters and multi-output forests together."""

    name: ClassVar[str] = "trees"

    def table_configurations(
        self, problem: Problem, *, effort: int, together: bool
    ) -> tuple[Configuration, ...]:
        tried = 2 if effort >= 2 else 1
        forests = EXTRA_TREES[:tried]
        if together and not _stacks(problem):
            return forests
        if effort < 1:
            return BOOSTING[:1]
        return BOOSTING[:tried] + forests

    def table_space(self, problem: Problem, *, together: bool) -> Space:
        return SPACE if not together or _stacks(problem) else {"extra-trees": SPACE["extra-trees"]}

    def table_alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        fit = fit_booster if configuration.learner == "boosting" else fit_forest
        return fit_each(sample, "trees", run, fit(configuration))

    def table_together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        fit = fit_stacked_booster if configuration.learner == "boosting" else fit_shared_forest
        return fit(sample, configuration, run)


def _stacks(problem: Problem) -> bool:
    """Whether a stacked booster shares anything: not where each target is of a kind of its own."""
    return problem.level is not None or any(len(group) > 1 for group in same_kind(problem.targets))
