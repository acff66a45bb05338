"""The problem as strategies learn from it: one target, some of its tasks, and how new ones are drawn."""

from __future__ import annotations

import numpy as np

from sharewise.problems import Problem
from sharewise.strategies.new_tasks import Draw, TaskSample, draws_of
from sharewise.studies._protocol import Protocol, derived_seed
from sharewise.studies.new_tasks._plan import NewPlan
from sharewise.studies.new_tasks._tasks import Codes, codes_of, is_pool, ways_of
from sharewise.tasks import Classification, Kind, Multiclass


def kind_of(problem: Problem, target: int, ways: int | None) -> Kind:
    """Of one task: the target's, in a pool that of one drawn with so many classes."""
    return problem.targets[target].kind if ways is None else Multiclass(tuple(range(ways)))


def sample_of(
    problem: Problem, protocol: Protocol, plan: NewPlan, target: int, train: Codes, valid: Codes
) -> TaskSample:
    """Labelled rows of a target's training and validation tasks."""
    codes, ways = codes_of(problem), ways_of(problem, protocol)
    known = ~np.isnan(problem.labels[:, target])
    rows = np.flatnonzero(known & np.isin(codes, np.concatenate([train, valid])))
    return TaskSample(
        problem.table.take(rows),
        problem.labels[rows, target],
        codes[rows],
        kind_of(problem, target, ways),
        problem.targets[target].metric,
        np.isin(codes[rows], train),
        protocol.shots,
        ways,
        plan.queries,
        problem.encoder,
        problem.unlabelled,
    )


def test_draws(
    problem: Problem, protocol: Protocol, plan: NewPlan, target: int, tasks: Codes, *, count: int, seed: int
) -> list[Draw]:
    """The draws that everybody is judged on, with places in the problem's rows."""
    codes, ways = codes_of(problem), ways_of(problem, protocol)
    rows = np.flatnonzero(~np.isnan(problem.labels[:, target]) & np.isin(codes, tasks))
    kind = kind_of(problem, target, ways)
    return draws_of(
        codes,
        problem.labels[:, target],
        rows,
        shots=protocol.shots,
        ways=ways,
        classes=kind.width if isinstance(kind, Classification) else None,
        queries=plan.queries,
        count=count,
        seed=derived_seed(seed, target),
    )


def default_draws(problem: Problem, folds: int) -> tuple[int, int, int]:
    """Draws, draws for validation, and query rows: some hundred draws a round, enough that luck in the draw is small
    beside that of the tasks."""
    if is_pool(problem):
        return 50, 25, 15
    tasks = max(len(np.unique(codes_of(problem))) // folds, 1)
    each = int(np.clip(90 // tasks, 1, 5))
    return each, max(each // 2, 1), 50
