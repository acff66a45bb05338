"""The exam: in an outer fold students learn from its training rows and are scored on its test rows.

Symbols: ``S`` students, ``H`` ways of teaching, ``T`` tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from sharewise.distilling._lesson import WAYS, Lesson
from sharewise.distilling._student import Student
from sharewise.distilling._teacher import TaughtRound, asked_again
from sharewise.families import Model, Run, Sample
from sharewise.problems import Problem
from sharewise.studies import Plan, Protocol, make_round
from sharewise.tasks import Array


def sit(
    protocol: Protocol,
    plan: Plan,
    one: TaughtRound,
    students: Sequence[Student],
    problem: Problem,
    deadline: float | None,
) -> Array:
    """Scores ``(S, H, T)`` on one outer fold's test rows, from which neither students nor their teacher learnt, as a job
    for workers. Ways are those of `WAYS`."""
    around = make_round(problem, protocol, plan, one.index)
    sample = Sample.of(problem, around.train, around.folds)
    run = Run(around.seed, deadline, plan.effort)
    told, asked = asked_again(problem, around, sample, one, run)
    lessons = [Lesson.of(sample, told, way, asked) for way in WAYS]
    return np.array(
        [
            [scored(student.fit(lesson, run), problem, around.test) for lesson in lessons]
            for student in students
        ]
    )


def scored(model: Model, problem: Problem, rows: NDArray[np.intp]) -> Array:
    """``(T,)`` metrics on the labelled ones among rows; NaN where there are none."""
    level = None if problem.level is None else problem.level[rows]
    said = model.predict(problem.table.take(rows), level)
    found = np.full(len(problem.tasks), np.nan)
    for place, task in enumerate(problem.tasks):
        known = ~np.isnan(problem.labels[rows, task.target])
        if level is not None:
            known &= level == task.level
        if known.any():
            truths = problem.truths(task.target, rows[known])
            found[place] = problem.targets[task.target].metric(truths, said[task.target][known])
    return found
