"""Trials as jobs for workers: those that can train as one program go together."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from functools import partial

from sharewise.families import FAMILIES, Model
from sharewise.problems import Problem
from sharewise.strategies import STRATEGIES, stack_of
from sharewise.studies._execution import Job
from sharewise.studies._protocol import Plan, Protocol
from sharewise.studies._trial import Recipe, Result, Spec, refit, run_trials

MOST_STACKED = 8
"""Trials of one job at most: a job is what a killed worker loses."""


def trial_job(
    protocol: Protocol, specs: tuple[Spec, ...], problem: Problem, deadline: float | None
) -> list[Result]:
    """`run_trials` as a job for workers."""
    return run_trials(problem, protocol, specs, deadline)


def refit_job(
    protocol: Protocol, plan: Plan, recipe: Recipe, problem: Problem, deadline: float | None
) -> Model:
    """`refit` as a job for workers."""
    return refit(problem, protocol, plan, recipe)


def trial_jobs(protocol: Protocol, specs: Sequence[Spec]) -> list[Job[list[Result]]]:
    """A job each, in the order given, but one for trials of a round that stack."""
    stacks: dict[Hashable, list[Spec]] = {}
    for place, spec in enumerate(specs):
        stack = None
        if spec.strategy in STRATEGIES:
            stack = stack_of(STRATEGIES[spec.strategy], FAMILIES[spec.family], spec.configuration)
        key: Hashable = (spec.index, spec.effort, spec.cap, spec.strategy, spec.family, stack)
        own = stacks.setdefault((place,) if stack is None else key, [])
        own.append(spec)
    jobs: list[Job[list[Result]]] = []
    for own in stacks.values():
        for start in range(0, len(own), MOST_STACKED):
            jobs.append(partial(trial_job, protocol, tuple(own[start : start + MOST_STACKED])))
    return jobs
