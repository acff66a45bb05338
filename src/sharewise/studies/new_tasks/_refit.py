"""What was chosen, learnt once more from all tasks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from sharewise.families import Run
from sharewise.problems import Problem
from sharewise.strategies.new_tasks import NEW_TASK_STRATEGIES, Adapter
from sharewise.studies._bench import Bench
from sharewise.studies._protocol import Protocol, derived_seed
from sharewise.studies._trial import Recipe
from sharewise.studies.new_tasks._plan import NewPlan
from sharewise.studies.new_tasks._sample import sample_of
from sharewise.studies.new_tasks._tasks import LEAST_UNITS, learners, units_of
from sharewise.studies.new_tasks._trial import fit_adapter

FALLBACK = ("meta-learned", "linear")
"""The strategy and family that serve new tasks where no trial has compared any."""
FALLBACK_SECONDS = 5.0


def refit_seconds(plan: NewPlan) -> float:
    """Seconds kept for it."""
    return 1.5 * plan.seconds + 1.0


def refit_new(bench: Bench, plan: NewPlan, recipes: Sequence[Recipe]) -> dict[Recipe, tuple[Adapter, ...]]:
    """By recipe an adapter a target."""
    bench.progress.phase("Learning from all tasks", len(recipes))
    jobs = [partial(refit_new_job, bench.protocol, plan, recipe) for recipe in recipes]
    found: dict[Recipe, tuple[Adapter, ...]] = {}
    for place, adapters in bench.workers.map(jobs, lambda: None):
        found[recipes[place]] = adapters
        bench.progress.advance(f"{recipes[place].strategy} {recipes[place].family}")
    return found


def refit_new_job(
    protocol: Protocol, plan: NewPlan, recipe: Recipe, problem: Problem, deadline: float | None
) -> tuple[Adapter, ...]:
    """All tasks, some of them to stop by, as a job for workers."""
    tasks, units = units_of(problem)
    seed = derived_seed(protocol.seed, 10_000)
    train, valid = learners(tasks, units, np.unique(units), seed)
    found = []
    for target in range(len(problem.targets)):
        sample = sample_of(problem, protocol, plan, target, train, valid)
        run = Run(seed=seed, effort=plan.effort)
        found.append(fit_adapter(sample, recipe, run, plan.seconds))
    return tuple(found)


def fallback_adapters(bench: Bench) -> tuple[Adapter, ...]:
    """For a study of known tasks an adapter a target all the same, should a new one arrive: the mixed model, which
    learns in seconds. Empty where the problem has no form, or too few tasks, for new ones.

    No trial has compared it; question='new' does.
    """
    problem, protocol = bench.problem, bench.protocol
    if problem.level is None or problem.table.reads_tensors:
        return ()
    tasks, units = units_of(problem, least=0)
    if len(np.unique(units)) < LEAST_UNITS:
        return ()
    plan = NewPlan(0, 1, FALLBACK_SECONDS, 1, 1, 20)
    train, valid = learners(tasks, units, np.unique(units), derived_seed(protocol.seed, 10_000))
    strategy = NEW_TASK_STRATEGIES[FALLBACK[0]]
    sample = sample_of(problem, protocol, plan, 0, train, valid)
    listed = strategy.configurations(sample, FALLBACK[1], effort=0)
    if not listed:
        return ()
    job = partial(refit_new_job, protocol, plan, Recipe(*FALLBACK, listed[0]))
    for _, adapters in bench.workers.map([job], lambda: None):
        return adapters
    return ()
