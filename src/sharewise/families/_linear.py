"""The linear family."""

from __future__ import annotations

from typing import ClassVar

from sharewise.families._base import Configuration, Family, Space, configuration
from sharewise.families._linear_alone import fit_elastic_net, fit_ridge
from sharewise.families._linear_long import fit_pooled
from sharewise.families._linear_wide import fit_group_sparse, fit_low_rank
from sharewise.families._parts import fit_each
from sharewise.families._sample import Fit, Run, Sample
from sharewise.problems import Problem
from sharewise.tasks import Regression


class Linear(Family):
    """Ridge or logistic regression alone; low-rank, group-sparse or mixed models together."""

    name: ClassVar[str] = "linear"

    def table_configurations(
        self, problem: Problem, *, effort: int, together: bool
    ) -> tuple[Configuration, ...]:
        if not together:
            names = ("ridge", "elastic net")
        elif problem.is_wide:
            names = ("low-rank ridge", "multi-task elastic net")
        else:
            names = ("shrunken offsets", "shrunken offsets and slopes")
        numbers = all(isinstance(target.kind, Regression) for target in problem.targets)
        return tuple(configuration(name) for name in (names if effort >= 1 and numbers else names[:1]))

    def table_space(self, problem: Problem, *, together: bool) -> Space:
        return {}  # penalties, mixes and ranks are chosen on a grid inside every fit

    def table_alone(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        fit = fit_ridge if configuration.learner == "ridge" else fit_elastic_net
        return fit_each(sample, "linear", run, fit)

    def table_together(self, sample: Sample, configuration: Configuration, run: Run) -> Fit:
        match configuration.learner:
            case "low-rank ridge":
                return fit_low_rank(sample, run)
            case "multi-task elastic net":
                return fit_group_sparse(sample, run)
            case "shrunken offsets":
                return fit_pooled(sample, run, slopes=False)
            case _:
                return fit_pooled(sample, run, slopes=True)
