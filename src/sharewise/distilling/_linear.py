"""The linear student: ridge for numbers, logistic regression for classes; over levels with offsets and slopes.

Symbols: ``n`` rows, ``P`` encoded features, ``W`` columns of a target, ``L`` levels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from sharewise.distilling._lesson import Lesson
from sharewise.distilling._soft_logistic import as_part, soft_logistic, soft_losses
from sharewise.distilling._student import Student
from sharewise.families import Model, Part, Run
from sharewise.families._linear_alone import INVERSE_PENALTIES, ridge
from sharewise.families._linear_long import OFFSET_SCALES, LevelLinear, LevelLinearModel, fit_pooled
from sharewise.families._parts import FEWEST_ROWS, ConstantPart, LinearPart, PartsModel
from sharewise.families._sample import Fold
from sharewise.modalities import TabularEncoder
from sharewise.problems import Problem
from sharewise.tasks import Array, Classification


@final
@dataclass(frozen=True)
class LinearStudent(Student):
    """Final. One linear model a target; in a long table with an offset a level, and with slopes of its own if asked.

    Attributes:
        slopes: Whether a level has slopes of its own for numbers.
    """

    slopes: bool = False

    @property
    def name(self) -> str:
        return "linear, slopes by task" if self.slopes else "linear"

    def suits(self, problem: Problem) -> bool:
        numbers = any(not isinstance(target.kind, Classification) for target in problem.targets)
        return not self.slopes or (problem.level is not None and numbers)

    def fit(self, lesson: Lesson, run: Run) -> Model:
        return _wide(lesson, run) if lesson.sample.level is None else _long(lesson, run, slopes=self.slopes)


def _wide(lesson: Lesson, run: Run) -> Model:
    sample = lesson.sample
    encoder = TabularEncoder.fit(sample.table, "linear")
    X = encoder.transform(sample.table)
    parts: list[tuple[Part]] = []
    for target, aims in zip(sample.targets, lesson.aims, strict=True):
        rows = np.flatnonzero(~np.isnan(aims).any(axis=1))
        own = aims[rows]
        if len(rows) < FEWEST_ROWS:
            value = own.mean(axis=0) if len(rows) else target.kind.constant(np.zeros(0))
            parts.append((ConstantPart(value),))
        elif isinstance(target.kind, Classification):
            parts.append((as_part(_penalised(X[rows], own, sample.folds_within(rows), run)),))
        else:
            parts.append((LinearPart(*ridge(X[rows], own), "identity"),))
        run.tick(fits=1)
    return PartsModel(encoder, tuple(parts))


def _penalised(X: Array, aims: Array, folds: tuple[Fold, ...], run: Run) -> Array:
    """`soft_logistic` at the penalty that the inner folds prefer."""
    losses = np.zeros(len(INVERSE_PENALTIES))
    for train, valid in folds:
        start = None
        for place, C in enumerate(INVERSE_PENALTIES):
            start = soft_logistic(X[train], aims[train], C, start)
            losses[place] += soft_losses(as_part(start).predict(X[valid]), aims[valid]).sum()
            run.tick()
    return soft_logistic(X, aims, INVERSE_PENALTIES[int(losses.argmin())])


def _long(lesson: Lesson, run: Run, *, slopes: bool) -> Model:
    """Numbers by the linear family's pooled model, fitted to the aims; classes by logistic regression on features and
    scaled indicators of the level."""
    sample = lesson.sample
    assert sample.level is not None
    encoder = TabularEncoder.fit(sample.table, "linear")
    X = encoder.transform(sample.table)
    parts: list[LevelLinear] = []
    for target, aims in zip(sample.targets, lesson.aims, strict=True):
        if isinstance(target.kind, Classification):
            rows = np.flatnonzero(~np.isnan(aims).any(axis=1))
            folds = sample.folds_within(rows)
            parts.append(_classes(X[rows], aims[rows], sample.level[rows], sample.n_levels, folds, run))
            continue
        taught = replace(sample, targets=(target,), labels=aims, answers=())
        model = fit_pooled(taught, run, slopes=slopes).model
        assert isinstance(model, LevelLinearModel)
        parts.append(model.parts[0])
    return LevelLinearModel(encoder, tuple(parts))


def _classes(
    X: Array, aims: Array, level: NDArray[np.intp], count: int, folds: tuple[Fold, ...], run: Run
) -> LevelLinear:
    indicator = np.zeros((len(X), count))
    indicator[np.arange(len(X)), level] = 1.0
    grid = [(scale, C) for scale in OFFSET_SCALES for C in INVERSE_PENALTIES[1:-1]]
    losses = np.zeros(len(grid))
    for train, valid in folds:
        start = None
        for place, (scale, C) in enumerate(grid):
            inputs = np.hstack([X, scale * indicator])
            start = soft_logistic(inputs[train], aims[train], C, start)
            losses[place] += soft_losses(as_part(start).predict(inputs[valid]), aims[valid]).sum()
            run.tick()
    scale, C = grid[int(losses.argmin())]
    weights = soft_logistic(np.hstack([X, scale * indicator]), aims, C)
    run.tick(fits=1)
    slopes, offsets, intercept = weights[: X.shape[1]], scale * weights[X.shape[1] : -1], weights[-1]
    return LevelLinear(slopes, intercept, offsets, None, "softmax")
